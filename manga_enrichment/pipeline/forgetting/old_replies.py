"""Replies to conversations that earlier versions kept without end: in rows, in documents without a tag, in the ledger.

Belongs here: bringing what was written then under the rules of now (`domain/operations/retention.py`). Stays out:
forgetting somebody (`forget.py`).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.operations.forgetting import Trace
from manga_enrichment.domain.operations.retention import AS_CONVERSATION, REQUEST_TEXT_DAYS
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.conversations import CONVERSATION, conversation_fingerprint
from manga_enrichment.gateways.erasure import Erasure, ObjectVersion
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.forgetting.books import log_keys, take_words_out, with_words
from manga_enrichment.pipeline.forgetting.find import ids_in, trace_of_rows
from manga_enrichment.pipeline.forgetting.result_rows import RESULT_ROWS
from manga_enrichment.pipeline.log.append import log_entries
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.hour_keys import group_of
from manga_enrichment.pipeline.store.object_keys import old_result_document_key


@dataclass(frozen=True, slots=True)
class _Old:
    """An object of rows that says what rows say no more."""

    key: str
    trace: Trace


def end_old_replies(
    erasure: Erasure, tables: ObjectStore, ledger: ResultLedger, now: datetime, *, dry_run: bool
) -> int:
    """Take replies out of rows, log and ledger; end documents that are past their time. Of how many requests.

    A younger document gets the tag by which it ends. Raises StoreUnavailableError, WriteConflictError; what was begun
    can be done again.
    """
    found = list(_found(erasure))
    if dry_run or not found:
        return len(found)
    traces = [old.trace for old in found]
    fingerprints = sorted(conversation_fingerprint(each.request_id) for each in traces)
    entries = ledger.get_many(fingerprints)
    log_entries(tables, entries.values())
    words = with_words(tables, log_keys(tables, traces, list(entries.values())), fingerprints)
    take_words_out(erasure, tables, words, fingerprints)
    erasure.delete_entries(fingerprints)
    for old in found:  # rows last: they are how the rest is found
        _end_document(erasure, tables, old.trace, now)
        rewrite_table(tables, old.key, _emptied)
        erasure.delete_versions(_versions(erasure, old.key, current=False))
    return len(found)


def _found(erasure: Erasure) -> Iterator[_Old]:
    for version in erasure.versions(RESULT_ROWS):
        is_old = version.is_current and not group_of(version.key)  # rows of many requests have no replies
        body = erasure.read(version) if is_old else None
        if body is not None and pc.any(_speaks(pq.read_table(io.BytesIO(body)))).as_py():
            (request_id,) = ids_in(version.key)
            yield _Old(version.key, trace_of_rows(Trace(request_id), body))


def _speaks(table: pa.Table) -> pa.ChunkedArray:
    """A message about an answer that broke its schema may quote it."""
    quotes = pc.and_(
        pc.is_valid(table.column("message")),
        pc.fill_null(pc.equal(table.column("error_class"), ErrorClass.INVALID_ANSWER.value), fill_value=False),
    )
    is_conversation = pc.equal(table.column("analysis"), CONVERSATION.name)
    return pc.and_(is_conversation, pc.or_(pc.is_valid(table.column("answer")), quotes))


def _emptied(current: pa.Table | None) -> pa.Table:
    table = pa.table({}) if current is None else current
    speaks = _speaks(table)
    for name in ("answer", "message"):
        place = table.schema.get_field_index(name)
        silent = pc.if_else(speaks, pa.scalar(None, pa.string()), table.column(place))
        table = table.set_column(place, table.schema.field(place), silent)
    return table


def _end_document(erasure: Erasure, tables: ObjectStore, trace: Trace, now: datetime) -> None:
    key = old_result_document_key(trace.request_id)
    document = tables.read_json(key)
    is_past = trace.ended_at is not None and trace.ended_at + timedelta(days=REQUEST_TEXT_DAYS) <= now
    if document is not None and not is_past:
        tables.write_json(key, document, kept_as=AS_CONVERSATION)
    erasure.delete_versions(_versions(erasure, key, current=is_past))


def _versions(erasure: Erasure, key: str, *, current: bool) -> list[ObjectVersion]:
    return [each for each in erasure.versions(key) if each.key == key and (current or not each.is_current)]
