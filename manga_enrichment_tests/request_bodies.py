"""Requests for tests: valid ones, one wrong thing at a time, and anything at all."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

REQUEST_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SESSION_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:partner-results"

BATCH: dict[str, Any] = {
    "items": [
        {"manga_id": "MNG-ABCD1234", "analysis_type": "full_enrichment", "additional_context": "第2巻の改訂版"},
        {"manga_id": "MNG-WXYZ5678", "analysis_type": "reading_level"},
    ],
    "callback_url": "https://partner.example/callbacks?kind=batch",
    "priority": "high",
    "notification": {"sns_topic_arn": TOPIC, "email": "catalog@partner.example"},
}
QUERY: dict[str, Any] = {
    "query": "灯台が出てくる漫画は？",
    "model": "haiku",
    "max_tokens": 300,
    "temperature": 0.2,
    "conversation_id": SESSION_ID,
    "language": "ja",
    "context": {"user_id": "user-1", "session_id": "s-1", "previous_manga": ["星と灯台", "MNG-ABCD1234"]},
}
CHAT: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "Something like Stubborn Crown?"},
        {"role": "assistant", "content": "What did you like about it?"},
        {"role": "user", "content": "謎解きと図書館。"},
    ],
    "model": "haiku",
    "max_tokens": 600,
    "stream": False,
    "session_id": SESSION_ID,
}
VALID_BODIES: dict[str, dict[str, Any]] = {"batch_analysis": BATCH, "manga_query": QUERY, "streaming_chat": CHAT}

# Every place where a request has text that is not chosen from a list or made by a machine.
TEXT_PLACES: list[tuple[str, tuple[str | int, ...]]] = [
    ("batch_analysis", ("items", 0, "additional_context")),
    ("manga_query", ("query",)),
    ("manga_query", ("context", "previous_manga", 1)),
    ("streaming_chat", ("messages", 2, "content")),
]


def valid_body(schema: str) -> dict[str, Any]:
    """A copy of a valid body in which every field is given."""
    return copy.deepcopy(VALID_BODIES[schema])


def body_with(schema: str, place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A valid body but for the value at one place."""
    body = valid_body(schema)
    inner: Any = body
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return body


def places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place inside a value, from the outside in."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for part, child in pairs for each in ((*place, part), *places(child, (*place, part)))]


def batch_of(count: int, **item: str) -> dict[str, Any]:
    """A batch of different titles."""
    return {
        "items": [{"manga_id": f"MNG-{number:08}", "analysis_type": "reading_level", **item} for number in range(count)]
    }


def envelope(**fields: Any) -> dict[str, Any]:
    """A valid envelope around a batch, with some fields replaced."""
    valid = {
        "schema": "batch_analysis",
        "schema_version": 1,
        "request_id": REQUEST_ID,
        "partner_id": "acme",
        "submitted_at": "2026-01-31T09:00:00Z",
        "source": "api",
        "body": valid_body("batch_analysis"),
    }
    return {**valid, **fields}


def message(**fields: Any) -> str:
    """The envelope as the text of a queue message."""
    return json.dumps(envelope(**fields))


ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Lone surrogates too, which Hypothesis leaves out unless it is asked for them."""

_SINGLE = st.none() | st.booleans() | st.integers() | st.integers(min_value=10**30) | st.floats() | ANY_TEXT
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    _SINGLE,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=20,
)


@st.composite
def nearly_valid(draw: st.DrawFn) -> tuple[str, Any]:
    """A schema and a body that was valid until a few of its values were replaced by anything."""
    schema = draw(st.sampled_from(sorted(VALID_BODIES)))
    body = valid_body(schema)
    for _ in range(draw(st.integers(0, 3))):
        remaining = places(body)
        if remaining:
            place = draw(st.sampled_from(remaining))
            inner: Any = body
            for part in place[:-1]:
                inner = inner[part]
            inner[place[-1]] = draw(ANY_JSON)
    return schema, body
