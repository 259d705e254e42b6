"""infra/queues.yaml is the table of queues in CloudFormation's words, and the emulator deploys it so."""

import json
from typing import Any

import pytest

from manga_enrichment.domain.requests.queues import (
    DEAD_LETTER_QUEUES,
    QUEUES,
    REQUEST_QUEUES,
    Queue,
    route,
)
from manga_enrichment.domain.requests.reading.envelope import MAX_MESSAGE_BYTES
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.infra.templates import INFRA, read_template
from manga_enrichment_tests.request_bodies import REQUEST_ID, valid_body

TEMPLATE = INFRA / "queues.yaml"
SECONDS_PER_DAY = 86_400
TOPICS = 2  # results, alerts
ARN = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return read_template("queues.yaml")


@pytest.fixture(scope="module")
def queues(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Resources of queues by queue name, each with its logical id."""
    return {
        resource["Properties"]["QueueName"]: {**resource, "LogicalId": name}
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::SQS::Queue"
    }


def expected_properties(queue: Queue, dead_letter_ids: dict[str, str]) -> dict[str, Any]:
    """What the table says about a queue."""
    expected: dict[str, Any] = {
        "QueueName": queue.name,
        "VisibilityTimeout": queue.visibility_seconds,
        "MessageRetentionPeriod": queue.retention_days * SECONDS_PER_DAY,
        "MaximumMessageSize": MAX_MESSAGE_BYTES,
        "SqsManagedSseEnabled": True,
    }
    if queue.is_fifo:
        expected |= {
            "FifoQueue": True,
            "ContentBasedDeduplication": False,
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
    if queue.dead_letters is None:
        sources = [{"!Sub": ARN + each.name} for each in REQUEST_QUEUES if each.dead_letters == queue.name]
        expected["RedriveAllowPolicy"] = {"redrivePermission": "byQueue", "sourceQueueArns": sources}
    else:
        target = {"!GetAtt": f"{dead_letter_ids[queue.dead_letters]}.Arn"}
        expected["RedrivePolicy"] = {"deadLetterTargetArn": target, "maxReceiveCount": queue.max_receives}
    return expected


def test_template_and_table_have_the_same_queues(queues: dict[str, Any]) -> None:
    assert set(queues) == set(QUEUES)


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_exactly_as_the_table_says(queues: dict[str, Any], name: str) -> None:
    ids = {each.name: queues[each.name]["LogicalId"] for each in DEAD_LETTER_QUEUES}
    assert queues[name]["Properties"] == expected_properties(QUEUES[name], ids)


def test_queues_and_topics_stay_when_the_stack_goes(template: dict[str, Any]) -> None:
    kept = [each for each in template["Resources"].values() if each["Type"] in {"AWS::SQS::Queue", "AWS::SNS::Topic"}]
    assert len(kept) == len(QUEUES) + TOPICS
    policies = [(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in kept]
    assert policies == [("RetainExceptOnCreate", "Retain")] * len(kept)


def test_every_queue_and_topic_refuses_plain_http(template: dict[str, Any], queues: dict[str, Any]) -> None:
    resources = template["Resources"]
    covered = [each["!Ref"] for each in resources["QueuesPolicy"]["Properties"]["Queues"]]
    assert sorted(covered) == sorted(resource["LogicalId"] for resource in queues.values())
    policies = [
        each for each in resources.values() if each["Type"] in {"AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"}
    ]
    assert len(policies) == 3
    for policy in policies:
        statement = policy["Properties"]["PolicyDocument"]["Statement"][0]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_topics_have_the_names_of_the_table(template: dict[str, Any]) -> None:
    topics = [each for each in template["Resources"].values() if each["Type"] == "AWS::SNS::Topic"]
    assert {each["Properties"]["TopicName"] for each in topics} == {"manga-fm-results", "manga-fm-alerts"}


def test_every_queue_and_topic_is_an_output(template: dict[str, Any]) -> None:
    names: dict[str, list[str]] = {"AWS::SQS::Queue": [], "AWS::SNS::Topic": []}
    for name, resource in template["Resources"].items():
        names.get(resource["Type"], []).append(name)
    queues, topics = names.values()
    assert (len(queues), len(topics)) == (len(QUEUES), TOPICS)
    outputs = {f"{name}Url" for name in queues} | {f"{name}Arn" for name in (*queues, *topics)}
    assert outputs <= set(template["Outputs"])


@pytest.mark.parametrize("name", QUEUES)
def test_a_deployed_queue_has_the_attributes_of_the_table(local_stack: LocalStack, name: str) -> None:
    sqs, queue = local_stack.client("sqs"), QUEUES[name]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == str(queue.visibility_seconds)
    assert attributes["MessageRetentionPeriod"] == str(queue.retention_days * SECONDS_PER_DAY)
    assert attributes["SqsManagedSseEnabled"] == "true"
    assert attributes.get("FifoQueue", "false") == str(queue.is_fifo).lower()
    if queue.dead_letters is None:
        allowed = json.loads(attributes["RedriveAllowPolicy"])["sourceQueueArns"]
        assert {arn.rsplit(":", 1)[1] for arn in allowed} == {
            each.name for each in REQUEST_QUEUES if each.dead_letters == name
        }
    else:
        redrive = json.loads(attributes["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"].endswith(f":{queue.dead_letters}")
        assert int(redrive["maxReceiveCount"]) == queue.max_receives


@pytest.mark.parametrize("schema", ["batch_analysis", "manga_query", "streaming_chat"])
def test_a_routed_request_is_taken_by_its_queue_and_delivered(local_stack: LocalStack, schema: str) -> None:
    sqs = local_stack.client("sqs")
    where = route(schema, valid_body(schema), partner_id="acme", request_id=REQUEST_ID)
    url = sqs.get_queue_url(QueueName=where.queue.name)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    extra = {} if where.deduplication_id is None else {"MessageDeduplicationId": f"{where.deduplication_id}.{schema}"}
    sqs.send_message(QueueUrl=url, MessageBody=schema, MessageGroupId=where.message_group_id, **extra)
    received = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["MessageGroupId"], WaitTimeSeconds=1)
    (message,) = received["Messages"]
    assert message["Body"] == schema
    assert message["Attributes"]["MessageGroupId"] == where.message_group_id
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
