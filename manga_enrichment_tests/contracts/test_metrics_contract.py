"""MetricSink and QueueAges: what was put can be read back by name and dimensions; an unknown age is missing, not 0."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.metrics import METRICS_PER_CALL, CloudWatchMetrics, CloudWatchQueueAges
from manga_enrichment.domain.operations.metrics import Metric
from manga_enrichment.gateways.errors import MetricsUnavailableError
from manga_enrichment.gateways.metrics import MetricSink, QueueAges
from manga_enrichment_tests.fakes import FakeClock
from manga_enrichment_tests.health_fakes import MemoryAges, MemoryMetrics

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Numbers:
    """A sink, and the sum and number of the points of one metric with exactly these dimensions."""

    sink: MetricSink
    read: Callable[[Metric], tuple[float, int]]


@pytest.fixture
def numbers(kind: str, request: pytest.FixtureRequest) -> Numbers:
    if kind == "fake":
        memory = MemoryMetrics()

        def read_memory(like: Metric) -> tuple[float, int]:
            values = [p.value for p in memory.points if (p.namespace, p.name, p.dimensions) == _identity(like)]
            return sum(values), len(values)

        return Numbers(memory, read_memory)
    clients: AwsClients = request.getfixturevalue("aws_clients")

    def read_cloudwatch(like: Metric) -> tuple[float, int]:
        found = clients.cloudwatch.get_metric_statistics(
            Namespace=like.namespace,
            MetricName=like.name,
            Dimensions=[{"Name": name, "Value": value} for name, value in like.dimensions],
            StartTime=NOW - timedelta(minutes=5),
            EndTime=NOW + timedelta(minutes=5),
            Period=3600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        return sum(each["Sum"] for each in found), int(sum(each["SampleCount"] for each in found))

    return Numbers(CloudWatchMetrics(clients.cloudwatch), read_cloudwatch)


def _identity(metric: Metric) -> tuple[Any, ...]:
    return metric.namespace, metric.name, metric.dimensions


def test_a_metric_is_found_under_its_name_and_dimensions(numbers: Numbers, unique: str) -> None:
    one = Metric(f"Test/{unique}", "Depth", 3, NOW, dimensions=(("QueueType", "fifo"), ("Service", "MangaAssist")))
    other = Metric(
        f"Test/{unique}", "Depth", 4, NOW, dimensions=(("QueueType", "standard"), ("Service", "MangaAssist"))
    )
    numbers.sink.put([one, other])
    assert numbers.read(one) == (3, 1)
    assert numbers.read(other) == (4, 1)


def test_more_metrics_than_one_call_takes_all_arrive(numbers: Numbers, unique: str) -> None:
    point = Metric(f"Test/{unique}", "Many", 1, NOW)
    other = Metric(f"Test/{unique}-other", "Many", 1, NOW)
    numbers.sink.put([point] * (METRICS_PER_CALL + 1) + [other])
    assert numbers.read(point) == (METRICS_PER_CALL + 1, METRICS_PER_CALL + 1)
    assert numbers.read(other) == (1, 1)


def test_nothing_to_send_is_no_error(numbers: Numbers) -> None:
    numbers.sink.put([])


@pytest.fixture
def ages(kind: str, unique: str, request: pytest.FixtureRequest) -> QueueAges:
    """Of a queue named after the test the oldest message is 70 s old."""
    if kind == "fake":
        return MemoryAges(**{unique: 70.0})
    clients: AwsClients = request.getfixturevalue("aws_clients")
    for minutes, age in ((4, 46.0), (0, 70.0)):
        datum = {
            "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{"Name": "QueueName", "Value": unique}],
            "Timestamp": NOW - timedelta(minutes=minutes),
            "Value": age,
        }
        clients.cloudwatch.put_metric_data(Namespace="AWS/SQS", MetricData=[datum])
    return CloudWatchQueueAges(clients.cloudwatch, FakeClock(NOW))


def test_the_newest_age_of_a_queue_is_told_and_an_unknown_one_is_missing(ages: QueueAges, unique: str) -> None:
    assert ages.oldest_age_seconds([unique, "another"]) == {unique: 70.0}


def test_a_cloudwatch_that_does_not_answer_is_unavailable() -> None:
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.client("cloudwatch", config=once)  # pointed at a port where nobody listens
    with pytest.raises(MetricsUnavailableError):
        CloudWatchQueueAges(client, FakeClock(NOW)).oldest_age_seconds(["q"])
    with pytest.raises(MetricsUnavailableError):
        CloudWatchMetrics(client).put([Metric("Test", "One", 1, NOW)])
