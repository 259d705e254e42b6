"""Notifier: what is published reaches who subscribed, with the id that tells repetitions."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.outbound.notify import SnsNotifier
from manga_enrichment.gateways.notify import Notification, Notifier
from manga_enrichment_tests.request_fakes import MemoryNotifier, Published


@dataclass
class Topic:
    notifier: Notifier
    arn: str
    received: Callable[[], list[Published]]


@pytest.fixture
def topic(kind: str, unique: str, request: pytest.FixtureRequest) -> Topic:
    if kind == "fake":
        notifier = MemoryNotifier()
        return Topic(notifier, f"arn:aws:sns:ap-northeast-1:123456789012:{unique}", lambda: notifier.published)
    clients: AwsClients = request.getfixturevalue("aws_clients")
    arn = clients.sns.create_topic(Name=unique)["TopicArn"]
    url = clients.sqs.create_queue(QueueName=unique)["QueueUrl"]
    queue_arn = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    clients.sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)

    def received() -> list[Published]:
        raw = clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
        return [_published(json.loads(message["Body"])) for message in raw]

    return Topic(SnsNotifier(clients.sns), arn, received)


def _published(event: dict[str, object]) -> Published:
    attributes = event.get("MessageAttributes") or {}
    assert isinstance(attributes, dict)
    event_id = attributes.get("event_id", {}).get("Value", "")
    return Published(str(event["TopicArn"]), str(event.get("Subject") or ""), str(event["Message"]), event_id)


def test_a_notification_arrives_with_its_event_id(topic: Topic) -> None:
    message = json.dumps({"title": "港の店"}, ensure_ascii=False)
    topic.notifier.publish(topic.arn, "Request completed", message, deduplication_id="event-1")
    assert topic.received() == [Published(topic.arn, "Request completed", message, "event-1")]


def test_many_arrive_with_one_call_each_with_its_event_id(topic: Topic) -> None:
    wanted = [Notification(f"Request {number}", f"第{number}巻", f"event-{number}") for number in range(12)]
    assert topic.notifier.publish_all(topic.arn, wanted) == [""] * 12
    arrived = [*topic.received(), *topic.received()][:12]
    assert {each.deduplication_id for each in arrived} == {each.deduplication_id for each in wanted}
    assert {each.message for each in arrived} == {each.message for each in wanted}


def test_subject_and_event_id_may_be_missing(topic: Topic) -> None:
    topic.notifier.publish(topic.arn, "", "plain")
    assert topic.received() == [Published(topic.arn, "", "plain", "")]
