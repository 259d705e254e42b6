"""SnsNotifier: what SNS does not take, and which errors somebody must mend."""

from collections.abc import Iterator

import pytest
from botocore.config import Config
from botocore.stub import Stubber

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.outbound.notify import SnsNotifier
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import NotifierUnavailableError

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


def test_everything_else_may_be_tried_again(stub: Stubber) -> None:
    stub.add_client_error("publish", "InternalError", http_status_code=400)
    with pytest.raises(NotifierUnavailableError):
        SnsNotifier(stub.client).publish(ARN, "s", "m")


def test_an_unreachable_endpoint_may_be_tried_again() -> None:
    with pytest.raises(NotifierUnavailableError, match="cannot be reached"):
        SnsNotifier(AwsClients().session.client("sns", config=ONE_ATTEMPT)).publish(ARN, "s", "m")
