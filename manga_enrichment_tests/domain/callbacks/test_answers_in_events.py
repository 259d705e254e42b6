"""What an event carries for the partner alone: answers where they are small, and where to fetch them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from manga_enrichment.domain.callbacks.deliveries import Channel, new_delivery
from manga_enrichment.domain.callbacks.events import MOST_ANSWER_BYTES, Event
from manga_enrichment.domain.requests.states import RequestState

NOW = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)


def event(**changes: Any) -> Event:
    return Event(
        "r-1", "acme", "batch_analysis", RequestState.COMPLETED, NOW, result="fm-results/acme/r-1.json", **changes
    )


def body_for(channel: Channel, told: Event) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(new_delivery(told, channel, "https://a.example/", NOW).body)
    return read


def test_the_partners_url_gets_the_answers_and_no_topic_does() -> None:
    document = {"items": [{"answer": {"level": "teen"}}]}
    told = event(reference="import 7", results_url="https://api.example/v1/manga/results/r-1").with_answers(document)
    assert body_for(Channel.CALLBACK, told)["answers"] == document
    topic = body_for(Channel.TOPIC, told)
    assert "answers" not in topic
    for body in (topic, body_for(Channel.CALLBACK, told)):
        assert (body["reference"], body["results_url"]) == ("import 7", "https://api.example/v1/manga/results/r-1")


@pytest.mark.parametrize(("more", "is_carried"), [(0, True), (1, False)])
def test_answers_are_carried_up_to_a_size_as_json_in_ascii(more: int, is_carried: bool) -> None:
    empty = len(json.dumps({"text": ""}, separators=(",", ":")))
    letters, ascii_letters = divmod(MOST_ANSWER_BYTES - empty, 6)
    document = {"text": "灯" * letters + "a" * (ascii_letters + more)}
    body = body_for(Channel.CALLBACK, event().with_answers(document))
    assert body["answers"] == (document if is_carried else None)


def test_an_event_without_a_document_says_so() -> None:
    assert body_for(Channel.CALLBACK, event().with_answers(None))["answers"] is None


def test_answers_change_nothing_about_the_events_name() -> None:
    assert event().with_answers({"items": []}).event_id == event().event_id
