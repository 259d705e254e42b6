"""Batch inference: many answers in one job, at half the price and in its own time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from manga_enrichment.domain.outcomes.error_classes import ModelError
from manga_enrichment.gateways.model import ModelCall, ModelReply


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """One batch job to be made. The token makes ordering it twice the same as once. Keys are object keys."""

    token: str
    name: str
    model_id: str
    input_key: str
    output_prefix: str
    timeout_hours: int


@dataclass(frozen=True, slots=True)
class BatchState:
    """What is known of a job. status: a `JobStatus`, or a newer word. ended_at: None while it works."""

    status: str
    message: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchReply:
    """What became of one record: a complete reply, or why there is none."""

    record_id: str
    reply: ModelReply | None = None
    error: ModelError | None = None


class BatchInference(Protocol):
    """Asks for many answers in one job, at half the price and in its own time."""

    def upload(self, key: str, records: Iterable[tuple[str, ModelCall]]) -> None:
        """Write (record id, call) pairs as the input of a job. The same key is replaced."""
        ...

    def create(self, order: BatchOrder) -> str:
        """The job's id; of the job that is there already when the token was used before.

        Raises BatchUnavailableError, ConfigurationError when the job can never be made like this.
        """
        ...

    def find(self, name: str) -> str | None:
        """The id of the newest job with this name. Raises BatchUnavailableError."""
        ...

    def state(self, job_id: str) -> BatchState:
        """A job that nobody knows any more has Failed. Raises BatchUnavailableError."""
        ...

    def stop(self, job_id: str) -> None:
        """Let a job end as soon as it can; what it answered until then is billed and there to be collected.

        Does nothing for a job that has ended, is stopping, or that nobody knows. Raises BatchUnavailableError.
        """
        ...

    def replies(self, output_prefix: str, job_id: str) -> Iterator[BatchReply]:
        """Whatever the job has written, in any order, read as it is consumed. Raises BatchUnavailableError."""
        ...
