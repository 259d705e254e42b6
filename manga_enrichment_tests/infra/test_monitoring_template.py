"""infra/monitoring.yaml: the alarms that were asked for, on metrics that exist, telling the alerts topic.

The emulator evaluates alarms when metrics are put, over all dimensions of a metric and without treating missing data.
What it can show is shown; the rest is held to CloudWatch's own rules.
"""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from manga_enrichment.aws.metrics import CloudWatchMetrics
from manga_enrichment.domain.operations.metrics import (
    BACKLOG_PER_TASK,
    COST_USD,
    ENRICHMENT,
    LATENCY_P95,
    NIGHTLY_SUCCEEDED,
    PARTNERS,
    SERVICE,
    SQS,
    cost_usd,
    nightly_succeeded,
    partner_latency,
)
from manga_enrichment.domain.operations.partner_latency import (
    MOST_P95_SECONDS,
    WINDOW,
    AnsweredRequest,
    latency_by_queue,
)
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES, HIGH_PRIORITY, NORMAL, SESSION, Queue
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.infra.templates import read_template

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECONDS_PER_DAY = 86_400
VISIBLE, AGE = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"


def answer_of(queue: str, seconds: float) -> AnsweredRequest:
    return AnsweredRequest(queue, NOW, NOW, NOW + timedelta(seconds=seconds), 0.0)


@pytest.fixture(scope="module")
def alarms() -> dict[str, dict[str, Any]]:
    """Properties by logical id."""
    resources = read_template("monitoring.yaml")["Resources"]
    found = {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert found
    return found


@pytest.mark.parametrize(
    ("name", "metric", "queue", "rule"),
    [
        ("HighPriorityDepth", VISIBLE, HIGH_PRIORITY.name, (60, 2, 100)),
        ("NormalOldestMessage", AGE, NORMAL.name, (300, 2, 600)),
        ("DeadLettersNotEmpty", VISIBLE, DEAD_LETTER_QUEUES[0].name, (300, 1, 0)),
        ("DeadLettersFifoNotEmpty", VISIBLE, DEAD_LETTER_QUEUES[1].name, (300, 1, 0)),
    ],
)
def test_a_queue_alarm_looks_at_the_gauge_of_sqs_itself(
    alarms: dict[str, Any], name: str, metric: str, queue: str, rule: tuple[int, int, int]
) -> None:
    alarm = alarms[name]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", metric)
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": queue}]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Threshold"]) == rule
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Maximum", "GreaterThanThreshold")


def test_the_other_alarms_use_names_that_the_code_sends(alarms: dict[str, Any]) -> None:
    ours = {
        (each["Namespace"], each["MetricName"], each["Statistic"])
        for each in alarms.values()
        if each["Namespace"] != "AWS/SQS"
    }
    assert ours == {
        (ENRICHMENT, COST_USD, "Maximum"),
        (ENRICHMENT, NIGHTLY_SUCCEEDED, "Sum"),
        (SQS, BACKLOG_PER_TASK, "SampleCount"),
        (PARTNERS, LATENCY_P95, "Maximum"),
    }
    dimensions = [each["Dimensions"] for each in alarms.values() if each["Namespace"] in (SQS, ENRICHMENT)]
    assert dimensions == [[dict(zip(("Name", "Value"), SERVICE, strict=True))]] * 3


@pytest.mark.parametrize(
    ("name", "queue"), [("UrgentRequestsLatency", HIGH_PRIORITY), ("ConversationsLatency", SESSION)]
)
def test_a_latency_alarm_looks_at_what_the_code_sends_of_its_queue_and_has_the_bound_of_the_check(
    alarms: dict[str, Any], name: str, queue: Queue
) -> None:
    alarm, [seen] = alarms[name], latency_by_queue([answer_of(queue.name, 61)], NOW, WINDOW)
    sent = next(each for each in partner_latency(seen, NOW) if each.name == LATENCY_P95)
    assert [(each["Name"], each["Value"]) for each in alarm["Dimensions"]] == list(sent.dimensions)
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (300, 3, 3)
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["Threshold"] == {"!Ref": "UrgentP95Seconds"}
    assert read_template("monitoring.yaml")["Parameters"]["UrgentP95Seconds"]["Default"] == MOST_P95_SECONDS[queue.name]


def test_no_evaluation_is_longer_than_cloudwatch_allows(alarms: dict[str, Any]) -> None:
    for name, alarm in alarms.items():
        most = 7 * SECONDS_PER_DAY if alarm["Period"] >= 3600 else SECONDS_PER_DAY
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= most, name


def test_a_night_is_missed_after_26_hours_in_which_silence_counts(alarms: dict[str, Any]) -> None:
    alarm = alarms["NoNightlySuccess"]
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 26 * 3600
    assert alarm["DatapointsToAlarm"] == alarm["EvaluationPeriods"]
    assert alarm["TreatMissingData"] == "breaching"


def test_every_alarm_tells_when_it_begins_and_when_it_ends(alarms: dict[str, Any]) -> None:
    topic = [{"!Sub": "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:${AlertsTopicName}"}]
    assert all(alarm["AlarmActions"] == alarm["OKActions"] == topic for alarm in alarms.values())
    assert read_template("monitoring.yaml")["Parameters"]["AlertsTopicName"]["Default"] == "manga-fm-alerts"


@pytest.fixture
def heard(local_stack: LocalStack) -> Iterator[Any]:
    """What the alerts topic tells a queue that subscribed: (alarm, new state) pairs since the last call."""
    sqs, sns = local_stack.client("sqs"), local_stack.client("sns")
    name = f"alarms-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(
        TopicArn=local_stack.outputs["AlertsTopicArn"], Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )["SubscriptionArn"]

    def read() -> set[tuple[str, str]]:
        told = set()
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
            for message in messages:
                alarm = json.loads(json.loads(message["Body"])["Message"])
                told.add((alarm["AlarmName"], alarm["NewStateValue"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return told

    yield read
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def test_deployed_alarms_go_off_and_tell_the_topic(local_stack: LocalStack, heard: Any) -> None:
    cloudwatch, now = local_stack.client("cloudwatch"), datetime.now(UTC)
    for name in local_stack.outputs["AlarmNames"].split(","):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="before the test")
    heard()

    def sqs_says(metric: str, queue: str, value: float) -> None:
        dimensions = [{"Name": "QueueName", "Value": queue}]
        datum = {"MetricName": metric, "Dimensions": dimensions, "Timestamp": now, "Value": value}
        cloudwatch.put_metric_data(Namespace="AWS/SQS", MetricData=[datum])

    sqs_says(VISIBLE, "manga-fm-dlq", 1)  # the emulator looks at all dimensions: both alarms on dead letters see it
    assert heard() == {("MangaFM-DLQ-NotEmpty", "ALARM"), ("MangaFM-DLQ-Fifo-NotEmpty", "ALARM")}
    sqs_says(VISIBLE, "manga-fm-high-priority", 101)
    sqs_says(AGE, "manga-fm-normal", 601)
    assert heard() == {
        ("MangaFM-HighPriority-QueueDepth", "ALARM"),
        ("MangaFM-Normal-AgeOfOldestMessage", "ALARM"),
    }
    ours = CloudWatchMetrics(cloudwatch)
    ours.put([cost_usd(99.99, now), nightly_succeeded(now)])
    assert heard() == set()
    ours.put([cost_usd(100.01, now)])
    assert heard() == {("MangaFM-DailyCost-AboveBudget", "ALARM")}
    [seen] = latency_by_queue([answer_of(HIGH_PRIORITY.name, 61)], now, WINDOW)
    ours.put(partner_latency(seen, now))
    assert ("MangaFM-HighPriority-Latency", "ALARM") in heard()
