"""What clients get: the right status for what the service really said, and nothing that is not theirs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.api.checking import SAMPLE_KEY_ID, sample_context, status_item
from manga_enrichment.api.registry import TemplateRegistry, with_partners
from manga_enrichment.api.rendering import Rendered, TemplateInput, render
from manga_enrichment.aws.request_items import to_item
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.request_bodies import REQUEST_ID
from manga_enrichment_tests.request_rows import make_row

REGISTRY = TemplateRegistry()
POSTS = ("batch", "query", "chat")


def answered(endpoint: str, status: int, service_says: Any, partners: dict[str, str] | None = None) -> Rendered:
    template = with_partners(REGISTRY.get(endpoint, status), partners or {})
    return render(template, TemplateInput(json.dumps(service_says), context=sample_context(REQUEST_ID)))


def error_of(rendered: Rendered) -> dict[str, Any]:
    document = json.loads(rendered.text)
    assert (document["success"], document["metadata"]["request_id"]) == (False, REQUEST_ID)
    return dict(document["error"])


def sqs_error(code: str) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": f"arn:aws:sqs: {code}", "Type": "Sender"}, "RequestId": "x"}


def dynamodb_error(kind: str) -> dict[str, Any]:
    return {"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": "arn:aws:dynamodb:"}


@pytest.mark.parametrize("endpoint", POSTS)
def test_an_accepted_request_gets_its_id_and_nothing_of_the_queue(endpoint: str) -> None:
    result = {"MessageId": "the-message", "MD5OfMessageBody": "digest", "SequenceNumber": "1"}
    rendered = answered(endpoint, 202, {"SendMessageResponse": {"SendMessageResult": result}})
    document = json.loads(rendered.text)
    assert document["data"] == {
        "request_id": REQUEST_ID,
        "status": "accepted",
        "status_path": f"/v1/manga/status/{REQUEST_ID}",
    }
    assert rendered.status is None
    assert "the-message" not in rendered.text


@pytest.mark.parametrize("endpoint", POSTS)
@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("RequestThrottled", 429, "RATE_LIMITED"),
        ("ThrottlingException", 429, "RATE_LIMITED"),
        ("Throttling", 429, "RATE_LIMITED"),
        ("KMS.ThrottlingException", 429, "RATE_LIMITED"),
        ("OverLimit", 429, "RATE_LIMITED"),
        ("InvalidMessageContents", None, "VALIDATION_ERROR"),
        ("InvalidParameterValue", None, "VALIDATION_ERROR"),
        ("AWS.SimpleQueueService.NonExistentQueue", 500, "INTERNAL_ERROR"),
        ("MissingParameter", 500, "INTERNAL_ERROR"),
        ("InvalidAction", 500, "INTERNAL_ERROR"),
    ],
)
def test_an_error_of_the_queue_has_the_status_of_its_cause(
    endpoint: str, code: str, status: int | None, told: str
) -> None:
    rendered = answered(endpoint, 400, sqs_error(code))
    error = error_of(rendered)
    assert (rendered.status, error["code"]) == (status, told)
    assert (error.get("retry_after_seconds"), rendered.headers) == (
        (5, {"Retry-After": "5"}) if status == 429 else (None, {})
    )
    assert code not in rendered.text


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("ThrottlingException", 429, "RATE_LIMITED"),
        ("ProvisionedThroughputExceededException", 429, "RATE_LIMITED"),
        ("RequestLimitExceeded", 429, "RATE_LIMITED"),
        ("ValidationException", 404, "NOT_FOUND"),
        ("ResourceNotFoundException", 500, "INTERNAL_ERROR"),
        ("AccessDeniedException", 500, "INTERNAL_ERROR"),
    ],
)
def test_an_error_of_the_table_has_the_status_of_its_cause(kind: str, status: int, told: str) -> None:
    rendered = answered("status", 400, dynamodb_error(kind))
    assert (rendered.status, error_of(rendered)["code"]) == (status, told)
    assert kind not in rendered.text


@pytest.mark.parametrize("endpoint", [*POSTS, "status"])
@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.parametrize("said", ["", "no JSON", "<Error/>", "[]", "null"])
def test_an_answer_that_is_no_json_still_gives_sound_json(endpoint: str, status: int, said: str) -> None:
    template = REGISTRY.get(endpoint, status)
    error_of(render(template, TemplateInput(said, context=sample_context(REQUEST_ID))))


@pytest.mark.parametrize("state", list(RequestState))
def test_a_partner_sees_its_request_in_every_state(state: RequestState) -> None:
    item = to_item(make_row(FakeClock(), state=state, partner_id="acme"))
    rendered = answered("status", 200, {"Item": item}, {SAMPLE_KEY_ID: "acme"})
    data = json.loads(rendered.text)["data"]
    assert rendered.status is None
    assert (data["status"], data["request_id"]) == (state.value, item["request_id"]["S"])
    assert data["cost_usd"] == float(item["cost_usd"]["N"])


@pytest.mark.parametrize("partner", ["rival", "", "ACME", "acme2", SAMPLE_KEY_ID])
def test_a_request_of_another_partner_looks_like_none(partner: str) -> None:
    none = answered("status", 200, {}, {SAMPLE_KEY_ID: "acme"})
    rendered = answered("status", 200, {"Item": status_item(partner=partner)}, {SAMPLE_KEY_ID: "acme"})
    assert (rendered.status, rendered.text) == (404, none.text)
    assert error_of(rendered)["code"] == "NOT_FOUND"


def test_a_row_without_a_partner_is_nobodys() -> None:
    item = {"request_id": {"S": "partition:reading_level:0"}, "status": {"S": "completed"}}
    assert answered("status", 200, {"Item": item}).status == 404
    template = REGISTRY.get("status", 200)
    nobody = TemplateInput(
        json.dumps({"Item": {**item, "partner_id": {"S": ""}}}), context=sample_context(api_key_id="")
    )
    assert render(template, nobody).status == 404


@pytest.mark.parametrize(("status", "told"), [("failed", False), ("deferred", False), ("rejected", True)])
def test_only_the_reason_of_a_rejection_is_told(status: str, told: bool) -> None:
    item = {**status_item(), "status": {"S": status}, "reason": {"S": "role of anthropic.claude may not"}}
    data = json.loads(answered("status", 200, {"Item": item}).text)["data"]
    assert data["error"] == {"class": "plain", "reason": "role of anthropic.claude may not" if told else None}


@given(text=st.text(max_size=30))
def test_whatever_a_row_holds_the_answer_is_json_and_keeps_its_secrets(text: str) -> None:
    rendered = answered("status", 200, {"Item": status_item(text)})
    data = json.loads(rendered.text)["data"]
    assert data["request_id"] == text
    assert data["counts"] == {"succeeded": 98, text: 2} if text != "succeeded" else {"succeeded": 2}
    assert "receipt handle" not in rendered.text
