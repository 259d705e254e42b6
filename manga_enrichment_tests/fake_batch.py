"""BatchInference in memory, and a death that can come at any call of a gateway.

A job takes one step in its life whenever its state is asked for, and answers validly where the script says nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from manga_enrichment.domain.models.batch_jobs import JobStatus
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.batch import BatchOrder, BatchReply, BatchState
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import BatchUnavailableError
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment_tests.scripted_model import DEFAULT_USAGE, prompt_fields_of, valid_answer

MISSING = "missing"
"""A script step: the record is billed, and has no line in the output."""

Step = ErrorClass | ModelReply | str
_PATH = (JobStatus.SUBMITTED, JobStatus.VALIDATING, JobStatus.SCHEDULED, JobStatus.IN_PROGRESS)
_WORKING = (*_PATH, JobStatus.STOPPING)


@dataclass(slots=True)
class FakeJob:
    order: BatchOrder
    steps: Iterator[JobStatus]
    state: BatchState = field(default_factory=lambda: BatchState(JobStatus.SUBMITTED.value))
    replies: list[BatchReply] = field(default_factory=list)


class MemoryBatch:
    """BatchInference.

    script            what becomes of a title, by manga_id
    ends_as           how jobs created from now on end
    refuses           raised by `create`, while set
    created           jobs by id, oldest first
    billed            how often each title was billed
    billed_micro_usd  the bill
    """

    def __init__(self, clock: Clock, script: Mapping[str, Step] | None = None) -> None:
        self._clock = clock
        self.script = dict(script or {})
        self.ends_as = JobStatus.COMPLETED
        self.refuses: Exception | None = None
        self.uploads: dict[str, list[tuple[str, ModelCall]]] = {}
        self.created: dict[str, FakeJob] = {}
        self.billed: Counter[str] = Counter()
        self.billed_micro_usd = 0

    def upload(self, key: str, records: Iterable[tuple[str, ModelCall]]) -> None:
        self.uploads[key] = list(records)

    def create(self, order: BatchOrder) -> str:
        if self.refuses is not None:
            raise self.refuses
        for job_id, job in self.created.items():
            if job.order.token == order.token:
                return job_id
        if not load_models().by_id(order.model_id).price.has_batch:
            raise AssertionError("a job for a model without a batch price was ordered")
        job_id = f"arn:fake:model-invocation-job/{len(self.created):012d}"
        self.created[job_id] = FakeJob(order, iter((*_PATH, self.ends_as)))
        return job_id

    def find(self, name: str) -> str | None:
        return next((each for each, job in reversed(self.created.items()) if job.order.name == name), None)

    def state(self, job_id: str) -> BatchState:
        job = self.created.get(job_id)
        if job is None:
            return BatchState(JobStatus.FAILED.value, "unknown job")
        if job.state.ended_at is None:
            status = next(job.steps)
            ended = status not in _WORKING
            if ended:
                self._work(job, status)
            job.state = BatchState(status.value, ended_at=self._clock.now() if ended else None)
        return job.state

    def stop(self, job_id: str) -> None:
        job = self.created.get(job_id)
        if job is not None and job.state.ended_at is None:
            job.steps = iter((JobStatus.STOPPING, JobStatus.STOPPED))

    def replies(self, output_prefix: str, job_id: str) -> Iterator[BatchReply]:
        """Backwards: the order of the output is nobody's business."""
        job = self.created.get(job_id)
        if job is not None and job.order.output_prefix == output_prefix:
            yield from reversed(job.replies)

    def _work(self, job: FakeJob, status: JobStatus) -> None:
        records = self.uploads[job.order.input_key]
        if status is JobStatus.PARTIALLY_COMPLETED:
            records = records[: len(records) // 2]
        if status in {JobStatus.COMPLETED, JobStatus.PARTIALLY_COMPLETED}:
            for record_id, call in records:
                self._answer(job, record_id, call)

    def _answer(self, job: FakeJob, record_id: str, call: ModelCall) -> None:
        manga_id = prompt_fields_of(call.prompt)["manga_id"]
        step = self.script.get(manga_id)
        if isinstance(step, ErrorClass):
            job.replies.append(BatchReply(record_id, error=ModelError(step, f"scripted {step.value}")))
            return
        valid = ModelReply("tool_use", valid_answer(call.prompt), DEFAULT_USAGE)
        reply = step if isinstance(step, ModelReply) else valid
        self.billed[manga_id] += 1
        self.billed_micro_usd += cost_micro_usd(reply.usage, call.model.price, batch=True)
        if step != MISSING:
            job.replies.append(BatchReply(record_id, reply))


class Killed(BaseException):
    """The process is gone: not an Exception, so that nobody handles it."""


@dataclass(slots=True)
class Reaper:
    """Kills at the n-th gateway call, before or after it took effect; a dead process makes no further calls."""

    at: int
    after: bool
    calls: int = 0

    def wrap(self, gateway: Any) -> Any:
        return _Mortal(gateway, self)

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls > self.at or (self.calls == self.at and not self.after):
            raise Killed
        result = method(*args, **kwargs)
        if self.calls == self.at:
            raise Killed
        return result


class _Mortal:
    def __init__(self, gateway: Any, reaper: Reaper) -> None:
        self._gateway = gateway
        self._reaper = reaper

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._gateway, name)
        return lambda *args, **kwargs: self._reaper.call(method, *args, **kwargs)


UNAVAILABLE = BatchUnavailableError("scripted: too many jobs")
