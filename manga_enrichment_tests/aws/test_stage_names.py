"""What gateways send to AWS has the stage before its name, and what they read is that stage's alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.metrics import CloudWatchMetrics, CloudWatchQueueAges
from manga_enrichment.aws.outbound.mail import SesMailer
from manga_enrichment.domain.callbacks.mail import TEMPLATES
from manga_enrichment.domain.operations.metrics import SQS, backlog_per_task
from manga_enrichment.domain.requests.queues import NORMAL
from manga_enrichment_tests.fakes import FakeClock

STAGE = "staging"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def clients(aws_environment: dict[str, str]) -> AwsClients:
    return AwsClients()


def dimensions(cloudwatch: Any, namespace: str) -> set[frozenset[tuple[str, str]]]:
    found = cloudwatch.list_metrics(Namespace=namespace)["Metrics"]
    return {frozenset((each["Name"], each["Value"]) for each in metric["Dimensions"]) for metric in found}


def test_metrics_of_a_stage_are_metrics_of_their_own(clients: AwsClients) -> None:
    CloudWatchMetrics(clients.cloudwatch, STAGE).put([backlog_per_task(3, NOW, NORMAL.name)])
    told = frozenset({("QueueName", f"{STAGE}-{NORMAL.name}"), ("Service", f"{STAGE}-MangaAssist")})
    assert told in dimensions(clients.cloudwatch, SQS)


def test_the_age_of_a_queue_is_that_of_the_stages_own_queue(clients: AwsClients) -> None:
    for name, age in ((f"{STAGE}-{NORMAL.name}", 46.0), (NORMAL.name, 70.0)):
        datum = {
            "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{"Name": "QueueName", "Value": name}],
            "Timestamp": NOW - timedelta(minutes=1),
            "Value": age,
        }
        clients.cloudwatch.put_metric_data(Namespace="AWS/SQS", MetricData=[datum])
    ages = CloudWatchQueueAges(clients.cloudwatch, FakeClock(NOW), STAGE).oldest_age_seconds([NORMAL.name])
    assert ages == {NORMAL.name: 46.0}


def test_templates_of_mail_are_the_stages_own(clients: AwsClients) -> None:
    SesMailer(clients.ses, "us@example.com", STAGE).put_templates()
    kept = {each["Name"] for each in clients.ses.list_templates()["TemplatesMetadata"]}
    assert {f"{STAGE}-{template.name}" for template in TEMPLATES} <= kept
