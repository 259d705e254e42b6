"""MetricSink and QueueAges on CloudWatch.

Belongs here: CloudWatch's limits and its way of asking. Stays out: names of metrics (`domain/operations/metrics.py`)
and when they are sent (`defs/operations/metrics_sensor.py`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.aws.dynamodb.transactions import chunks
from manga_enrichment.domain.operations.metrics import SERVICE, Metric
from manga_enrichment.domain.operations.stages import staged
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import MetricsForbiddenError, MetricsUnavailableError

METRICS_PER_CALL = 500
"""CloudWatch takes 1,000 and 1 MB; half of it stays far below both."""
QUERIES_PER_CALL = 500
_LOOK_BACK = timedelta(minutes=15)
"""SQS puts its metrics there minute by minute, some minutes late."""
_PERIOD_SECONDS = 60
_NAMED = frozenset({"QueueName", SERVICE[0]})
"""Dimensions whose value is a name that a stage has."""
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


class CloudWatchMetrics:
    """client: a boto3 CloudWatch client. stage: before the names of queues and of the service."""

    def __init__(self, client: Any, stage: str = "") -> None:
        self._client = client
        self._stage = stage

    def put(self, metrics: Sequence[Metric]) -> None:
        ordered = sorted(metrics, key=lambda metric: metric.namespace)
        for namespace, group in groupby(ordered, key=lambda metric: metric.namespace):
            for chunk in chunks([_datum(metric, self._stage) for metric in group], METRICS_PER_CALL):
                with metric_errors_explained():
                    self._client.put_metric_data(Namespace=namespace, MetricData=chunk)


class CloudWatchQueueAges:
    """The newest ApproximateAgeOfOldestMessage of the last minutes. SQS gives none for a queue long unused."""

    def __init__(self, client: Any, clock: Clock, stage: str = "") -> None:
        self._client = client
        self._clock = clock
        self._stage = stage

    def oldest_age_seconds(self, queues: Sequence[str]) -> dict[str, float]:
        now = self._clock.now()
        ages: dict[str, float] = {}
        for chunk in chunks(list(queues), QUERIES_PER_CALL):
            with metric_errors_explained():
                response = self._client.get_metric_data(
                    MetricDataQueries=[_age_query(n, staged(self._stage, queue)) for n, queue in enumerate(chunk)],
                    StartTime=now - _LOOK_BACK,
                    EndTime=now + timedelta(seconds=_PERIOD_SECONDS),
                )
            for result in response["MetricDataResults"]:
                if result["Values"]:
                    _, newest = max(zip(result["Timestamps"], result["Values"], strict=True))
                    ages[chunk[int(result["Id"].removeprefix("q"))]] = float(newest)
        return ages


def _age_query(number: int, queue: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": queue}],
    }
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": _PERIOD_SECONDS, "Stat": "Maximum"}}


def _datum(metric: Metric, stage: str) -> dict[str, Any]:
    named = [(name, staged(stage, value) if name in _NAMED else value) for name, value in metric.dimensions]
    return {
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in named],
        "Timestamp": metric.at,
        "Value": metric.value,
        "Unit": metric.unit,
    }


@contextmanager
def metric_errors_explained() -> Iterator[None]:
    """MetricsForbiddenError when a right is missing, else MetricsUnavailableError."""
    try:
        yield
    except ClientError as error:
        is_forbidden = error.response["Error"]["Code"] in _FORBIDDEN
        raise (MetricsForbiddenError if is_forbidden else MetricsUnavailableError)(f"CloudWatch: {error}") from error
    except BotoCoreError as error:
        raise MetricsUnavailableError(f"CloudWatch: {error}") from error
