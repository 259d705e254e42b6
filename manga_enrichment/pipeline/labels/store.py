"""The one store of labels and corrections: a table an analysis, to which rows are added and from which none is taken.

Belongs here: adding and reading. Stays out: what counts of what was said (`domain/labels/labels.py`).

A row's `version` is the store's when it was added: all up to a version is what was known then. Two who add at once
both succeed (`pipeline/store/conditional_writes.py`).
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.labels.labels import Label, LabelKind, standing
from manga_enrichment.gateways.objects import ObjectStore, TableReader
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.object_keys import labels_key

LABEL_SCHEMA = pa.schema(
    [
        ("version", pa.int64()),
        ("manga_id", pa.string()),
        ("analysis", pa.string()),
        ("field", pa.string()),
        ("value", pa.string()),
        ("by", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("why", pa.string()),
        ("kind", pa.string()),
        ("replaced", pa.string()),
    ]
)
_VALUES = ("value", "replaced")
"""Texts of JSON."""


def add_labels(objects: ObjectStore, labels: Iterable[Label]) -> dict[str, int]:
    """Analysis -> the store's version that has them. What is there already is not added again, so that a repeated read
    of one sheet changes nothing. Raises WriteConflictError, StoreUnavailableError."""
    by_analysis: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_analysis[label.analysis].append(label)
    return {name: _add(objects, name, own) for name, own in by_analysis.items()}


def read_labels(objects: TableReader, analysis: str) -> list[Label]:
    """All that was said, oldest first."""
    stored = objects.read(labels_key(analysis))
    return [] if stored is None else _labels(stored.table)


def read_said_of_answers(objects: TableReader, analysis: str, ids: pa.Array | None = None) -> list[Label]:
    """Corrections and what takes them back, oldest first. ids: of these titles; no others become objects."""
    stored = objects.read(labels_key(analysis))
    if stored is None:
        return []
    said = stored.table.filter(pc.not_equal(stored.table.column("kind"), LabelKind.LABEL.value))
    return _labels(said if ids is None else said.filter(pc.is_in(said.column("manga_id"), value_set=ids)))


def labelled(objects: TableReader, analyses: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What holds for these analyses: manga_id -> field -> value."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for name in analyses:
        for manga_id, values in standing(read_labels(objects, name)).items():
            found[manga_id].update(values)
    return dict(found)


def _add(objects: ObjectStore, analysis: str, labels: Iterable[Label]) -> int:
    def added(current: pa.Table | None) -> pa.Table:
        known = [] if current is None else current.to_pylist()
        version = max((row["version"] for row in known), default=0) + 1
        said = {_identity(row) for row in known}
        rows = [_row(label, version) for label in labels]
        fresh = [row for row in rows if _identity(row) not in said]
        return pa.Table.from_pylist([*known, *fresh], schema=LABEL_SCHEMA)

    table = rewrite_table(objects, labels_key(analysis), added).table
    return max(table.column("version").to_pylist(), default=0)


def _identity(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in LABEL_SCHEMA.names if name != "version")


def _row(label: Label, version: int) -> dict[str, Any]:
    return {
        "version": version,
        "manga_id": label.manga_id,
        "analysis": label.analysis,
        "field": label.field,
        "value": json.dumps(label.value, ensure_ascii=False),
        "by": label.by,
        "at": label.at,
        "why": label.why,
        "kind": label.kind.value,
        "replaced": None if label.replaced is None else json.dumps(label.replaced, ensure_ascii=False),
    }


def _labels(said: pa.Table) -> list[Label]:
    return [_label(row) for row in said.to_pylist()]


def _label(row: dict[str, Any]) -> Label:
    """Files of 0.3.0 and before have no `replaced`."""
    values = {name: value for name, value in row.items() if name not in ("version", "kind", *_VALUES)}
    replaced = row.get("replaced")
    return Label(
        **values,
        value=json.loads(row["value"]),
        kind=LabelKind(row["kind"]),
        replaced=None if replaced is None else json.loads(replaced),
    )
