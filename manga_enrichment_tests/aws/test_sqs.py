"""SqsQueues where SQS misbehaves: partial failures, lost leases, silence."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import QueueUnavailableError

URL = "https://sqs.ap-northeast-1.amazonaws.com/123456789012/q"
ATTRIBUTES = {"ApproximateReceiveCount": "1", "SentTimestamp": "0"}
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


class Sqs:
    """A real client whose answers are scripted, and the gateway on it."""

    def __init__(self) -> None:
        self.client = AwsClients().sqs
        self.stub = Stubber(self.client)
        self.stub.add_response("get_queue_url", {"QueueUrl": URL}, {"QueueName": "q"})
        self.pauses: list[float] = []
        self.gateway = SqsQueues(self.client, sleep=self.pauses.append)

    def answers(self, operation: str, count: int, *failed: tuple[int, str]) -> None:
        failures = [{"Id": str(number), "Code": code, "SenderFault": True} for number, code in failed]
        taken = [{"Id": str(number)} for number in range(count) if number not in dict(failed)]
        self.stub.add_response(operation, {"Successful": taken, "Failed": failures}, {"QueueUrl": URL, "Entries": ANY})


@pytest.fixture
def sqs() -> Iterator[Sqs]:
    each = Sqs()
    with each.stub:
        yield each
    each.stub.assert_no_pending_responses()


def test_each_receive_of_a_fifo_queue_has_an_id_of_its_own_by_which_a_lost_answer_is_had_again() -> None:
    asked: list[str] = []
    client = AwsClients().sqs

    def note(params: dict[str, Any], **_event: Any) -> None:
        asked.append(params.get("ReceiveRequestAttemptId", ""))

    client.meta.events.register("provide-client-params.sqs.ReceiveMessage", note)
    one = {"MessageId": "1", "ReceiptHandle": "h", "Body": "b", "Attributes": ATTRIBUTES}
    for name in ("q.fifo", "q"):
        with Stubber(client) as stub:
            stub.add_response("get_queue_url", {"QueueUrl": URL})
            stub.add_response("receive_message", {"Messages": [one]})
            stub.add_response("receive_message", {})
            assert len(SqsQueues(client).receive(name, max_messages=2, wait_seconds=0)) == 1
    first, second, *standard = asked
    assert first
    assert second not in ("", first)
    assert standard == ["", ""]


HANDLES = [f"h{number}" for number in range(12)]


@pytest.mark.parametrize(
    "code",
    [
        "InvalidParameterValue",
        "ReceiptHandleIsInvalid",
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
    ],
)
def test_each_code_of_a_lost_lease_is_told_and_not_tried_again(sqs: Sqs, code: str) -> None:
    sqs.answers("change_message_visibility_batch", 10, (3, code))
    sqs.answers("change_message_visibility_batch", 2)
    assert sqs.gateway.extend("q", HANDLES, 60) == {"h3"}
    assert sqs.pauses == []


def test_what_failed_in_passing_is_tried_again_alone(sqs: Sqs) -> None:
    sqs.answers("delete_message_batch", 3, (0, "InternalError"), (1, "ReceiptHandleIsInvalid"))
    sqs.answers("delete_message_batch", 1)
    assert sqs.gateway.delete("q", ["a", "b", "c"]) == {"b"}
    assert len(sqs.pauses) == 1


def test_what_keeps_failing_is_no_lost_lease(sqs: Sqs) -> None:
    for _ in range(4):
        sqs.answers("delete_message_batch", 1, (0, "ServiceUnavailable"))
    with pytest.raises(QueueUnavailableError, match="kept refusing 1 messages of q: ServiceUnavailable"):
        sqs.gateway.delete("q", ["a"])


def test_the_queue_url_is_looked_up_once(sqs: Sqs) -> None:
    for _ in range(3):
        sqs.answers("delete_message_batch", 1)
        sqs.gateway.delete("q", ["a"])


def test_a_receive_asks_for_everything_and_waits_for_the_first_message_only(sqs: Sqs) -> None:
    def received(count: int, wait_seconds: int, names: list[str]) -> None:
        expected = {
            "QueueUrl": URL,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
            "MaxNumberOfMessages": count,
            "WaitTimeSeconds": wait_seconds,
            "VisibilityTimeout": 45,
        }
        sqs.stub.add_response("receive_message", {"Messages": [raw(name) for name in names]}, expected)

    received(10, 20, [f"m{number}" for number in range(10)])
    received(2, 0, ["m10", "m11"])
    messages = sqs.gateway.receive("q", max_messages=12, wait_seconds=60, visibility_seconds=45)
    assert [message.message_id for message in messages] == [f"m{number}" for number in range(12)]
    assert dict(messages[0].attributes) == {"text": "words"}


def raw(name: str) -> dict[str, Any]:
    return {
        "MessageId": name,
        "ReceiptHandle": f"handle-{name}",
        "Body": "{}",
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1768446000123"},
        "MessageAttributes": {
            "text": {"DataType": "String", "StringValue": "words"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    }


def test_denied_access_is_a_sentence_and_throttling_is_not(sqs: Sqs) -> None:
    sqs.stub.add_client_error("receive_message", "AccessDeniedException", http_status_code=403)
    with pytest.raises(ConfigurationError, match="Access to Queue q was denied"):
        sqs.gateway.receive("q", max_messages=1, wait_seconds=0)
    sqs.stub.add_client_error("receive_message", "RequestThrottled", http_status_code=403)
    with pytest.raises(QueueUnavailableError, match="RequestThrottled"):
        sqs.gateway.receive("q", max_messages=1, wait_seconds=0)


def test_an_endpoint_where_nobody_listens_is_unavailable_not_misconfigured() -> None:
    with pytest.raises(QueueUnavailableError, match="cannot be reached at http://127"):
        SqsQueues(AwsClients().session.client("sqs", config=ONE_ATTEMPT)).depth("manga-fm-dlq")
