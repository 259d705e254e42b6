"""Results as partners and analysts find them: rows for `partner_results`, a document for the partner.

Belongs here: writing both so that a zombie, a process that lost its request while it slept, cannot replace what a later
generation wrote. Stays out: what the results are (`domain/requests/results.py`), what comes after them (`settle.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.operations.retention import AS_CONVERSATION
from manga_enrichment.domain.requests.results import (
    PARTNER_RESULT_COLUMNS,
    RequestResult,
    ResultHeading,
    result_document,
    result_rows,
)
from manga_enrichment.gateways.errors import FencedError, WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import partner_results_key, result_document_key

PARTNER_RESULT_SCHEMA = arrow_schema(PARTNER_RESULT_COLUMNS)


def write_results(
    tables: ObjectStore, heading: ResultHeading, result: RequestResult, warnings: Sequence[Mapping[str, Any]]
) -> None:
    """Put rows, then document; written again by the same or a later generation, to the same keys.

    The rows are only put over the version that was read. Raises FencedError when a later generation has written.
    """
    table = pa.Table.from_pylist(result_rows(heading, result), schema=PARTNER_RESULT_SCHEMA)
    key = _results_object_key(heading.submitted_at, heading.request_id)
    there = tables.read(key)
    if there is not None:
        _refuse_older(heading, there.table.column("generation")[0].as_py())
    try:
        tables.write(key, table, expected_etag=there.etag if there else None, new=there is None)
    except WriteConflictError as error:
        raise FencedError(f"another generation of request {heading.request_id} writes its results") from error
    _write_document(tables, heading, result_document(heading, result, warnings))


def _results_object_key(submitted_at: datetime, request_id: str) -> str:
    return partner_results_key(submitted_at.date().isoformat(), request_id)


def _write_document(tables: ObjectStore, heading: ResultHeading, document: Mapping[str, Any]) -> None:
    key = result_document_key(heading.request_id)
    kept_as = "" if heading.schema == "batch_analysis" else AS_CONVERSATION
    try:
        tables.write_json(key, document, new=True, kept_as=kept_as)
    except WriteConflictError:
        there = tables.read_json(key)
        _refuse_older(heading, there["generation"] if there else 0)
        tables.write_json(key, document, kept_as=kept_as)


def _refuse_older(heading: ResultHeading, generation: int) -> None:
    if generation > heading.generation:
        raise FencedError(f"generation {generation} of request {heading.request_id} has written its results already")
