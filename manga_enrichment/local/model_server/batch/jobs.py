"""Batch jobs: the list of them, and their way from Submitted to an end.

Belongs here: what the control plane remembers of a job, and its states in time. Stays out: HTTP
(`endpoints.py`) and the records themselves (`work.py`). Jobs are kept in memory: a restart forgets them,
as the service forgets old ones.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from manga_enrichment.domain.models.batch_jobs import MIN_TIMEOUT_HOURS, NEXT_STATUSES, JobStatus
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.local.model_server.batch.files import BatchFiles
from manga_enrichment.local.stack.endpoints import REGION

_ARN_PREFIX = f"arn:aws:bedrock:{REGION}:123456789012:model-invocation-job/"


@dataclass(slots=True)
class ServerJob:
    """One job. request is the body of CreateModelInvocationJob."""

    arn: str
    request: Mapping[str, Any]
    spec: ModelSpec
    submitted_at: datetime
    status: JobStatus = JobStatus.SUBMITTED
    message: str = ""
    modified_at: datetime | None = None
    ended_at: datetime | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def job_id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def is_converse(self) -> bool:
        return bool(self.request.get("modelInvocationType", "InvokeModel") == "Converse")

    @property
    def timeout_hours(self) -> int:
        return int(self.request.get("timeoutDurationInHours", MIN_TIMEOUT_HOURS))

    @property
    def input_uri(self) -> str:
        return str(self.request["inputDataConfig"]["s3InputDataConfig"]["s3Uri"])

    def output_uri(self, name: str) -> str:
        prefix = str(self.request["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]).rstrip("/")
        return f"{prefix}/{self.job_id}/{name}"

    def enter(self, status: JobStatus, message: str = "") -> None:
        """Change the state. Raises ValueError for a step that the table of states does not have."""
        if status not in NEXT_STATUSES[self.status]:
            raise ValueError(f"a job that is {self.status} can not become {status}")
        self.status, self.message = status, message
        self.modified_at = datetime.now(UTC)
        if not NEXT_STATUSES[status]:
            self.ended_at = self.modified_at

    def description(self) -> dict[str, Any]:
        """As GetModelInvocationJob and ListModelInvocationJobs show it."""
        shown = {
            "jobArn": self.arn,
            **{key: value for key, value in self.request.items() if key != "tags"},
            "status": self.status.value,
            "submitTime": _iso(self.submitted_at),
            "lastModifiedTime": _iso(self.modified_at or self.submitted_at),
            "timeoutDurationInHours": self.timeout_hours,
            "jobExpirationTime": _iso(self.submitted_at + timedelta(hours=self.timeout_hours)),
            **self.counts,
        }
        if self.message:
            shown["message"] = self.message
        if self.ended_at:
            shown["endTime"] = _iso(self.ended_at)
        return shown


@dataclass(slots=True)
class BatchJobs:
    """All jobs of a server, oldest first. files: None when the server was told of no S3."""

    files: BatchFiles | None = None
    jobs: dict[str, ServerJob] = field(default_factory=dict)
    by_token: dict[str, ServerJob] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, request: Mapping[str, Any], spec: ModelSpec) -> tuple[ServerJob, bool]:
        """(job, whether it is new): the same clientRequestToken is the same job."""
        token = request.get("clientRequestToken")
        if token is not None and token in self.by_token:
            return self.by_token[token], False
        now = datetime.now(UTC)
        seed = f"{len(self.jobs)}:{request['jobName']}:{now.timestamp()}"
        job = ServerJob(_ARN_PREFIX + hashlib.sha256(seed.encode()).hexdigest()[:12], dict(request), spec, now)
        self.jobs[job.job_id] = job
        if token is not None:
            self.by_token[token] = job
        return job, True

    def find(self, identifier: str) -> ServerJob | None:
        """By id or ARN."""
        return self.jobs.get(identifier.rpartition("/")[2])

    def clear(self) -> None:
        """Forget every job; what is at work ends without a trace."""
        for task in self.tasks:
            task.cancel()
        self.tasks.clear()
        self.jobs.clear()
        self.by_token.clear()


async def until_in_progress(job: ServerJob, *, step_seconds: float, expires: bool) -> bool:
    """Bring a job to InProgress, step_seconds in each state; False when it ended on the way."""
    for status in (JobStatus.VALIDATING, JobStatus.SCHEDULED, JobStatus.IN_PROGRESS):
        await asyncio.sleep(step_seconds)
        if job.status is JobStatus.STOPPING:
            job.enter(JobStatus.STOPPED)
            return False
        if status is JobStatus.IN_PROGRESS and expires:
            job.enter(JobStatus.EXPIRED, "The offline server was told to let the job expire.")
            return False
        job.enter(status)
    await asyncio.sleep(step_seconds)
    return True


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
