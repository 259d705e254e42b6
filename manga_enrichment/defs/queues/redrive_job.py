"""Job `redrive_dead_letters`: the redrive of `manga-enrichment dlq redrive`, for those who work in the UI.

Belongs here: run config and op. Stays out: the redrive itself (`pipeline/dead_letters/redrive.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict

import dagster as dg
from pydantic import Field

from manga_enrichment.defs.shared.policies import configuration_errors_are_final
from manga_enrichment.defs.shared.progress import progress_of
from manga_enrichment.defs.shared.tags import PARTNER_LANE
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES, REQUEST_QUEUES, Queue
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.dead_letters.redrive import Redrive, RedriveFilter

REDRIVE_JOB = "redrive_dead_letters"


def _names(queues: Sequence[Queue]) -> str:
    return " or ".join(each.name for each in queues)


class RedriveConfig(dg.Config):
    """What is given must all fit; nothing given: every message."""

    queue: str = Field("", description=f"{_names(DEAD_LETTER_QUEUES)}; empty: one after the other, each to `limit`")
    reasons: list[str] = Field(default_factory=list, description="reasons of rejection, or error classes")
    partners: list[str] = Field(default_factory=list, description="partner ids")
    request_ids: list[str] = Field(default_factory=list, description="request ids")
    older_than_seconds: float | None = Field(None, description="sent at least so long ago")
    younger_than_seconds: float | None = Field(None, description="sent at most so long ago")
    limit: int = Field(100, ge=1, description="messages to send back at most")
    target: str = Field("", description=f"{_names(REQUEST_QUEUES)}; empty: each goes where it came from")
    dry_run: bool = Field(False, description="say what would go back, and move nothing")


@dg.op(description="Send chosen dead letters back to the queue they came from.", tags={"kind": "sqs"})
def redrive(
    context: dg.OpExecutionContext,
    config: RedriveConfig,
    queues: dg.ResourceParam[RequestQueue],
    requests: dg.ResourceParam[RequestStore],
    clock: dg.ResourceParam[Clock],
) -> int:
    """How many messages went back."""
    chosen = RedriveFilter(
        frozenset(config.reasons),
        frozenset(config.partners),
        frozenset(config.request_ids),
        config.older_than_seconds,
        config.younger_than_seconds,
    )
    redriving = Redrive(queues=queues, requests=requests, clock=clock)
    with configuration_errors_are_final():
        reports = [
            redriving.redrive(queue, chosen, limit=config.limit, dry_run=config.dry_run, target=config.target)
            for queue in ([config.queue] if config.queue else [each.name for each in DEAD_LETTER_QUEUES])
        ]
    redriven = sum(report.redriven for report in reports)
    said = " ".join(report.sentence() for report in reports)
    progress_of(context)(said)
    counts = {"redriven": redriven, "dry_run": config.dry_run, "reports": [asdict(report) for report in reports]}
    context.add_output_metadata({"result": said, **counts})
    return redriven


@dg.job(
    name=REDRIVE_JOB,
    description="Send dead letters back to work: by reason or error class, partner, age or request id; bounded.",
    tags=PARTNER_LANE,
)
def redrive_dead_letters() -> None:
    redrive()
