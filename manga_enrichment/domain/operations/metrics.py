"""Numbers for CloudWatch: names, units and dimensions of every metric of the project, in one place.

Belongs here: what a metric is called and how it is made from facts. Pure. Stays out: gathering the facts
(`pipeline/health/metrics.py`), sending (`aws/metrics.py`). `infra/monitoring.yaml` uses the
same names; a test holds them together.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from manga_enrichment.domain.operations.partner_latency import QueueLatency

SQS = "MangaAssist/SQS"
ENRICHMENT = "MangaAssist/Enrichment"
PARTNERS = "MangaAssist/Partners"

DLQ_DEPTH = "DLQDepth"
BACKLOG_PER_TASK = "BacklogPerTask"
COST_USD = "CostUSD"
TITLES_ENRICHED = "TitlesEnriched"
FAILED_TITLES = "FailedTitles"
THROTTLES = "Throttles"
NIGHTLY_SUCCEEDED = "NightlySucceeded"
LATENCY_P50 = "LatencyP50"
LATENCY_P95 = "LatencyP95"
WAITING_P95 = "WaitingP95"
MODEL_P95 = "ModelP95"
OURS_P95 = "OursP95"

SERVICE = ("Service", "MangaAssist")
"""On every metric. One metric has further dimensions where it is also wanted by queue or lane."""

Unit = Literal["Count", "Seconds", "None"]
"""CloudWatch has no unit for money."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One data point. dimensions: (name, value) pairs; each combination is a metric of its own to CloudWatch."""

    namespace: str
    name: str
    value: float
    at: datetime
    unit: Unit = "Count"
    dimensions: tuple[tuple[str, str], ...] = (SERVICE,)


def dlq_depth(queue_is_fifo: bool, messages: int, at: datetime) -> Metric:
    """A gauge: take its Maximum, never its Sum."""
    kind = ("QueueType", "fifo" if queue_is_fifo else "standard")
    return Metric(SQS, DLQ_DEPTH, messages, at, dimensions=(kind, SERVICE))


def backlog_per_task(value: float, at: datetime, queue: str = "") -> Metric:
    """A gauge. Without a queue: of all request queues together, which is what scaling looks at."""
    return Metric(SQS, BACKLOG_PER_TASK, value, at, dimensions=(("QueueName", queue), SERVICE) if queue else (SERVICE,))


def cost_usd(amount_usd: float, at: datetime) -> Metric:
    """A gauge: committed since midnight UTC, over all lanes. Take its Maximum."""
    return Metric(ENRICHMENT, COST_USD, amount_usd, at, unit="None")


def run_counts(lane: str, *, enriched: int, failed: int, throttles: int, at: datetime) -> list[Metric]:
    """Of one ended run; take their Sum. Each once in all and once by lane."""
    counts = {TITLES_ENRICHED: enriched, FAILED_TITLES: failed, THROTTLES: throttles}
    return [
        Metric(ENRICHMENT, name, value, at, dimensions=dimensions)
        for name, value in counts.items()
        for dimensions in ((SERVICE,), (("Lane", lane), SERVICE))
    ]


def nightly_succeeded(at: datetime) -> Metric:
    """A heartbeat: one point when the last run of a night has succeeded. Its absence is the message."""
    return Metric(ENRICHMENT, NIGHTLY_SUCCEEDED, 1, at)


def partner_latency(seen: QueueLatency, at: datetime) -> list[Metric]:
    """Gauges of one queue: what was answered in the minutes before `at`. Take their Maximum."""
    values = {
        LATENCY_P50: seen.total.p50_seconds,
        LATENCY_P95: seen.total.p95_seconds,
        WAITING_P95: seen.waiting.p95_seconds,
        MODEL_P95: seen.model.p95_seconds,
        OURS_P95: seen.ours.p95_seconds,
    }
    dimensions = (("QueueName", seen.queue), SERVICE)
    return [Metric(PARTNERS, name, value, at, "Seconds", dimensions) for name, value in values.items()]
