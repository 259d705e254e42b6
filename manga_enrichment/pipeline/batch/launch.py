"""From a prepared job to one that Bedrock has, by a run or by whoever comes after it was killed.

Belongs here: claims for the job's whole life, money, the order, and giving up. Every step may be done again: claims and
facts are the owner's, the order has a token. Nothing is billed before `create`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.batch import BatchInference, BatchOrder
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import BatchUnavailableError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.job_store import BatchJob, BatchStore, Settlement, Submission


@dataclass(frozen=True, slots=True)
class BatchGateways:
    """What a batch job needs of the world."""

    tables: ObjectStore
    ledger: ResultLedger
    budget: BudgetStore
    batch: BatchInference
    clock: Clock


class Launcher:
    def __init__(self, gateways: BatchGateways, say: Callable[[str], None]) -> None:
        self._to = gateways
        self._say = say
        self._store = BatchStore(gateways.tables)

    def launch(self, job: BatchJob) -> ErrorClass:
        """BATCH_PENDING when Bedrock has the job, or will get it later; else why it was given up.

        Raises ConfigurationError, after giving up, when Bedrock will never take it; StoreUnavailableError.
        """
        try:
            job_id = self._to.batch.find(job.name)
            if job_id is None:
                if (brake := self._to.budget.brake()) is not None:
                    self._say(f"batch job {job.name} waits to be made: {brake.sentence()}")
                    return ErrorClass.BATCH_PENDING
                refused = self._secure(job)
                if refused is not None:
                    return refused
                job_id = self._create(job)
        except BatchUnavailableError as error:
            self._say(f"batch job {job.name} waits to be taken: {error}")
            return ErrorClass.BATCH_PENDING
        self._store.put_submission(job.token, Submission(job_id, self._to.clock.now()))
        self._say(f"batch job {job.name} submitted: {job.records} records to {job.model_id} ({job_id})")
        return ErrorClass.BATCH_PENDING

    def give_up(self, job: BatchJob, status: str, message: str) -> None:
        """Return claims and money of a job that was never made; its titles are free for any lane."""
        self._to.ledger.release_many(self._store.fingerprints(job.token), job.owner)
        self._to.budget.close(job.owner)
        self._store.put_settlement(job.token, Settlement(status, self._to.clock.now(), message))
        self._say(f"batch job {job.name} given up ({status}): {message}")

    def _create(self, job: BatchJob) -> str:
        try:
            return self._to.batch.create(_order(job))
        except ConfigurationError as error:
            self.give_up(job, "refused", str(error))
            raise

    def _secure(self, job: BatchJob) -> ErrorClass | None:
        """Titles and money for as long as the job may take; None when both are ours."""
        now = self._to.clock.now()
        until = job.held_until(now)
        fingerprints = self._store.fingerprints(job.token)
        claimed = self._to.ledger.claim_many(dict.fromkeys(fingerprints, 0), job.owner, now, until)
        if len(claimed.granted) < len(fingerprints):
            self.give_up(job, "overtaken", "some of its titles were answered or claimed by another run meanwhile")
            return ErrorClass.CLAIMED_ELSEWHERE
        amount = 0 if self._store.is_reserved(job.token) else job.reserve_micro_usd
        if not self._to.budget.reserve(job.scopes, job.owner, amount, until):
            self.give_up(job, "unaffordable", "the budget leaves no room for it")
            return ErrorClass.BUDGET
        self._store.put_reserved(job.token)
        return None


def _order(job: BatchJob) -> BatchOrder:
    return BatchOrder(
        token=job.token,
        name=job.name,
        model_id=job.model_id,
        input_key=job.input_key,
        output_prefix=job.output_prefix,
        timeout_hours=job.timeout_hours,
    )
