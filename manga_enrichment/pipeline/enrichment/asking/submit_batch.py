"""The batch lane: what a plan asks for, packed into jobs instead of being asked now.

Belongs here: cutting the calls into jobs that are affordable, large enough and nobody else's, and writing them down.
Stays out: making the job at Bedrock (`pipeline/batch/launch.py`), its answers (`pipeline/batch/collect.py`).

The order of things makes a kill harmless anywhere: a short claim, the input, then `job.json`. Before that the claims
run out by themselves; after it the sensor carries on with the same token, so nothing is ever paid for twice.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.batch_jobs import MIN_RECORDS, RECORDS_PER_JOB, even_chunk, record_id, request_token
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.budget import BudgetScope
from manga_enrichment.gateways.model import ModelCall
from manga_enrichment.pipeline.batch.job_store import BatchJob, BatchStore
from manga_enrichment.pipeline.batch.launch import BatchGateways, Launcher
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.money.budget import NO_CAPS, Caps, scopes_of
from manga_enrichment.pipeline.engine.results import cached, deferred
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment.pipeline.enrichment.asking.planned_calls import planned_calls
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts

PREPARING = timedelta(minutes=30)
"""How long titles stay claimed by a run that is killed before it wrote the job down."""

Deliver = Callable[[CallResult], None]


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Limits of the lane. min_titles: None where it is off. Smaller jobs than Bedrock takes are for tests."""

    min_titles: int | None = None
    timeout_hours: int = 24
    caps: Caps = NO_CAPS
    min_records: int = MIN_RECORDS
    records_per_job: int = RECORDS_PER_JOB


class BatchLane:
    """Submits one analysis over the buckets of a run."""

    def __init__(self, gateways: BatchGateways, settings: BatchSettings) -> None:
        self._to = gateways
        self._settings = settings
        self._store = BatchStore(gateways.tables)

    def submit(
        self,
        analysis: AnalysisType,
        model: ModelSpec,
        buckets: Sequence[str],
        provenance: Provenance,
        *,
        total: int,
        selected: Sequence[str],
        say: Callable[[str], None],
    ) -> InvokeReport:
        """Put all planned calls into jobs; all end deferred, most as batch_pending. Raises ConfigurationError.

        total: how many calls the plan has, to cut even jobs. selected: the assets the run brings up to date.
        """
        started = self._to.clock.monotonic_seconds()
        tally, unledgered = Tally(analysis.name), UnledgeredAttempts(provenance, self._to.clock, lane="batch")

        def deliver(result: CallResult) -> None:
            tally.add(result)
            unledgered.add(result)

        pending = self._store.pending(buckets)
        calls = planned_calls(self._to.tables, analysis, model, buckets, provenance.run_id)
        try:
            while chunk := list(islice(calls, even_chunk(total, self._settings.records_per_job))):
                self._submit_chunk(_fresh(chunk, pending, deliver), tuple(selected), provenance, deliver, say)
        finally:
            unledgered.write(self._to.tables, analysis.name)
        return tally.report(seconds=self._to.clock.monotonic_seconds() - started)

    def _submit_chunk(
        self,
        calls: list[Call],
        selected: tuple[str, ...],
        provenance: Provenance,
        deliver: Deliver,
        say: Callable[[str], None],
    ) -> None:
        if (brake := self._to.budget.brake()) is not None:
            _deliver_all(calls, ErrorClass.BRAKE, deliver, brake.sentence())
            return
        scopes = scopes_of(provenance, self._settings.caps)
        calls.sort(key=lambda call: call.fingerprint)
        affordable = self._affordable(calls, scopes)
        _deliver_all(calls[affordable:], ErrorClass.BUDGET, deliver)
        token, held = self._claim(calls[:affordable], deliver)
        if not held:
            return
        job = self._job(token, held, selected, provenance, scopes)
        try:
            self._write_down(job, held)
        except BaseException:
            self._to.ledger.release_many([call.fingerprint for call in held], job.owner)
            raise
        outcome = Launcher(self._to, say).launch(self._store.job(token))
        _deliver_all(held, outcome, deliver)

    def _write_down(self, job: BatchJob, calls: Sequence[Call]) -> None:
        """`job.json` last: from then on the job is on record, and whoever finds it can carry it on."""
        self._to.batch.upload(job.input_key, _records(calls))
        self._store.put_titles(job.token, calls)
        self._store.put_job(job)

    def _affordable(self, calls: Sequence[Call], scopes: Sequence[BudgetScope]) -> int:
        """How many calls, from the first on, the tightest cap has room for."""
        room = min(scope.limit_micro_usd - self._to.budget.spent(scope.counter)[0] for scope in scopes)
        for number, call in enumerate(calls):
            room -= batch_estimate_micro_usd(call)
            if room < 0:
                return number
        return len(calls)

    def _claim(self, calls: list[Call], deliver: Deliver) -> tuple[str, list[Call]]:
        """The token and those of the calls that are ours to ask; () when they are too few for a job.

        The token follows from what is asked, and the claims carry it: when some are not granted, claim the rest anew.
        """
        wanted = calls
        while len(wanted) >= self._settings.min_records:
            fingerprints = [call.fingerprint for call in wanted]
            token = self._token(wanted[0].model.model_id, fingerprints)
            owner = f"batch:{token}"
            now = self._to.clock.now()
            result = self._to.ledger.claim_many(dict.fromkeys(fingerprints, 0), owner, now, now + PREPARING)
            if len(result.granted) == len(wanted):
                return token, wanted
            self._to.ledger.release_many(sorted(result.granted), owner)
            for call in wanted:
                if entry := result.answered.get(call.fingerprint):
                    deliver(cached(call, entry))
            elsewhere = [call for call in wanted if call.fingerprint in result.contended]
            _deliver_all(elsewhere, ErrorClass.CLAIMED_ELSEWHERE, deliver)
            wanted = [call for call in wanted if call.fingerprint in result.granted]
        _deliver_all(wanted, ErrorClass.STOPPED, deliver, "too few are left for a batch job; the next run asks them")
        return "", []

    def _token(self, model_id: str, fingerprints: Sequence[str]) -> str:
        """Of the first generation whose job, if there is one, has not ended."""
        generation = 0
        while self._store.is_settled(token := request_token(model_id, fingerprints, generation)):
            generation += 1
        return token

    def _job(
        self,
        token: str,
        calls: Sequence[Call],
        selected: tuple[str, ...],
        provenance: Provenance,
        scopes: Sequence[BudgetScope],
    ) -> BatchJob:
        first = calls[0]
        return BatchJob(
            token=token,
            analysis=first.analysis.name,
            prompt_version=first.analysis.version,
            model_id=first.model.model_id,
            records=len(calls),
            buckets=tuple(sorted({call.bucket for call in calls})),
            selected=selected,
            provenance=provenance,
            scopes=tuple(scopes),
            reserve_micro_usd=sum(batch_estimate_micro_usd(call) for call in calls),
            timeout_hours=self._settings.timeout_hours,
            prepared_at=self._to.clock.now(),
        )


def batch_estimate_micro_usd(call: Call) -> int:
    """At the batch price; batch inference reads and writes no prompt cache."""
    usage = Usage(call.estimate.input_tokens, call.estimate.output_tokens)
    return cost_micro_usd(usage, call.model.price, batch=True)


def _records(calls: Sequence[Call]) -> Iterator[tuple[str, ModelCall]]:
    for call in calls:
        yield record_id(call.fingerprint), ModelCall(call.model, call.prompt, call.prompt.max_tokens)


def _fresh(chunk: Sequence[Call], pending: Collection[str], deliver: Deliver) -> list[Call]:
    """Each question once; what another job asks for already is left to it."""
    for call in chunk:
        if call.fingerprint in pending:
            deliver(deferred(call, ErrorClass.BATCH_PENDING))
    return list({call.fingerprint: call for call in chunk if call.fingerprint not in pending}.values())


def _deliver_all(calls: Sequence[Call], error_class: ErrorClass, deliver: Deliver, message: str = "") -> None:
    for call in calls:
        deliver(deferred(call, error_class, message))
