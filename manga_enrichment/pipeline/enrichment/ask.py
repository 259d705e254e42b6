"""Ask for what a plan says is missing: from plan files to the ledger.

Belongs here: building calls lazily, running the engine, keeping what the ledger does not (deferrals, passing failures).
Stays out: the engine itself, and the tables (`write.py`).
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, Outcome
from manga_enrichment.domain.prompts.fingerprint import fingerprint
from manga_enrichment.domain.prompts.prompt import build_prompt, title_inputs
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.catalog.reader import read_candidates, read_records
from manga_enrichment.pipeline.engine.budget import NO_CAPS, Caps, RunBudget, scopes_of
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.engine import Engine, EngineSettings
from manga_enrichment.pipeline.engine.estimates import estimate_call
from manga_enrichment.pipeline.engine.rate_limiter import RateLimiter
from manga_enrichment.pipeline.engine.tally import InvokeReport, Tally
from manga_enrichment.pipeline.enrichment.calibrations import read_calibration, write_calibration
from manga_enrichment.pipeline.enrichment.plan_files import read_plan
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.store.conditional_writes import append_requests
from manga_enrichment.pipeline.store.object_keys import requests_key, results_key
from manga_enrichment.pipeline.store.rows import REQUEST_SCHEMA, UNSENT, attempt_row

PROGRESS_SECONDS = 10.0
_ROWS_PER_TABLE = 5_000


@dataclass(frozen=True, slots=True)
class InvokeSettings:
    """Limits of one op execution; None: no quota told, no cap."""

    engine: EngineSettings
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    caps: Caps = NO_CAPS


class Invoking:
    """Runs one analysis over the buckets of a run."""

    def __init__(
        self,
        *,
        tables: ObjectStore,
        ledger: ResultLedger,
        budget: BudgetStore,
        open_model: Callable[[], FoundationModel],
        clock: Clock,
        settings: InvokeSettings,
    ) -> None:
        self._tables = tables
        self._ledger = ledger
        self._budget = budget
        self._open_model = open_model
        self._clock = clock
        self._settings = settings

    def invoke(
        self,
        analysis: AnalysisType,
        model: ModelSpec,
        buckets: Sequence[str],
        provenance: Provenance,
        *,
        spender: str,
        say: Callable[[str], None],
    ) -> InvokeReport:
        """Bring every planned call to an outcome.

        spender: a name no other execution has. say: told of progress every 10 s. Raises ConfigurationError.
        """
        counters = [scope.counter for scope in scopes_of(provenance, self._settings.caps)]
        self._budget.close_abandoned(counters, self._clock.now())  # what a killed run set aside is free again
        return self._clock.run(self._invoke(analysis, model, buckets, provenance, spender, say))

    async def _invoke(
        self,
        analysis: AnalysisType,
        model: ModelSpec,
        buckets: Sequence[str],
        provenance: Provenance,
        spender: str,
        say: Callable[[str], None],
    ) -> InvokeReport:
        started = self._clock.monotonic_seconds()
        tally = Tally(analysis.name)
        leftovers = UnledgeredAttempts(provenance, self._clock)
        limiter = RateLimiter(
            self._clock,
            requests_per_minute=self._settings.requests_per_minute,
            tokens_per_minute=self._settings.tokens_per_minute,
        )
        engine = self._engine(limiter, provenance, spender, foundation_model := self._open_model())

        def deliver(result: CallResult) -> None:
            tally.add(result)
            leftovers.add(result)

        progress = asyncio.create_task(self._say_progress(tally, say))
        try:
            calls = planned_calls(self._tables, analysis, model, buckets, provenance.run_id)
            pending = BatchStore(self._tables).pending(buckets)
            await foundation_model.check_reachable()
            await engine.run(_not_pending(calls, pending, deliver), deliver)
        finally:
            progress.cancel()
            with suppress(asyncio.CancelledError):
                await progress
            await foundation_model.close()
            leftovers.write(self._tables, analysis.name)
        learned = tally.calibration()
        if learned is not None:
            write_calibration(self._tables, analysis.name, model.model_id, learned)
        return tally.report(
            seconds=self._clock.monotonic_seconds() - started,
            throttled=limiter.throttled,
            stopped_by=engine.stopped_by.value if engine.stopped_by else "",
            stopped_message=engine.stopped_message,
        )

    def _engine(
        self, limiter: RateLimiter, provenance: Provenance, spender: str, foundation_model: FoundationModel
    ) -> Engine:
        scopes = scopes_of(provenance, self._settings.caps)
        return Engine(
            model=foundation_model,
            ledger=self._ledger,
            budget=RunBudget(self._budget, scopes, spender, self._clock),
            limiter=limiter,
            clock=self._clock,
            rng=random.Random(spender),  # noqa: S311
            provenance=provenance,
            settings=self._settings.engine,
        )

    async def _say_progress(self, tally: Tally, say: Callable[[str], None]) -> None:
        while True:
            await self._clock.sleep(PROGRESS_SECONDS)
            say(tally.progress())


def planned_calls(
    tables: ObjectStore, analysis: AnalysisType, model: ModelSpec, buckets: Sequence[str], run_id: str
) -> Iterator[Call]:
    """What a run's plan says is to be asked, bucket by bucket, built when it is wanted."""
    calibration = read_calibration(tables, analysis.name, model.model_id)
    for bucket in buckets:
        plan = read_plan(tables, run_id, bucket, [analysis.name])
        wanted = {row.manga_id for row in plan if row.action is Action.ASK}
        if not wanted:
            continue
        candidates: dict[str, tuple[Candidate, ...]] = {}
        if analysis.needs_candidates:
            candidates = read_candidates(tables, bucket)
        for record in read_records(tables, bucket):
            if record.manga_id in wanted:
                inputs = title_inputs(analysis, record, candidates.get(record.manga_id, ()))
                prompt = build_prompt(analysis, inputs, model)
                yield Call(
                    fingerprint=fingerprint(analysis, model, inputs),
                    bucket=bucket,
                    analysis=analysis,
                    model=model,
                    inputs=inputs,
                    prompt=prompt,
                    estimate=estimate_call(analysis, model, prompt, calibration),
                )


def _not_pending(
    calls: Iterator[Call], pending: Collection[str], deliver: Callable[[CallResult], None]
) -> Iterator[Call]:
    """Calls that no batch job took over since the plan was made."""
    for call in calls:
        if call.fingerprint in pending:
            deliver(CallResult(call, Outcome.DEFERRED, None, ErrorClass.BATCH_PENDING))
        else:
            yield call


class UnledgeredAttempts:
    """Requests rows of results that the ledger does not keep: deferrals, passing failures, answers found there."""

    def __init__(self, provenance: Provenance, clock: Clock, lane: str = "on_demand") -> None:
        self._provenance = provenance
        self._lane = lane
        self._clock = clock
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._tables: dict[str, list[pa.Table]] = {}

    def add(self, result: CallResult) -> None:
        entry = result.entry
        if entry is not None and entry.provenance == self._provenance:
            return  # paid for by this run, maybe by an earlier try of its op: the ledger has every attempt
        rows = self._rows.setdefault(result.call.bucket, [])
        rows.extend(self._result_rows(result))
        if len(rows) >= _ROWS_PER_TABLE:
            self._pack(result.call.bucket)

    def write(self, tables: ObjectStore, analysis: str) -> None:
        """One file per bucket that has leftovers; what an earlier try of the op left stays in it.

        What was sent is logged at once: should the run be killed before it writes its tables, nobody else will.
        """
        for bucket in list(self._rows):
            self._pack(bucket)
        for bucket, parts in self._tables.items():
            key = results_key(self._provenance.run_id, analysis, bucket)
            earlier = tables.read(key)
            left = pa.concat_tables([earlier.table, *parts] if earlier else parts)
            tables.write(key, left)
            self._log(tables, bucket, left.filter(pc.field("attempt") > 0).to_pylist())

    def _log(self, tables: ObjectStore, bucket: str, sent: Sequence[Mapping[str, Any]]) -> None:
        run = self._provenance
        for analysis in {row["analysis"] for row in sent}:
            own = [row for row in sent if row["analysis"] == analysis]
            append_requests(tables, requests_key(run.run_date, run.run_id, analysis, bucket), own)

    def _pack(self, bucket: str) -> None:
        rows = self._rows.pop(bucket)
        self._tables.setdefault(bucket, []).append(pa.Table.from_pylist(rows, schema=REQUEST_SCHEMA))

    def _result_rows(self, result: CallResult) -> Iterator[dict[str, Any]]:
        call = result.call
        identity = {
            "manga_id": call.manga_id,
            "analysis": call.analysis.name,
            "bucket": call.bucket,
            "fingerprint": call.fingerprint,
            "model_id": call.model.model_id,
            "prompt_version": call.analysis.version,
            "lane": self._lane,
            "dagster_run_id": self._provenance.run_id,
            "trigger": self._provenance.trigger,
            "partner_id": self._provenance.partner_id or None,
        }
        for attempt in result.attempts:
            yield attempt_row(attempt, result.attempts, identity=identity, status=result.outcome.value)
        if not result.attempts or (result.error_class and result.attempts[-1].error_class != result.error_class):
            yield {
                **UNSENT,
                **identity,
                "status": result.outcome.value,
                "error_class": result.error_class.value if result.error_class else None,
                "message": result.message or None,
                "from_cache": result.from_cache,
                "started_at": self._clock.now(),
            }
