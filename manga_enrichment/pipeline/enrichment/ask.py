"""Ask for what a plan says is missing: from plan files to the ledger.

Belongs here: building calls lazily, keeping what the ledger does not (deferrals, passing failures), learning for later
runs. Stays out: the engine (`pipeline/engine/invocation.py`), and the tables (`write.py`).
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from manga_enrichment.domain.analyses.base import AnalysisType, Candidate
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.candidates.tables import read_candidates
from manga_enrichment.pipeline.catalog.reader import read_records
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings, open_invocation
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.money.budget import scopes_of
from manga_enrichment.pipeline.engine.results import deferred
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment.pipeline.enrichment.calibrations import read_calibration, write_calibration
from manga_enrichment.pipeline.enrichment.plan_files import read_plan
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.log.arrears import keep_arrears, settle_arrears
from manga_enrichment.pipeline.log.kept_entries import KeptEntries
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts


class Invoking:
    """Runs one analysis over the buckets of a run."""

    def __init__(self, *, tables: ObjectStore, gateways: InvokeGateways, settings: InvokeSettings) -> None:
        self._tables = tables
        self._gateways = gateways
        self._clock = gateways.clock
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
        planned: int = 0,
    ) -> InvokeReport:
        """Bring every planned call to an outcome.

        spender: a name no other execution has. planned: how many titles the plan has for it. say: told of progress
        every 10 s. Raises ConfigurationError.
        """
        gateways, now = self._gateways, self._clock.now()
        settle_arrears(self._tables, gateways.ledger, gateways.budget, now)
        counters = [scope.counter for scope in scopes_of(provenance, self._settings.caps)]
        # What a killed run set aside is free again.
        gateways.budget.close_abandoned(counters, now - self._settings.engine.clock_skew)
        tally = Tally(analysis.name, planned)
        return self._clock.run(self._invoke(analysis, model, buckets, provenance, spender, tally, say))

    async def _invoke(
        self,
        analysis: AnalysisType,
        model: ModelSpec,
        buckets: Sequence[str],
        provenance: Provenance,
        spender: str,
        tally: Tally,
        say: Callable[[str], None],
    ) -> InvokeReport:
        unledgered, kept = UnledgeredAttempts(provenance, self._clock), KeptEntries(provenance)

        def told(result: CallResult) -> None:
            kept.add(result)
            unledgered.add(result)

        def flush() -> None:
            kept.write(self._tables, analysis.name)
            unledgered.write(self._tables, analysis.name)

        calls = planned_calls(self._tables, analysis, model, buckets, provenance.run_id)
        pending = BatchStore(self._tables).pending(buckets)
        async with open_invocation(self._gateways, self._settings, tally, provenance.run_id, say) as invocation:
            await invocation.reach()
            engine = invocation.engine(model, provenance, spender)
            keep = partial(keep_arrears, self._tables)
            await engine.run(_not_pending(calls, pending), invocation.counted(told), flush, keep)
        learned = tally.calibration()
        if learned is not None:
            write_calibration(self._tables, analysis.name, model.model_id, learned)
        return invocation.report()


def planned_calls(
    tables: ObjectStore, analysis: AnalysisType, model: ModelSpec, buckets: Sequence[str], run_id: str
) -> Iterator[Call]:
    """What a run's plan says is to be asked, bucket by bucket, built when it is wanted."""
    calibration = read_calibration(tables, analysis.name, model.model_id)
    for bucket in buckets:
        plan = read_plan(tables, run_id, bucket, [analysis.name])
        wanted = {row.manga_id: row.reason for row in plan if row.action is Action.ASK}
        if not wanted:
            continue
        candidates: dict[str, tuple[Candidate, ...]] = {}
        if analysis.needs_candidates:
            candidates = read_candidates(tables, bucket)
        for record in read_records(tables, bucket):
            if record.manga_id in wanted:
                inputs = title_inputs(analysis, record, candidates.get(record.manga_id, ()))
                yield build_call(Question(analysis, model, inputs, calibration), bucket, wanted[record.manga_id])


def _not_pending(calls: Iterator[Call], pending: Collection[str]) -> Iterator[Call | CallResult]:
    """Calls; of those that a batch job took over since the plan was made, what becomes of them."""
    for call in calls:
        yield deferred(call, ErrorClass.BATCH_PENDING) if call.fingerprint in pending else call
