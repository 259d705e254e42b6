"""Batch jobs that Bedrock works at right now, which the brake does not reach, and stopping them.

Belongs here: naming them with what they may cost. Stays out: what comes of a stopped job (`collect.py`), the brake
itself (`pipeline/health/brake.py`).
"""

from dataclasses import dataclass

from manga_enrichment.domain.models.batch_jobs import Stage, has_ended
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.errors import BatchUnavailableError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.job_store import BatchStore

UNKNOWN = "unknown"
"""The status of a job that Bedrock did not tell of."""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """at_most_micro_usd: what is set aside for it. is_stopped: whether Bedrock was told to stop it and took that."""

    name: str
    job_id: str
    model_id: str
    records: int
    at_most_micro_usd: int
    status: str
    is_stopped: bool = False

    def sentence(self) -> str:
        told = ", told to stop" if self.is_stopped else ""
        return (
            f"batch job {self.name} ({self.status}{told}): {self.records} records to {self.model_id}, "
            f"at most {usd(self.at_most_micro_usd):.6f} USD, {self.job_id}"
        )


def running_jobs(tables: ObjectStore, batch: BatchInference, *, stop: bool = False) -> list[RunningJob]:
    """Jobs on record that have not ended, by name. stop: tell Bedrock to stop each.

    A job that Bedrock does not tell of is among them: it may be running. Raises ConfigurationError.
    """
    store = BatchStore(tables)
    submitted = [token for token, stage in store.stages().items() if stage is Stage.SUBMITTED]
    found = (_look(store, batch, token, stop=stop) for token in submitted)
    return sorted((each for each in found if each is not None), key=lambda each: each.name)


def _look(store: BatchStore, batch: BatchInference, token: str, *, stop: bool) -> RunningJob | None:
    job, job_id = store.job(token), store.submission(token).job_id
    status, is_stopped = UNKNOWN, False
    try:
        status = batch.state(job_id).status
        if has_ended(status):
            return None
        if stop:
            batch.stop(job_id)
            is_stopped = True
    except BatchUnavailableError:
        pass  # named all the same, as not stopped
    return RunningJob(job.name, job_id, job.model_id, job.records, job.reserve_micro_usd, status, is_stopped)
