"""Forgetting an editor: the name goes out of the stores of labels and of what was asked again, in every version; what
was said of titles stays, and so do the numbers that questions have.

Belongs here: rows and versions, and the list that says so after a restore. Stays out: partners and users (`forget.py`).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.operations.forgetting import digest
from manga_enrichment.gateways.erasure import Erasure, ObjectVersion
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.object_keys import AGAIN_ROOT, LABELS_ROOT, forgotten_key, forgotten_prefix

NOBODY = "forgotten"
"""Stands for the name from then on."""
_LISTED = "editor-"


@dataclass(frozen=True, slots=True)
class Named:
    """Rows that had the name, as they are now. labels: and corrections. asked_again: a title and analysis each."""

    labels: int = 0
    asked_again: int = 0

    def __bool__(self) -> bool:
        return bool(self.labels or self.asked_again)

    def __str__(self) -> str:
        return f"{self.labels} labels and corrections, {self.asked_again} notes of what was asked again"


def forget_editor(erasure: Erasure, tables: ObjectStore, name: str, *, dry_run: bool) -> Named:
    """What the name was taken out of. Safe to repeat. name: as `by` of corrections and of what was asked again has it.

    Raises StoreUnavailableError, WriteConflictError; what was begun can be done again.
    """
    return _forget(erasure, tables, digest(name), dry_run=dry_run)


def forget_editors_again(erasure: Erasure, tables: ObjectStore, *, dry_run: bool) -> Named:
    """All who were ever forgotten, as after a restore. Raises as `forget_editor`."""
    listed = (key.rsplit("/", 1)[1] for key in tables.list_keys(forgotten_prefix()))
    names = [key.removeprefix(_LISTED).removesuffix(".json") for key in listed if key.startswith(_LISTED)]
    found = [_forget(erasure, tables, name, dry_run=dry_run) for name in names]
    return Named(sum(each.labels for each in found), sum(each.asked_again for each in found))


def is_of_editor(key: str) -> bool:
    """Whether an object of `forgotten/` is about an editor."""
    return key.startswith(f"{forgotten_prefix()}{_LISTED}")


def _forget(erasure: Erasure, tables: ObjectStore, name: str, *, dry_run: bool) -> Named:
    found = list(_with_name(erasure, name))
    if not dry_run and found:
        tables.write_json(forgotten_key(f"{_LISTED}{name}"), {"editor": name})
        for version in (version for version, _ in found if version.is_current):
            rewrite_table(tables, version.key, lambda current: _without(current, name))
        # those of before; what somebody added meanwhile is current
        erasure.delete_versions([version for version, _ in _with_name(erasure, name) if not version.is_current])
    now = [(version.key, count) for version, count in found if version.is_current]
    labels = sum(count for key, count in now if key.startswith(f"{LABELS_ROOT}/"))
    return Named(labels, sum(count for _, count in now) - labels)


def _with_name(erasure: Erasure, name: str) -> Iterator[tuple[ObjectVersion, int]]:
    """Versions that have the name, each with how many of its rows."""
    for root in (LABELS_ROOT, AGAIN_ROOT):
        for version in erasure.versions(f"{root}/"):
            body = erasure.read(version)
            if body is not None:
                count = _said_by(pq.read_table(io.BytesIO(body), columns=["by"]), name).true_count
                if count:
                    yield version, count


def _said_by(table: pa.Table, name: str) -> pa.BooleanArray:
    return pa.array([digest(by) == name for by in table.column("by").to_pylist()], pa.bool_())


def _without(current: pa.Table | None, name: str) -> pa.Table:
    if current is None:
        return pa.table({})
    by = pc.if_else(_said_by(current, name), NOBODY, current.column("by"))
    index = current.column_names.index("by")
    return current.set_column(index, current.schema.field(index), by)
