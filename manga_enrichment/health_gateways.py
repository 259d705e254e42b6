"""Protocols of the health lane: metrics out, ages of queues in.

`aws/metrics.py` implements both on CloudWatch, tests have fakes, one contract suite runs against each pair.
"""

from collections.abc import Sequence
from typing import Protocol

from manga_enrichment.domain.operations.metrics import Metric


class MetricsUnavailableError(Exception):
    """CloudWatch did not answer, or does not let us: nobody's work may depend on it."""


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
