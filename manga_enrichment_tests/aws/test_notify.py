"""SnsNotifier: what SNS does not take, and which errors somebody must mend."""

from collections.abc import Iterator

import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.outbound.notify import SnsNotifier
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import NotifierUnavailableError
from manga_enrichment.gateways.notify import Notification

ARN = "arn:aws:sns:ap-northeast-1:123456789012:topic"
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def stub() -> Iterator[Stubber]:
    with Stubber(AwsClients().sns) as stub:
        yield stub
        stub.assert_no_pending_responses()


def test_a_subject_is_cut_to_printable_ascii(stub: Stubber) -> None:
    subject = f"港\nBatch 7\tfailed {'x' * 200}"
    expected = {"TopicArn": ARN, "Message": "m", "Subject": f"Batch 7 failed {'x' * 200}"[:100]}
    stub.add_response("publish", {"MessageId": "1"}, expected)
    SnsNotifier(stub.client).publish(ARN, subject, "m")


def test_a_fifo_topic_gets_a_group_and_drops_repetitions(stub: Stubber) -> None:
    expected = {
        "TopicArn": f"{ARN}.fifo",
        "Message": "m",
        "Subject": "s",
        "MessageAttributes": {"event_id": {"DataType": "String", "StringValue": "e-1"}},
        "MessageGroupId": "notifications",
        "MessageDeduplicationId": "e-1",
    }
    stub.add_response("publish", {"MessageId": "1"}, expected)
    SnsNotifier(stub.client).publish(f"{ARN}.fifo", "s", "m", deduplication_id="e-1")


def test_a_message_that_is_too_long_is_refused_before_it_is_sent(stub: Stubber) -> None:
    with pytest.raises(ValueError, match="must not have more than"):
        SnsNotifier(stub.client).publish(ARN, "s", "長" * 100_000)


@pytest.mark.parametrize("code", ["NotFound", "InvalidParameter", "AuthorizationError", "KMSAccessDenied", "403"])
def test_a_topic_that_cannot_be_used_is_a_sentence_with_its_arn(stub: Stubber, code: str) -> None:
    stub.add_client_error("publish", code, http_status_code=400)
    with pytest.raises(ConfigurationError, match=ARN):
        SnsNotifier(stub.client).publish(ARN, "s", "m")


def some(count: int, message: str = "m") -> list[Notification]:
    return [Notification("s", message, f"e-{number}") for number in range(count)]


def entry(number: int, **more: str) -> dict[str, object]:
    event_id = {"DataType": "String", "StringValue": f"e-{number}"}
    return {"Id": str(number % 10), "Message": "m", "Subject": "s", "MessageAttributes": {"event_id": event_id}, **more}


def test_ten_go_with_one_request_and_each_has_its_own_answer(stub: Stubber) -> None:
    failed = {"Id": "1", "Code": "InternalError", "Message": "later", "SenderFault": False}
    for numbers, wrong in ((range(10), [failed]), (range(10, 11), [])):
        expected = {"TopicArn": ARN, "PublishBatchRequestEntries": list(map(entry, numbers))}
        stub.add_response("publish_batch", {"Successful": [], "Failed": wrong}, expected)
    problems = SnsNotifier(stub.client).publish_all(ARN, some(11))
    assert problems == ["", "InternalError: later", *[""] * 9]


def test_a_fifo_topics_batch_has_groups_and_ids(stub: Stubber) -> None:
    arn = f"{ARN}.fifo"
    entries = [
        entry(number, MessageGroupId="notifications", MessageDeduplicationId=f"e-{number}") for number in range(2)
    ]
    stub.add_response("publish_batch", {}, {"TopicArn": arn, "PublishBatchRequestEntries": entries})
    assert SnsNotifier(stub.client).publish_all(arn, some(2)) == ["", ""]


def test_a_batch_holds_no_more_bytes_than_sns_takes(stub: Stubber) -> None:
    for count in (2, 1):
        request = {"TopicArn": ARN, "PublishBatchRequestEntries": ANY}
        stub.add_response("publish_batch", {"Successful": [{"Id": str(each)} for each in range(count)]}, request)
    assert SnsNotifier(stub.client).publish_all(ARN, some(3, "長" * 40_000)) == ["", "", ""]


def test_of_several_batches_one_that_fails_says_so_and_the_others_go(stub: Stubber) -> None:
    stub.add_client_error("publish_batch", "NotFound", http_status_code=404)
    stub.add_response("publish_batch", {})
    problems = SnsNotifier(stub.client).publish_all(ARN, some(12))
    assert all(ARN in each for each in problems[:10])
    assert problems[10:] == ["", ""]


def test_everything_else_may_be_tried_again(stub: Stubber) -> None:
    stub.add_client_error("publish", "InternalError", http_status_code=400)
    with pytest.raises(NotifierUnavailableError):
        SnsNotifier(stub.client).publish(ARN, "s", "m")


def test_an_unreachable_endpoint_may_be_tried_again() -> None:
    with pytest.raises(NotifierUnavailableError, match="cannot be reached"):
        SnsNotifier(AwsClients().session.client("sns", config=ONE_ATTEMPT)).publish(ARN, "s", "m")
