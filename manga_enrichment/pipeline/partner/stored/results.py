"""Results as partners and analysts find them: a document for the partner, its rows for `partner_results`.

Belongs here: the document written so that a zombie, a process that lost its request while it slept, cannot replace what
a later generation wrote; the rows that follow from a document. Stays out: what the results are
(`domain/requests/results.py`), what comes after them (`pipeline/partner/ending/settle.py`), how rows are written
(`pipeline/store/flusher.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.operations.retention import result_tag
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.policies import ANYTHING, PartnerPolicy
from manga_enrichment.domain.requests.result_rows import PARTNER_RESULT_COLUMNS, rows_of_document
from manga_enrichment.domain.requests.results import (
    RequestResult,
    ResultHeading,
    result_document,
)
from manga_enrichment.gateways.errors import FencedError, WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.conditional_writes import CONFLICT_TRIES
from manga_enrichment.pipeline.store.flusher import Part
from manga_enrichment.pipeline.store.hour_groups import first_of_each
from manga_enrichment.pipeline.store.hour_keys import hour_group
from manga_enrichment.pipeline.store.object_keys import partner_results_prefix, result_document_key

PARTNER_RESULT_SCHEMA = arrow_schema(PARTNER_RESULT_COLUMNS)


def write_document(
    tables: ObjectStore,
    heading: ResultHeading,
    result: RequestResult,
    warnings: Sequence[Mapping[str, Any]],
    policy: PartnerPolicy = ANYTHING,
) -> dict[str, Any]:
    """Put the document of a result, by the same or a later generation over an earlier one, and return it.

    Raises FencedError when a later generation has written.
    """
    document = result_document(heading, result, warnings)
    key = result_document_key(heading.partner_id, heading.request_id)
    kept_as = result_tag(heading.schema != "batch_analysis", policy.retention_days)
    etag: str | None = None
    for _ in range(CONFLICT_TRIES):
        try:
            tables.write_json(key, document, expected_etag=etag, new=etag is None, kept_as=kept_as)
        except WriteConflictError:
            there = tables.read_document(key)
            etag = there.etag if there else None
            _refuse_older(heading, there.document["generation"] if there else 0)
            continue
        return document
    raise FencedError(f"others keep writing the result of request {heading.request_id}")


def result_part(document: Mapping[str, Any], row: RequestRow) -> Part:
    """The rows of a document, in the hour in which its request was submitted: the same in every generation.

    row: the final status.
    """
    submitted_at = datetime.fromisoformat(document["submitted_at"])
    group = hour_group(partner_results_prefix(submitted_at.date().isoformat()), submitted_at)
    return Part(group, PARTNER_RESULT_SCHEMA, rows_of_document(document, row))


def each_result_once(table: pa.Table) -> pa.Table:
    """Rows of `partner_results` as they count: of a request those of its highest generation, each once."""
    newest = table.group_by("request_id", use_threads=False).aggregate([("generation", "max")])
    place = pc.index_in(table.column("request_id"), value_set=newest.column("request_id").combine_chunks())
    counts = pc.equal(table.column("generation"), newest.column("generation_max").take(place))
    return first_of_each(table.filter(counts), ["request_id", "position"])


def _refuse_older(heading: ResultHeading, generation: int) -> None:
    if generation > heading.generation:
        raise FencedError(f"generation {generation} of request {heading.request_id} has written its results already")
