"""Metrics out, ages of queues in."""

from collections.abc import Sequence
from typing import Protocol

from manga_enrichment.domain.operations.metrics import Metric


class MetricSink(Protocol):
    """Where numbers go."""

    def put(self, metrics: Sequence[Metric]) -> None:
        """Send in batches. Values must be finite. Raises MetricsUnavailableError; some may have been sent then."""
        ...


class QueueAges(Protocol):
    """How long the oldest message of a queue has waited."""

    def oldest_age_seconds(self, queues: Sequence[str]) -> dict[str, float]:
        """By queue; a queue of which nothing is known is missing. Raises MetricsUnavailableError."""
        ...
