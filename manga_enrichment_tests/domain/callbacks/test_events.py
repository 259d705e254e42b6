"""An event has a name that depends on what happened and on nothing else, and a body that can be signed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.requests.states import RequestState

NOW = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
REQUEST_ID = "5f0c2f7e-9f2b-4d57-8c0e-2f4d9c1b7a10"


def event(request_id: str = REQUEST_ID, state: RequestState = RequestState.COMPLETED, **more: object) -> Event:
    return Event(request_id, "acme", "batch_analysis", state, NOW, **more)  # type: ignore[arg-type]


def test_a_repeated_event_has_the_same_id_whatever_else_changed() -> None:
    again = Event(
        REQUEST_ID, "acme", "batch_analysis", RequestState.COMPLETED, NOW + timedelta(hours=1), cost_micro_usd=9
    )
    assert again.event_id == event().event_id
    assert event().event_id.startswith("evt_")


@given(st.lists(st.tuples(st.uuids(), st.sampled_from(RequestState)), unique=True, max_size=20))
def test_different_events_have_different_ids(facts: list[tuple[object, RequestState]]) -> None:
    assert len({event(str(request_id), state).event_id for request_id, state in facts}) == len(facts)


def test_the_body_tells_what_a_partner_needs_without_another_request() -> None:
    told = json.loads(
        event(
            result="s3://bucket/results/a.json",
            counts={"succeeded": 99, "failed": 1},
            cost_micro_usd=1234,
            input_tokens=10,
            output_tokens=2,
        ).body()
    )
    assert told == {
        "reference": None,
        "results_url": None,
        "event_id": event().event_id,
        "event_version": 1,
        "type": "request.completed",
        "occurred_at": "2026-01-15T03:00:00+00:00",
        "request_id": REQUEST_ID,
        "partner_id": "acme",
        "schema": "batch_analysis",
        "status": "completed",
        "result": "s3://bucket/results/a.json",
        "counts": {"succeeded": 99, "failed": 1},
        "cost_usd": 0.001234,
        "tokens": {"input": 10, "output": 2},
        "error": None,
    }


def test_an_error_is_told_with_class_and_reason() -> None:
    told = json.loads(event(state=RequestState.REJECTED, error_class="invalid_body", reason="$.items: is empty").body())
    assert told["error"] == {"class": "invalid_body", "reason": "$.items: is empty"}
    assert (told["type"], told["status"]) == ("request.rejected", "rejected")


def test_a_message_without_a_valid_request_id_is_named_by_its_message_id() -> None:
    one, other = (Event("", "", "", RequestState.REJECTED, NOW, message_id=each) for each in ("m-1", "m-2"))
    assert one.event_id != other.event_id
    assert json.loads(one.body())["message_id"] == "m-1"
    assert json.loads(one.body())["request_id"] is None


@pytest.mark.parametrize("reason", ["漫画 は 読めない", "line\nbreak", '"quotes"', "\u2028"])
def test_a_body_is_one_line_of_ascii(reason: str) -> None:
    body = event(reason=reason).body()
    assert body.isascii()
    assert "\n" not in body
    assert json.loads(body)["error"]["reason"] == reason
