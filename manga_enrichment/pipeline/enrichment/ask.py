"""Ask for what a plan says is missing: from plan files to the ledger.

Belongs here: building calls lazily, running the engine, keeping what the ledger does not (deferrals, passing failures).
Stays out: the engine itself, and the tables (`write.py`).
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

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
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts

PROGRESS_SECONDS = 10.0


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
        unledgered = UnledgeredAttempts(provenance, self._clock)
        limiter = RateLimiter(
            self._clock,
            requests_per_minute=self._settings.requests_per_minute,
            tokens_per_minute=self._settings.tokens_per_minute,
        )
        engine = self._engine(limiter, provenance, spender, foundation_model := self._open_model())

        def deliver(result: CallResult) -> None:
            tally.add(result)
            unledgered.add(result)

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
            unledgered.write(self._tables, analysis.name)
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
