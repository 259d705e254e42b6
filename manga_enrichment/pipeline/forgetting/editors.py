"""Forgetting an editor: the name goes out of the store of labels, in every version; what was said of titles stays.

Belongs here: rows and versions, and the list that says so after a restore. Stays out: partners and users (`forget.py`).
"""

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.operations.forgetting import digest
from manga_enrichment.gateways.erasure import Erasure, ObjectVersion
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.object_keys import LABELS_ROOT, forgotten_key, forgotten_prefix

NOBODY = "forgotten"
"""Stands for the name from then on."""
_LISTED = "editor-"


def forget_editor(erasure: Erasure, tables: ObjectStore, name: str, *, dry_run: bool) -> int:
    """Of how many rows the name was taken, as they are now. Safe to repeat. name: as `by` of corrections has it.

    Raises StoreUnavailableError, WriteConflictError; what was begun can be done again.
    """
    return _forget(erasure, tables, digest(name), dry_run=dry_run)


def forget_editors_again(erasure: Erasure, tables: ObjectStore, *, dry_run: bool) -> int:
    """All who were ever forgotten, as after a restore. Raises as `forget_editor`."""
    listed = (key.rsplit("/", 1)[1] for key in tables.list_keys(forgotten_prefix()))
    names = [key.removeprefix(_LISTED).removesuffix(".json") for key in listed if key.startswith(_LISTED)]
    return sum(_forget(erasure, tables, name, dry_run=dry_run) for name in names)


def is_of_editor(key: str) -> bool:
    """Whether an object of `forgotten/` is about an editor."""
    return key.startswith(f"{forgotten_prefix()}{_LISTED}")


def _forget(erasure: Erasure, tables: ObjectStore, name: str, *, dry_run: bool) -> int:
    found = [
        (version, count)
        for version in erasure.versions(f"{LABELS_ROOT}/")
        if (body := erasure.read(version)) is not None
        and (count := _said_by(pq.read_table(io.BytesIO(body), columns=["by"]), name).true_count)
    ]
    if not dry_run and found:
        tables.write_json(forgotten_key(f"{_LISTED}{name}"), {"editor": name})
        for version in (version for version, _ in found if version.is_current):
            rewrite_table(tables, version.key, lambda current: _without(current, name))
        erasure.delete_versions(_outdated(erasure, name))
    return sum(count for version, count in found if version.is_current)


def _outdated(erasure: Erasure, name: str) -> list[ObjectVersion]:
    """Versions that have the name still: those of before, and what somebody added meanwhile has none."""
    return [
        version
        for version in erasure.versions(f"{LABELS_ROOT}/")
        if not version.is_current
        and (body := erasure.read(version)) is not None
        and _said_by(pq.read_table(io.BytesIO(body), columns=["by"]), name).true_count
    ]


def _said_by(table: pa.Table, name: str) -> pa.BooleanArray:
    return pa.array([digest(by) == name for by in table.column("by").to_pylist()], pa.bool_())


def _without(current: pa.Table | None, name: str) -> pa.Table:
    if current is None:
        return pa.table({})
    by = pc.if_else(_said_by(current, name), NOBODY, current.column("by"))
    index = current.column_names.index("by")
    return current.set_column(index, current.schema.field(index), by)
