"""Defaults are filled in on a copy, equal things become equal, and doing it twice changes nothing."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.reading.normalisation import normalised
from manga_enrichment.domain.requests.validation import validate
from manga_enrichment_tests.request_bodies import SESSION_ID, VALID_BODIES, places, valid_body


def containers(value: Any) -> list[int]:
    """Identities of all objects and lists inside a value."""
    if not isinstance(value, dict | list):
        return []
    children = value.values() if isinstance(value, dict) else value
    return [id(value), *(each for child in children for each in containers(child))]


@pytest.mark.parametrize("schema", VALID_BODIES)
def test_a_complete_body_stays_as_it_is_and_shares_nothing(schema: str) -> None:
    body = valid_body(schema)
    copied = normalised(schema, body)
    assert copied == body == VALID_BODIES[schema]
    assert len(set(containers(body))) == len(set(containers(copied))) > 0
    assert not set(containers(copied)) & set(containers(body))


@pytest.mark.parametrize(
    ("schema", "body", "defaults"),
    [
        (
            "manga_query",
            {"query": "a"},
            {"model": "haiku", "max_tokens": 512, "temperature": 0.5, "language": "auto"},
        ),
        (
            "streaming_chat",
            {"messages": [{"role": "user", "content": "a"}]},
            {"model": "sonnet", "max_tokens": 2048, "stream": True},
        ),
        (
            "batch_analysis",
            {"items": [{"manga_id": "MNG-ABCD1234", "analysis_type": "reading_level"}]},
            {"priority": "normal"},
        ),
    ],
)
def test_defaults_are_those_of_the_document(schema: str, body: dict[str, Any], defaults: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    assert normalised(schema, body) == {**body, **defaults}
    assert body == before


def test_a_whole_number_written_as_a_fraction_becomes_an_int() -> None:
    document = normalised("manga_query", {"query": "a", "max_tokens": 300.0, "temperature": 1})
    assert isinstance(document["max_tokens"], int)
    assert document["max_tokens"] == 300


def test_uuids_are_in_lower_case_so_that_a_session_is_one() -> None:
    assert (
        normalised("manga_query", {"query": "a", "conversation_id": SESSION_ID.upper()})["conversation_id"]
        == SESSION_ID
    )
    chat = {"messages": [{"role": "user", "content": "a"}], "session_id": SESSION_ID.upper()}
    assert normalised("streaming_chat", chat)["session_id"] == SESSION_ID


@pytest.mark.parametrize("note", ["", "  ", "\u3000", "\u200b"])
def test_a_note_that_says_nothing_is_left_out(note: str) -> None:
    item = {"manga_id": "MNG-ABCD1234", "analysis_type": "reading_level"}
    document = normalised("batch_analysis", {"items": [{**item, "additional_context": note}]})
    assert document["items"] == [item]


@st.composite
def untidy(draw: st.DrawFn) -> tuple[str, Any]:
    """A schema and a body that was valid until fields were left out and texts got other ends: often valid still."""
    schema = draw(st.sampled_from(sorted(VALID_BODIES)))
    body = valid_body(schema)
    for place in draw(st.lists(st.sampled_from(places(body)), max_size=3, unique=True)):
        inner: Any = body
        for part in place[:-1]:
            inner = inner.get(part, {}) if isinstance(inner, dict) else inner[part]
        if isinstance(inner, dict) and place[-1] in inner:
            text = inner.pop(place[-1])
            if isinstance(text, str) and draw(st.booleans()):
                inner[place[-1]] = draw(st.sampled_from([f" {text}", f"{text}\u3000", f"{text}\r\n", text.upper(), ""]))
    return schema, body


@given(untidy())
def test_a_normalised_body_is_valid_and_normal(case: tuple[str, Any]) -> None:
    schema, body = case
    document = validate(schema, body).normalized_body
    assume(document is not None)
    again = validate(schema, document)
    assert again.valid
    assert again.normalized_body == document
