"""Small honest stand-ins for CloudWatch; `contracts/` runs the same tests over them and over the real gateways."""

import math
from collections.abc import Sequence
from datetime import datetime

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.operations.metrics import Metric
from manga_enrichment.domain.operations.service_books import ServiceCounts, ServiceMetric, expected_of_answer
from manga_enrichment.gateways.errors import MetricsUnavailableError


class MemoryMetrics:
    """MetricSink. `is_down`: as CloudWatch is when it does not answer."""

    def __init__(self) -> None:
        self.points: list[Metric] = []
        self.is_down = False

    def put(self, metrics: Sequence[Metric]) -> None:
        if self.is_down:
            raise MetricsUnavailableError("the fake was told to be down")
        if not all(math.isfinite(metric.value) for metric in metrics):
            raise MetricsUnavailableError("a value is not finite")
        self.points += metrics

    def values(self, name: str, *dimensions: tuple[str, str]) -> list[float]:
        """Of one metric with these further dimensions, in the order they were sent."""
        return [
            point.value
            for point in self.points
            if point.name == name and set(point.dimensions) - {("Service", "MangaAssist")} == set(dimensions)
        ]


class MemoryServiceUsage:
    """ServiceUsage: calls of whoever, as a test makes them. `raises`: instead of an answer."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ServiceMetric], dict[datetime, int]] = {}
        self.raises: Exception | None = None

    def count(self, model_id: str, at: datetime, usage: Usage) -> None:
        hour = at.replace(minute=0, second=0, microsecond=0)
        for metric, value in expected_of_answer(usage).items():
            sums = self._counts.setdefault((model_id, metric), {})
            sums[hour] = sums.get(hour, 0) + value

    def by_hour(self, model_ids: Sequence[str], begin: datetime, end: datetime) -> ServiceCounts:
        if self.raises is not None:
            raise self.raises
        return {
            key: {hour: value for hour, value in sums.items() if begin <= hour < end}
            for key, sums in self._counts.items()
            if key[0] in model_ids
        }


class MemoryAges:
    """QueueAges: what a test says, and nothing of any other queue."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = dict(seconds)
        self.is_down = False

    def oldest_age_seconds(self, queues: Sequence[str]) -> dict[str, float]:
        if self.is_down:
            raise MetricsUnavailableError("the fake was told to be down")
        return {queue: self.seconds[queue] for queue in queues if queue in self.seconds}
