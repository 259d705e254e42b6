"""Every length and number is allowed up to its limit and not one beyond."""

from typing import Any

import pytest

from manga_enrichment.domain.requests.validation import validate
from manga_enrichment_tests.request_bodies import body_with

Place = tuple[str | int, ...]
ITEM = {"manga_id": "MNG-ABCD1234", "analysis_type": "reading_level"}
MESSAGE = {"role": "user", "content": "a"}
LABEL = "a" * 59 + "."
"""Sixty characters of a host name."""

AT_THE_LIMIT: list[tuple[str, Place, Any, Any]] = [
    ("batch_analysis", ("items",), [ITEM], []),
    ("batch_analysis", ("items",), [ITEM] * 100, [ITEM] * 101),
    ("batch_analysis", ("items", 0, "manga_id"), "MNG-ABCD1234", "MNG-ABCD12345"),
    ("batch_analysis", ("items", 0, "manga_id"), "MNG-00000000", "MNG-0000000"),
    ("batch_analysis", ("items", 0, "additional_context"), "", None),
    ("batch_analysis", ("items", 0, "additional_context"), "a" * 2000, "a" * 2001),
    ("batch_analysis", ("items", 0, "additional_context"), "漢" * 2000, "漢" * 2001),
    ("batch_analysis", ("items", 0, "additional_context"), "𠮟" * 2000, "𠮟" * 2001),
    ("batch_analysis", ("callback_url",), "https://a.example/" + "a" * 2030, "https://a.example/" + "a" * 2031),
    ("batch_analysis", ("notification", "email"), f"a@{LABEL * 4}examples.org", f"a@{LABEL * 4}examplesx.org"),
    (
        "batch_analysis",
        ("notification", "sns_topic_arn"),
        "arn:aws:sns:ap-northeast-1:123456789012:" + "t" * 256,
        "arn:aws:sns:ap-northeast-1:123456789012:" + "t" * 257,
    ),
    ("manga_query", ("query",), "a", ""),
    ("manga_query", ("query",), "a" * 8000, "a" * 8001),
    ("manga_query", ("query",), "漢" * 8000, "漢" * 8001),
    ("manga_query", ("max_tokens",), 1, 0),
    ("manga_query", ("max_tokens",), 4096, 4097),
    ("manga_query", ("temperature",), 0, -0.0001),
    ("manga_query", ("temperature",), 1, 1.0001),
    ("manga_query", ("context", "user_id"), "u", ""),
    ("manga_query", ("context", "user_id"), "u" * 64, "u" * 65),
    ("manga_query", ("context", "session_id"), "s" * 64, "s" * 65),
    ("manga_query", ("context", "previous_manga"), ["x"] * 10, ["x"] * 11),
    ("manga_query", ("context", "previous_manga"), [], [""]),
    ("manga_query", ("context", "previous_manga", 0), "x" * 200, "x" * 201),
    ("streaming_chat", ("messages",), [MESSAGE], []),
    ("streaming_chat", ("messages",), [MESSAGE] * 50, [MESSAGE] * 51),
    ("streaming_chat", ("messages", 0, "content"), "a", ""),
    ("streaming_chat", ("messages", 0, "content"), "a" * 16000, "a" * 16001),
    ("streaming_chat", ("max_tokens",), 4096, 4097),
    ("streaming_chat", ("max_tokens",), 1, 0),
]


@pytest.mark.parametrize(("schema", "place", "last", "beyond"), AT_THE_LIMIT, ids=lambda value: repr(value)[:30])
def test_the_last_allowed_value_passes_and_the_next_is_an_error_at_its_place(
    schema: str, place: Place, last: Any, beyond: Any
) -> None:
    assert validate(schema, body_with(schema, place, last)).errors == ()
    found = validate(schema, body_with(schema, place, beyond)).errors
    assert found
    assert all(each.location[: len(place)] == place for each in found)


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ("manga_query", ("max_tokens",)),
        ("manga_query", ("temperature",)),
        ("streaming_chat", ("max_tokens",)),
    ],
)
@pytest.mark.parametrize("value", [True, False, "1", None, [1], {}, float("nan"), float("inf"), 1e308, 10**400, -1])
def test_a_number_is_a_number_within_its_limits(schema: str, place: Place, value: Any) -> None:
    assert not validate(schema, body_with(schema, place, value)).valid


@pytest.mark.parametrize("value", [1, 0, "true", None, [], {}])
def test_true_and_false_are_nothing_else(value: Any) -> None:
    assert not validate("streaming_chat", body_with("streaming_chat", ("stream",), value)).valid


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ("batch_analysis", ()),
        ("batch_analysis", ("items", 0)),
        ("batch_analysis", ("notification",)),
        ("manga_query", ()),
        ("manga_query", ("context",)),
        ("streaming_chat", ()),
        ("streaming_chat", ("messages", 0)),
    ],
)
@pytest.mark.parametrize("name", ["extra", "", "__proto__", "Query", "model ", "\u0000", "漫画"])
def test_every_object_is_closed(schema: str, place: Place, name: str) -> None:
    (found,) = validate(schema, body_with(schema, (*place, name), "x")).errors
    assert (found.location, found.validator) == (place, "additionalProperties")
