"""Settling: results, then status, then the announcement, then the ack. In this order a kill loses nothing.

    results object, result document   written again by the next generation, to the same keys
    status (fenced)                   from here on the request is final; what is missing below is made up for when
                                      its message comes again (`complete.py`)
    outbox                            the same event has the same id
    ack                               a message that was not deleted finds its request final

Belongs here: this order, and refusing a zombie: a process that lost its request while it slept. The fence is asked
before anything is written; a results object is only put over the version that was read, and never over one of a later
generation. Stays out: what the results are (`collect.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.callbacks.deliveries import CallbackState
from manga_enrichment.domain.outcomes.error_classes import Outcome
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.results import (
    PARTNER_RESULT_COLUMNS,
    RequestResult,
    ResultHeading,
    result_document,
    result_rows,
)
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import FencedError, WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.complete import Completion
from manga_enrichment.pipeline.partner.conversations import last_question, read_history, session_name, write_turn
from manga_enrichment.pipeline.partner.requeue import Requeue
from manga_enrichment.pipeline.partner.stored_requests import StoredRequest, read_stored_request
from manga_enrichment.pipeline.partner.work_units import UnitRequest
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import partner_results_key, result_document_key

PARTNER_RESULT_SCHEMA = arrow_schema(PARTNER_RESULT_COLUMNS)


@dataclass(frozen=True, slots=True)
class SettleLimits:
    """deferral_seconds: until a deferred request is tried again. max_age: then what still waits has failed."""

    deferral_seconds: int = 300
    max_age: timedelta = timedelta(hours=72)


class Settling:
    def __init__(
        self,
        *,
        requests: RequestStore,
        tables: ObjectStore,
        clock: Clock,
        endings: Completion,
        releasing: Requeue,
        limits: SettleLimits,
    ) -> None:
        self._requests = requests
        self._tables = tables
        self._clock = clock
        self._endings = endings
        self._releasing = releasing
        self._limits = limits

    def settle(self, request: UnitRequest, result: RequestResult, run_id: str) -> RequestRow:
        """Bring one request of ours to its end, or give it back when items of it must wait.

        Safe to repeat. Raises FencedError when it is ours no more, and what the gateways raise; nothing is acked then.
        """
        row = self._requests.update(request.request_id, request.owner, request.generation)
        if is_final(row.state):  # an earlier try of this op got that far
            self._endings.finish(row, row.queue, row.receipt_handle)
            return row
        result = self._aged(request, result)
        cost = result.cost_of_all_generations(request.cost_before_micro_usd)
        if result.state is RequestState.DEFERRED:
            return self._releasing.release(
                request,
                delay_seconds=self._limits.deferral_seconds,
                error_class=result.error_class,
                reason=result.reason,
                cost_micro_usd=cost,
                counts=result.counts,
            )
        stored = read_stored_request(self._tables, request.body_key)
        heading = self._heading(request, cost, run_id)
        self._write_results(heading, result, stored)
        row = self._write_status(request, result, cost, stored)
        self._endings.finish(row, row.queue, row.receipt_handle)
        return row

    def _aged(self, request: UnitRequest, result: RequestResult) -> RequestResult:
        is_old = self._clock.now() - request.submitted_at >= self._limits.max_age
        return result.given_up() if is_old else result

    def _heading(self, request: UnitRequest, cost_micro_usd: int, run_id: str) -> ResultHeading:
        return ResultHeading(
            request_id=request.request_id,
            partner_id=request.partner_id,
            schema=request.schema,
            generation=request.generation,
            submitted_at=request.submitted_at,
            completed_at=self._clock.now(),
            cost_micro_usd=cost_micro_usd,
            run_id=run_id,
        )

    def _write_results(self, heading: ResultHeading, result: RequestResult, stored: StoredRequest) -> None:
        table = pa.Table.from_pylist(result_rows(heading, result), schema=PARTNER_RESULT_SCHEMA)
        key = results_object_key(heading.submitted_at, heading.request_id)
        there = self._tables.read(key)
        if there is not None:
            _refuse_older(heading, there.table.column("generation")[0].as_py())
        try:
            self._tables.write(key, table, expected_etag=there.etag if there else None, new=there is None)
        except WriteConflictError as error:
            raise FencedError(f"another generation of request {heading.request_id} writes its results") from error
        self._write_document(heading, result_document(heading, result, stored.warnings))
        self._keep_turn(heading, result, stored)

    def _write_document(self, heading: ResultHeading, document: Mapping[str, Any]) -> None:
        key = result_document_key(heading.request_id)
        try:
            self._tables.write_json(key, document, new=True)
        except WriteConflictError:
            there = self._tables.read_json(key)
            _refuse_older(heading, there["generation"] if there else 0)
            self._tables.write_json(key, document)

    def _keep_turn(self, heading: ResultHeading, result: RequestResult, stored: StoredRequest) -> None:
        """The answered question of a conversation joins its session's history."""
        answer = result.items[0].answer
        if "items" in stored.body or result.items[0].outcome is not Outcome.SUCCEEDED or answer is None:
            return
        session = session_name(stored.partner_id, stored.schema, stored.body)
        if session is not None:
            write_turn(
                self._tables,
                session,
                read_history(self._tables, session, stored.request_id).number,
                request_id=stored.request_id,
                question=last_question(stored.schema, stored.body),
                reply=answer["reply"],
                at=heading.completed_at,
            )

    def _write_status(
        self, request: UnitRequest, result: RequestResult, cost_micro_usd: int, stored: StoredRequest
    ) -> RequestRow:
        return self._requests.update(
            request.request_id,
            request.owner,
            request.generation,
            result.state,
            result_key=result_document_key(request.request_id),
            counts=result.counts,
            cost_micro_usd=cost_micro_usd,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            error_class=result.error_class,
            reason=result.reason,
            callback_state=CallbackState.PENDING.value if stored.callback_url else "",
        )


def results_object_key(submitted_at: datetime, request_id: str) -> str:
    return partner_results_key(submitted_at.date().isoformat(), request_id)


def _refuse_older(heading: ResultHeading, generation: int) -> None:
    if generation > heading.generation:
        raise FencedError(f"generation {generation} of request {heading.request_id} has written its results already")
