"""The metrics that Bedrock publishes of itself, on the emulator's CloudWatch.

Belongs here: sums by model and minute, and sending them. Stays out: the bill (`meter.py`), when to send (`app.py`).
Like the runtime's own metrics they count on-demand calls, of whoever made them; throttled ones and batch inference do
not count. Names come from the project (`domain/operations/service_books.py`), so that both sides mean the same.
"""

import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.service_usage import MODEL_DIMENSION, NAMESPACE
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.operations.service_books import ServiceMetric, expected_of_answer

_MINUTE_SECONDS = 60
_MOST_PER_CALL = 500


class ServiceMetrics:
    """Adds up what was billed until it is sent. client: a boto3 CloudWatch client; now: seconds since 1970."""

    def __init__(self, client: Any, now: Callable[[], float] = time.time) -> None:
        self._client = client
        self._now = now
        self._sums: dict[tuple[str, ServiceMetric, int], int] = defaultdict(int)

    def count(self, model_id: str, usage: Usage) -> None:
        """One call that was answered."""
        minute = int(self._now()) // _MINUTE_SECONDS * _MINUTE_SECONDS
        for metric, value in expected_of_answer(usage).items():
            if value:
                self._sums[model_id, metric, minute] += value

    def take(self) -> list[dict[str, Any]]:
        """What is to be sent; the next `take` does not have it again."""
        taken, self._sums = self._sums, defaultdict(int)
        return [
            {
                "MetricName": metric.value,
                "Dimensions": [{"Name": MODEL_DIMENSION, "Value": model_id}],
                "Timestamp": datetime.fromtimestamp(minute, UTC),
                "Value": float(value),
                "Unit": "Count",
            }
            for (model_id, metric, minute), value in taken.items()
        ]

    def send(self, data: list[dict[str, Any]]) -> None:
        """Blocks; call it from a thread. What the emulator does not take is lost, as metrics are."""
        for start in range(0, len(data), _MOST_PER_CALL):
            try:
                self._client.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + _MOST_PER_CALL])
            except (BotoCoreError, ClientError):
                return
