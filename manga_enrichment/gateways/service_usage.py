"""What the model service itself counts, whoever calls it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from manga_enrichment.domain.operations.service_books import ServiceCounts


class ServiceUsage(Protocol):
    """Sums of the service's own metrics, by model and account."""

    def by_hour(self, model_ids: Sequence[str], begin: datetime, end: datetime) -> ServiceCounts:
        """Sums of the whole hours from `begin` to `end` (UTC). Hours and models that were not used may be missing.

        Raises MetricsForbiddenError without the right to read them, MetricsUnavailableError when nobody answers.
        """
        ...
