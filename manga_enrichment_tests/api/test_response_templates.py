"""What clients get: the right status for what the service really said, and nothing that is not theirs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.api.checking import SAMPLE_KEY_ID, sample_context, status_item
from manga_enrichment.api.registry import TemplateRegistry, with_partners
from manga_enrichment.api.rendering import Rendered, TemplateInput, render
from manga_enrichment.aws.dynamodb.request_items import to_item
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.validation import validate
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.request_bodies import REQUEST_ID
from manga_enrichment_tests.request_rows import accepted_row, make_row

REGISTRY = TemplateRegistry()
POSTS = ("batch", "query", "chat")


def answered(endpoint: str, status: int, service_says: Any, partners: dict[str, str] | None = None) -> Rendered:
    template = with_partners(REGISTRY.get(endpoint, status), partners or {})
    return render(template, TemplateInput(json.dumps(service_says), context=sample_context(REQUEST_ID)))


def error_of(rendered: Rendered) -> dict[str, Any]:
    document = json.loads(rendered.text)
    assert (document["success"], document["metadata"]["request_id"]) == (False, REQUEST_ID)
    return dict(document["error"])


def states_error(kind: str) -> dict[str, Any]:
    return {"__type": f"com.amazonaws.swf.service.v2.model#{kind}", "message": f"arn:aws:states: {kind}"}


def dynamodb_error(kind: str) -> dict[str, Any]:
    return {"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": "arn:aws:dynamodb:"}


@pytest.mark.parametrize("endpoint", POSTS)
@pytest.mark.parametrize("status", [200, 202, 400, 409, 503])
def test_what_a_workflow_answers_goes_out_as_it_is_with_its_status(endpoint: str, status: int) -> None:
    body = json.dumps({"success": status < 300, "data": "'\"\\\\ 漢\\n", "cost": 1e-06})
    output = {"status": status, "body": body, "applied": "wait=3" if status == 200 else ""}
    rendered = answered(endpoint, 202, {"status": "SUCCEEDED", "output": json.dumps(output), "input": "secret"})
    assert (rendered.status, rendered.text.strip()) == (status, body)
    assert rendered.headers == ({"Preference-Applied": "wait=3"} if status == 200 else {})


@pytest.mark.parametrize("endpoint", POSTS)
@pytest.mark.parametrize("outcome", ["FAILED", "TIMED_OUT", ""])
def test_a_workflow_that_failed_is_no_success_although_its_http_status_is_one(endpoint: str, outcome: str) -> None:
    said = {"status": outcome, "error": "States.Runtime", "cause": "arn:aws:states", "output": "{}"}
    rendered = answered(endpoint, 202, said)
    assert (rendered.status, error_of(rendered)["code"], rendered.headers) == (503, "UNAVAILABLE", {"Retry-After": "5"})
    assert "States.Runtime" not in rendered.text


@pytest.mark.parametrize("endpoint", POSTS)
@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("ThrottlingException", 429, "RATE_LIMITED"),
        ("ExecutionLimitExceeded", 429, "RATE_LIMITED"),
        ("InvalidExecutionInput", 413, "REQUEST_TOO_LARGE"),
        ("ValidationException", 413, "REQUEST_TOO_LARGE"),
        ("StateMachineDoesNotExist", None, "INTERNAL_ERROR"),
        ("StateMachineTypeNotSupported", None, "INTERNAL_ERROR"),
        ("AccessDeniedException", None, "INTERNAL_ERROR"),
    ],
)
def test_a_workflow_that_did_not_start_has_the_status_of_the_cause(
    endpoint: str, kind: str, status: int | None, told: str
) -> None:
    rendered = answered(endpoint, 500, states_error(kind))
    error = error_of(rendered)
    assert (rendered.status, error["code"]) == (status, told)
    assert (error.get("retry_after_seconds"), rendered.headers) == (
        (5, {"Retry-After": "5"}) if status == 429 else (None, {})
    )
    assert kind not in rendered.text


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("ThrottlingException", 429, "RATE_LIMITED"),
        ("ProvisionedThroughputExceededException", 429, "RATE_LIMITED"),
        ("RequestLimitExceeded", 429, "RATE_LIMITED"),
        ("ValidationException", 404, "NOT_FOUND"),
        ("ResourceNotFoundException", None, "INTERNAL_ERROR"),
        ("AccessDeniedException", None, "INTERNAL_ERROR"),
    ],
)
def test_an_error_of_the_table_has_the_status_of_its_cause(kind: str, status: int | None, told: str) -> None:
    rendered = answered("status", 500, dynamodb_error(kind))
    assert (rendered.status, error_of(rendered)["code"]) == (status, told)
    assert kind not in rendered.text


@pytest.mark.parametrize("endpoint", [*POSTS, "status"])
@pytest.mark.parametrize("status", [429, 500])
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


def test_a_rejection_tells_all_that_is_wrong_and_where() -> None:
    found = [each.to_document() for each in validate("manga_query", {"query": "", "max_tokens": 0}).errors]
    assert len(found) == 2
    row = make_row(FakeClock(), state=RequestState.REJECTED, partner_id="acme", problems=json.dumps(found))
    rendered = answered("status", 200, {"Item": to_item(row)}, {SAMPLE_KEY_ID: "acme"})
    assert json.loads(rendered.text)["data"]["problems"] == found
    accepted = answered(
        "status", 200, {"Item": to_item(accepted_row(FakeClock(), partner_id="acme"))}, {SAMPLE_KEY_ID: "acme"}
    )
    assert json.loads(accepted.text)["data"]["problems"] == []


@given(text=st.text(max_size=30))
def test_whatever_a_row_holds_the_answer_is_json_and_keeps_its_secrets(text: str) -> None:
    rendered = answered("status", 200, {"Item": status_item(text)})
    data = json.loads(rendered.text)["data"]
    assert data["request_id"] == text
    assert data["counts"] == {"succeeded": 98, text: 2} if text != "succeeded" else {"succeeded": 2}
    assert "receipt handle" not in rendered.text


def test_a_row_that_came_with_a_failed_condition_is_told_to_its_partner_alone() -> None:
    def said(state: RequestState, partner_id: str) -> Rendered:
        item = to_item(make_row(FakeClock(), state=state, partner_id=partner_id))
        refused = {**dynamodb_error("ConditionalCheckFailedException"), "Item": item}
        return answered("cancel", 500, refused, {SAMPLE_KEY_ID: "acme"})

    ended = said(RequestState.FAILED, "acme")
    assert (ended.status, error_of(ended)["code"]) == (409, "ALREADY_ENDED")
    cancelled = said(RequestState.CANCELLED, "acme")
    assert (cancelled.status, json.loads(cancelled.text)["data"]["status"]) == (202, "cancelled")
    for state in RequestState:
        other = said(state, "other")
        assert (other.status, error_of(other)["code"]) == (404, "NOT_FOUND")
    nobody = answered("cancel", 500, dynamodb_error("ConditionalCheckFailedException"))
    assert (nobody.status, error_of(nobody)["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("endpoint", ["list", "usage", "cancel"])
@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [("ThrottlingException", 429, "RATE_LIMITED"), ("AccessDeniedException", None, "INTERNAL_ERROR")],
)
def test_an_error_of_another_action_has_the_status_of_its_cause(
    endpoint: str, kind: str, status: int | None, told: str
) -> None:
    rendered = answered(endpoint, 500, dynamodb_error(kind))
    assert (rendered.status, error_of(rendered)["code"]) == (status, told)
    assert kind not in rendered.text
