"""Bedrock batch jobs: states, limits, names, and which lane a run takes. Pure.

Belongs here: what is true of any batch job. Stays out: the job record and its files (`pipeline/batch/job_store.py`),
the control plane's wire format (`aws/bedrock/batch.py`).

A job's life in our books is a row of facts, each written once and never changed (`Stage`); what Bedrock says of it is a
`JobStatus`. Names and meanings of the statuses: botocore's bedrock service model, GetModelInvocationJob.
"""

import hashlib
from collections.abc import Iterable
from enum import StrEnum

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.specs import ALIASES_SETTING, ModelSpec

# Quotas of Amazon Bedrock ("Amazon Bedrock endpoints and quotas", AWS General Reference, read in November 2026; the
# first two may differ by model and account) and bounds of CreateModelInvocationJob in botocore's service model.
MIN_RECORDS = 100
"""Minimum number of records per batch inference job."""
MAX_FILE_BYTES = 1_000_000_000
"""Batch inference input file size."""
MIN_TIMEOUT_HOURS, MAX_TIMEOUT_HOURS = 24, 168
"""timeoutDurationInHours."""
RECORDS_PER_JOB = 20_000
"""Our own limit, far below the quota: a job's prompts are held in memory once, and a job that fails costs a night."""

MIN_TITLES_SETTING = "MANGA_BATCH_MIN_TITLES"
ROLE_SETTING = "MANGA_BATCH_ROLE_ARN"
BATCH_ALIAS = "haiku-batch"


class Lane(StrEnum):
    """How answers are asked for. AUTO is only a wish: batch when there is enough to ask."""

    ON_DEMAND = "on_demand"
    BATCH = "batch"
    AUTO = "auto"


class Stage(StrEnum):
    """What our books say of a job.

    PREPARED    claimed, input written; Bedrock may or may not know of it
    SUBMITTED   Bedrock has it, and its id is on record
    SETTLED     its answers are in the ledger, or it was given up: claims and budget are returned
    """

    PREPARED = "prepared"
    SUBMITTED = "submitted"
    SETTLED = "settled"


class JobStatus(StrEnum):
    """What Bedrock says of a job."""

    SUBMITTED = "Submitted"
    VALIDATING = "Validating"
    SCHEDULED = "Scheduled"
    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    PARTIALLY_COMPLETED = "PartiallyCompleted"
    FAILED = "Failed"
    STOPPED = "Stopped"
    EXPIRED = "Expired"


NEXT_STATUSES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.SUBMITTED: frozenset({JobStatus.VALIDATING, JobStatus.STOPPING, JobStatus.FAILED}),
    JobStatus.VALIDATING: frozenset({JobStatus.SCHEDULED, JobStatus.STOPPING, JobStatus.FAILED}),
    JobStatus.SCHEDULED: frozenset({JobStatus.IN_PROGRESS, JobStatus.STOPPING, JobStatus.EXPIRED, JobStatus.FAILED}),
    JobStatus.IN_PROGRESS: frozenset(
        {JobStatus.COMPLETED, JobStatus.PARTIALLY_COMPLETED, JobStatus.STOPPING, JobStatus.FAILED}
    ),
    JobStatus.STOPPING: frozenset({JobStatus.STOPPED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.PARTIALLY_COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.STOPPED: frozenset(),
    JobStatus.EXPIRED: frozenset(),
}
"""One step each; who asks now and then sees only some of them."""


def has_ended(status: str) -> bool:
    """Whether nothing more will come. A status nobody has heard of is taken for one that still works."""
    return status in set(JobStatus) and not NEXT_STATUSES[JobStatus(status)]


def request_token(model_id: str, fingerprints: Iterable[str], generation: int) -> str:
    """Bedrock's clientRequestToken: equal for equal questions, so that asking for a job twice makes one job.

    generation counts the earlier jobs about the very same titles that have ended: Bedrock would answer their token
    with the old job for ever.
    """
    asked = "\n".join((model_id, str(generation), *sorted(fingerprints)))
    return hashlib.sha256(asked.encode()).hexdigest()


def record_id(fingerprint: str) -> str:
    """The recordId of a question: alphanumeric, 32 characters, unique within any job."""
    return fingerprint[:32]


def even_chunk(total: int, most: int = RECORDS_PER_JOB) -> int:
    """Records per job, so that no job comes out much smaller than the others (and below Bedrock's minimum)."""
    jobs = max(1, -(-total // most))
    return max(1, -(-total // jobs))


def choose_lane(wish: Lane, calls: int, min_titles: int | None) -> Lane:
    """The lane for one analysis with this many calls. min_titles: None where the lane is switched off.

    Raises ConfigurationError when batch is asked for although it is off.
    """
    if wish is Lane.BATCH and min_titles is None:
        raise ConfigurationError(f"The batch lane is off: set {MIN_TITLES_SETTING}, or run with lane: on_demand")
    if wish is Lane.ON_DEMAND or min_titles is None:
        return Lane.ON_DEMAND
    fewest = MIN_RECORDS if wish is Lane.BATCH else max(MIN_RECORDS, min_titles)
    return Lane.BATCH if calls >= fewest else Lane.ON_DEMAND


def check_batch_model(model: ModelSpec, alias: str) -> None:
    """Raises ConfigurationError for a model that has no batch price, since it would cost twice what the lane promises,
    and for one whose records have another form than Claude's, which is the only one that we write."""
    if model.family != "anthropic":
        raise ConfigurationError(
            f"Model {model.model_id} is none of Claude's, whose records alone the batch lane writes: run with "
            f"lane: on_demand, or let {ALIASES_SETTING} point {alias!r} at a Claude (the alias {BATCH_ALIAS!r})"
        )
    if not model.price.has_batch:
        raise ConfigurationError(
            f"Model {model.model_id} has no batch price, so the batch lane refuses it: let {ALIASES_SETTING} point "
            f"{alias!r} at a model that has one (the alias {BATCH_ALIAS!r} names the cheapest), run with "
            f"lane: on_demand, or unset {MIN_TITLES_SETTING}"
        )
