"""Partners beside each other, over HTTP: each hears of its own alone, and of all that is wrong with what it sent."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.requests.queues import DEAD_LETTERS
from manga_enrichment.local.api_client import ApiAnswer, ApiClient, api_key
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.dead_letters.queue import EXPLANATION
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.front import AT_ONCE, LIMITS, Front, documented
from manga_enrichment_tests.end_to_end.partner_books import known_titles, open_books
from manga_enrichment_tests.end_to_end.workers import until, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BATCH, REQUESTS = "/v1/manga/batch", "/v1/manga/requests"
BY_ID = {"GET": ("status", "results"), "DELETE": ("requests",)}


class Ears:
    """A queue that hears what a topic is told."""

    def __init__(self, stack: LocalStack, topic_arn: str) -> None:
        self._sqs: Any = stack.client("sqs")
        self._url = self._sqs.create_queue(QueueName=f"ears-{uuid.uuid4()}")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        stack.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=attributes["QueueArn"])

    def heard(self) -> list[dict[str, Any]]:
        messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(json.loads(each["Body"])["Message"]) for each in messages]


@pytest.fixture(scope="module")
def front(local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with workers(local_stack, tmp_path_factory.mktemp("workers")):
        yield Front(local_stack)


def batch(**more: Any) -> dict[str, Any]:
    items = [{"manga_id": each, "analysis_type": "reading_level"} for each in known_titles()[:2]]
    return {"items": items, "priority": "high", **more}


def ended(partner: ApiClient, request_id: str) -> dict[str, Any]:
    def status() -> dict[str, Any]:
        return dict(partner.call("GET", f"/v1/manga/status/{request_id}").document["data"])

    return until(status, lambda told: told["status"] in ("completed", "rejected"))


def submitted(partner: ApiClient) -> str:
    return str(partner.call("POST", BATCH, batch(), AT_ONCE).document["data"]["request_id"])


def listed(partner: ApiClient) -> list[str]:
    return [each["request_id"] for each in partner.call("GET", REQUESTS).document["data"]["requests"]]


def test_what_another_asked_for_is_not_there_by_id_results_list_or_topic(
    front: Front, local_stack: LocalStack, aws_environment: dict[str, str], tmp_path: Path
) -> None:
    acme = ApiClient(front.url, api_key(front.apigateway, "acme-1"))
    other, _ = front.partner(**LIMITS)
    own_topic = f"{local_stack.outputs['ResultsTopicArn']}-acme"
    ears = Ears(local_stack, own_topic)
    theirs, mine = submitted(acme), submitted(other)
    assert {ended(acme, theirs)["status"], ended(other, mine)["status"]} == {"completed"}
    for stranger, request_id in ((other, theirs), (acme, mine)):
        for method, places in BY_ID.items():
            for place in places:
                answer = stranger.call(method, f"/v1/manga/{place}/{request_id}")
                assert (answer.status, answer.document["error"]["code"]) == (404, "NOT_FOUND"), place
    assert mine not in listed(acme)
    assert listed(other) == [mine]
    with open_books(local_stack, FileClock(tmp_path / "clock")) as books:

        def heard() -> list[dict[str, Any]]:
            books.deliver()  # ends are announced once their rows are written, some time after their status
            return ears.heard()

        assert [each["request_id"] for each in until(heard, bool)] == [theirs]


def test_nobody_has_a_request_told_to_the_topic_of_another(front: Front, local_stack: LocalStack) -> None:
    own_topic = f"{local_stack.outputs['ResultsTopicArn']}-acme"
    answer = waited(front.partner(**LIMITS)[0], batch(notification={"sns_topic_arn": own_topic}))
    assert answer.status == 400
    assert [each["path"] for each in answer.document["error"]["problems"]] == ["notification.sns_topic_arn"]


def waited(partner: ApiClient, body: dict[str, Any]) -> ApiAnswer:
    """The answer, however long its worker takes."""
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": "wait=25"}
    return until(lambda: partner.call("POST", BATCH, body, headers), lambda answer: answer.status != 202)


def test_all_that_only_a_worker_can_find_wrong_is_told_at_once_and_kept(front: Front) -> None:
    partner, _ = front.partner(**LIMITS)
    topic = "arn:aws:sns:ap-northeast-1:999999999999:theirs"
    body = batch(callback_url="https://169.254.169.254/latest", notification={"sns_topic_arn": topic})
    body["items"][0]["additional_context"] = "a\u0007bell"
    body["items"][1]["additional_context"] = "turned \u202e around"
    answer = waited(partner, body)
    documented(BATCH, "POST", answer.status, answer.document)
    problems = answer.document["error"]["problems"]
    assert answer.status == 400
    assert {each["path"] for each in problems} == {
        "callback_url",
        "notification.sns_topic_arn",
        "items.0.additional_context",
        "items.1.additional_context",
    }
    [request_id] = listed(partner)
    status = ended(partner, request_id)
    assert (status["status"], status["problems"]) == ("rejected", problems)
    letters = front.queues.receive(DEAD_LETTERS, max_messages=10, wait_seconds=1)
    [letter] = [each for each in letters if json.loads(each.body)["request_id"] == request_id]
    assert json.loads(letter.body)["body"] == body
    assert all(each["path"] in letter.attributes[EXPLANATION] for each in problems)
