"""Rows and Parquet tables: schemas, rows of answers, and the merge that makes a new table.

Belongs here: pure functions from entries and tables to tables. Stays out: storing them
(`pipeline/enrichment/write.py`).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType, Answer
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.tables.shared_columns import OUTCOME_COLUMNS
from manga_enrichment.pipeline.store.arrow_types import arrow_schema

OUTCOME_SCHEMA = arrow_schema(OUTCOME_COLUMNS)
SCHEMAS_VERSION = "1"
"""Raise it when the catalog's columns or cleaning change: the next run then imports an unchanged source anew, and
cleans each of its rows."""


def answer_schema(analysis: AnalysisType) -> pa.Schema:
    return arrow_schema(analysis.table_columns)


def answer_row(analysis: AnalysisType, entry: LedgerEntry) -> dict[str, Any]:
    """The row of `analysis` in an entry, its own or a combined one. The entry must have an answer."""
    if entry.answer is None:
        raise ValueError(f"entry {entry.fingerprint} has no answer")
    answer: Answer = entry.answer if entry.analysis == analysis.name else entry.answer[analysis.name]
    return {
        "manga_id": entry.manga_id,
        **analysis.to_row(answer),
        "via": entry.analysis,
        "fingerprint": entry.fingerprint,
        "model_id": entry.model_id,
        "prompt_version": entry.prompt_version,
        "answered_at": entry.created_at,
        "dagster_run_id": entry.provenance.run_id,
    }


def merge_rows(
    current: pa.Table | None,
    rows: Sequence[Mapping[str, Any]],
    keep_ids: Collection[str] | pa.Array,
    schema: pa.Schema,
) -> pa.Table:
    """Current rows of titles still in the catalog, replaced and joined by `rows`, sorted by manga_id."""
    new = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    parts = [new]
    if current is not None and current.num_rows:
        ids = current.column("manga_id")
        kept = pc.and_(
            pc.is_in(ids, value_set=pa.array(keep_ids, pa.string())),
            pc.invert(pc.is_in(ids, value_set=new.column("manga_id").combine_chunks())),
        )
        parts.append(fitted(current.filter(kept), schema))
    return pa.concat_tables(parts).sort_by("manga_id").combine_chunks()


def fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A stored table with today's columns, since an analysis may have had others when its rows were written.

    What came is null, what went is left out, values of another type are lost. A row that then lacks what may not be
    null is left out: its answer is in the ledger, and its title is asked today's question.
    """
    if table.schema.equals(schema):
        return table
    found = pa.table({field.name: _column(table, field) for field in schema})
    for field in schema:
        if not field.nullable:
            found = found.filter(pc.is_valid(found.column(field.name)))
    return found.cast(schema)


def _column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name in table.column_names:
        try:
            return table.column(field.name).cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            pass
    return pa.nulls(table.num_rows, field.type)
