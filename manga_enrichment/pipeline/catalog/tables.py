"""Schemas of the catalog's tables, and the way between records and rows.

Belongs here: `catalog`, `catalog_rejects` and `catalog_warnings` as Arrow. Stays out: where they are stored
(`reader.py`).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC
from operator import attrgetter
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.catalog.columns import CATALOG_COLUMNS, REJECT_COLUMNS, WARNING_COLUMNS
from manga_enrichment.domain.catalog.mapping import FIELD_NAMES
from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.domain.catalog.rows import RejectedRow
from manga_enrichment.pipeline.store.arrow_types import arrow_schema

CATALOG_SCHEMA = arrow_schema(CATALOG_COLUMNS)
REJECTS_SCHEMA = arrow_schema(REJECT_COLUMNS)
WARNINGS_SCHEMA = arrow_schema(WARNING_COLUMNS)

_LISTS = frozenset({"synonyms", "magazines", "publisher_genres", "themes", "demographics"})
_ROWS_PER_BATCH = 4096
_AUTHORS_AT = FIELD_NAMES.index("authors")
_values_of = attrgetter(*FIELD_NAMES)


def record_row(record: MangaRecord, content_hash: str) -> tuple[Any, ...]:
    """Values in the order of CATALOG_SCHEMA; authors as (name, role) pairs, which Arrow takes for structs."""
    row: tuple[Any, ...] = _values_of(record)
    authors = [(author.name, author.role) for author in record.authors]
    return (*row[:_AUTHORS_AT], authors, *row[_AUTHORS_AT + 1 :], content_hash)


def batch_of(rows: Iterable[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows of values in schema order as one batch."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def reject_row(rejected: RejectedRow) -> tuple[Any, ...]:
    """Values in the order of REJECTS_SCHEMA."""
    return (rejected.row_number, rejected.manga_id, rejected.reason.value, rejected.raw_json)


def records_from_table(table: pa.Table) -> Iterator[MangaRecord]:
    """Records of a catalog table; columns that were not read are empty, others than a record's are ignored."""
    names = [name for name in FIELD_NAMES if name in table.column_names]
    for batch in table.select(names).to_batches(max_chunksize=_ROWS_PER_BATCH):
        columns = [_column(name, batch.column(name)) for name in names]
        for values in zip(*columns, strict=True):
            yield MangaRecord(**dict(zip(names, values, strict=True)))


def _column(name: str, array: pa.Array) -> list[Any]:
    values: list[Any] = array.to_pylist()
    if name == "authors":
        return [tuple(Author(author["name"], author["role"]) for author in people) for people in values]
    if name in _LISTS:
        return [tuple(items) for items in values]
    if name == "updated_at":
        return [None if moment is None else moment.astimezone(UTC) for moment in values]
    return values
