"""`validate` tells everything that is wrong at once, raises for nothing and changes nothing."""

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given

from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.requests.problems import Code
from manga_enrichment.domain.requests.reading.json_shape import MAX_VALUES
from manga_enrichment.domain.requests.validation import MAX_ERRORS, RequestPolicy, ValidationResult, validate
from manga_enrichment_tests.request_bodies import (
    ANY_JSON,
    ANY_TEXT,
    TOPIC,
    VALID_BODIES,
    batch_of,
    body_with,
    nearly_valid,
    valid_body,
)


def assert_sound(result: ValidationResult, body: Any) -> None:
    """What holds for every result."""
    assert result.valid == (result.normalized_body is not None) == (not result.errors)
    assert all(not each.code.is_warning for each in result.errors)
    assert all(each.code.is_warning for each in result.warnings)
    for each in (*result.errors, *result.warnings):
        assert each.message.isascii()
        assert each.message.isprintable()
        assert len(each.message) <= 200
    json.dumps(result.to_document(), allow_nan=False).encode()
    again = validate(result.schema, copy.deepcopy(body))
    assert (again.errors, again.warnings, again.estimated_tokens) == (
        result.errors,
        result.warnings,
        result.estimated_tokens,
    )


@pytest.mark.parametrize("schema", VALID_BODIES)
def test_a_complete_valid_body_passes_without_a_warning(schema: str) -> None:
    result = validate(schema, valid_body(schema))
    assert result.valid
    assert [each.code for each in result.warnings if each.location[0] not in ("notification", "temperature")] == []
    assert result.normalized_body == VALID_BODIES[schema]
    assert result.estimated_tokens > 0


@pytest.mark.parametrize("model", ["haiku", "sonnet"])
def test_a_temperature_that_no_model_gets_is_warned_of(model: str) -> None:
    assert load_models().resolve(model).takes_temperature is False, "else the warning is for others alone"
    found = validate("manga_query", {"query": "q", "model": model, "temperature": 0.2})
    assert [(each.path, each.code) for each in found.warnings] == [("temperature", Code.TEMPERATURE_WARNING)]
    assert validate("manga_query", {"query": "q", "model": model}).warnings == ()


@given(ANY_TEXT | ANY_JSON, ANY_JSON)
def test_any_schema_name_and_any_json_get_an_answer(schema: Any, body: Any) -> None:
    assert validate(schema, body).errors[0].code is Code.UNKNOWN_SCHEMA


@pytest.mark.parametrize("schema", VALID_BODIES)
@given(body=ANY_JSON)
def test_any_json_is_judged_and_left_as_it_was(schema: str, body: Any) -> None:
    before = repr(body)
    assert_sound(validate(schema, body), body)
    assert repr(body) == before


@given(nearly_valid())
def test_a_body_that_is_nearly_valid_is_judged_and_left_as_it_was(case: tuple[str, Any]) -> None:
    schema, body = case
    before = repr(body)
    assert_sound(validate(schema, body), body)
    assert repr(body) == before


@pytest.mark.parametrize("schema", VALID_BODIES)
@pytest.mark.parametrize("body", [None, True, 0, 1.5, "text", [], [{}], "{}"])
def test_what_is_no_object_is_one_error_at_the_root(schema: str, body: Any) -> None:
    (found,) = validate(schema, body).errors
    assert (found.path, found.validator) == ("$", "type")


@pytest.mark.parametrize("schema", VALID_BODIES)
def test_python_values_that_are_no_json_are_errors_too(schema: str) -> None:
    for body in ({1: 2}, {"query": b"x"}, (1,), {"query": {1, 2}}, object()):
        assert {each.code for each in validate(schema, body).errors} == {Code.UNSAFE_JSON}


def test_all_errors_are_told_at_once_in_the_order_of_their_places() -> None:
    body = {
        "query": "hello\x00",
        "model": "opus",
        "max_tokens": 0,
        "temperature": float("nan"),
        "conversation_id": 123,
        "context": {"previous_manga": ["ok", "  ", ""], "extra": 1},
    }
    found = [(each.path, each.validator) for each in validate("manga_query", body).errors]
    assert found == [
        ("context", "additionalProperties"),
        ("context.previous_manga.1", "unicode"),
        ("context.previous_manga.2", "minLength"),
        ("conversation_id", "type"),
        ("max_tokens", "minimum"),
        ("model", "enum"),
        ("query", "unicode"),
        ("temperature", "finite"),
    ]


def test_the_order_does_not_depend_on_the_order_of_the_fields() -> None:
    body = {"query": 1, "model": 2, "max_tokens": 3.5, "x": 4, "context": {"user_id": 5, "session_id": 6}}
    names = list(body)
    for seed in range(10):
        random.Random(seed).shuffle(names)
        assert validate("manga_query", {name: body[name] for name in names}) == validate("manga_query", body)


def test_errors_are_capped_and_the_rest_is_counted() -> None:
    body = {"items": [{"manga_id": f"bad-{number}"} for number in range(100)]}
    result = validate("batch_analysis", body)
    assert len(result.errors) == MAX_ERRORS
    assert result.errors_omitted == 200 - MAX_ERRORS
    assert [each.path for each in result.errors[:3]] == ["items.0", "items.0.manga_id", "items.1"]
    assert result.to_document()["errors_omitted"] == 150


def test_warnings_are_capped_too() -> None:
    result = validate("batch_analysis", batch_of(100, additional_context="漫画 манга"))
    assert result.valid
    assert (len(result.warnings), result.warnings_omitted) == (MAX_ERRORS, 100 - MAX_ERRORS)


def test_a_value_is_never_repeated_however_long_or_private() -> None:
    secret = "hunter2-" * 8_000
    body = {"query": [secret], "model": secret, "conversation_id": secret, "context": {"user_id": secret + "!"}}
    told = json.dumps(validate("manga_query", body).to_document())
    assert "hunter2" not in told
    assert len(told) < 2_000


def test_too_many_values_or_levels_are_told_instead_of_being_examined() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = {"context": deep}
    for body in ({"items": [{}] * MAX_VALUES}, deep, {"query": 10**5000}):
        (found,) = validate("batch_analysis", body).errors
        assert found.code is Code.UNSAFE_JSON


def test_a_list_somewhat_too_long_is_still_examined_as_a_whole() -> None:
    found = validate("batch_analysis", batch_of(101)).errors
    assert [(each.path, each.validator) for each in found] == [("items", "maxItems")]


def test_over_the_guard_is_rejected_and_close_to_it_is_a_warning() -> None:
    over = validate("manga_query", {"query": "漢" * 6_500, "model": "sonnet"})
    assert [each.code for each in over.errors] == [Code.TOKEN_LIMIT_EXCEEDED]
    assert over.normalized_body is None
    near = validate("manga_query", {"query": "漢" * 5_200, "model": "sonnet"})
    assert near.valid
    assert [each.code for each in near.warnings] == [Code.TOKEN_LIMIT_WARNING]
    assert validate("manga_query", {"query": "漢" * 6_500, "model": "haiku"}).warnings == ()


def test_repeated_items_are_accepted_with_a_warning_and_counted_once() -> None:
    item = {"manga_id": "MNG-ABCD1234", "analysis_type": "reading_level"}
    once, often = validate("batch_analysis", {"items": [item]}), validate("batch_analysis", {"items": [item] * 100})
    assert often.valid
    assert [(each.path, each.code) for each in often.warnings] == [("items", Code.DUPLICATE_ITEM_WARNING)]
    assert often.estimated_tokens == once.estimated_tokens
    assert often.normalized_body is not None
    assert len(often.normalized_body["items"]) == 100


def test_tokens_of_a_batch_are_those_of_its_different_items() -> None:
    one, two = batch_of(1), batch_of(2)
    interleaved = {"items": [two["items"][0], two["items"][1], two["items"][0]]}
    assert (
        validate("batch_analysis", interleaved).estimated_tokens == 2 * validate("batch_analysis", one).estimated_tokens
    )


def test_a_blank_note_is_only_worth_a_warning() -> None:
    result = validate("batch_analysis", body_with("batch_analysis", ("items", 0, "additional_context"), "\u3000"))
    assert result.valid
    assert Code.BLANK_TEXT_WARNING in {each.code for each in result.warnings}


def test_an_address_for_mail_is_accepted_with_a_warning_that_none_is_sent() -> None:
    result = validate("batch_analysis", valid_body("batch_analysis"))
    assert result.valid
    assert [(each.path, each.code) for each in result.warnings] == [("notification.email", Code.EMAIL_NOT_SENT_WARNING)]


def test_a_topic_outside_the_allow_list_is_an_error() -> None:
    body = valid_body("batch_analysis")
    allowed = RequestPolicy(allowed_topics=frozenset({TOPIC}))
    other = RequestPolicy(allowed_topics=frozenset({TOPIC + "-other"}))
    assert validate("batch_analysis", body).valid
    assert validate("batch_analysis", body, allowed).valid
    for policy in (other, RequestPolicy(allowed_topics=frozenset())):
        (found,) = validate("batch_analysis", body, policy).errors
        assert (found.path, found.code) == ("notification.sns_topic_arn", Code.TOPIC_NOT_ALLOWED)


@pytest.mark.parametrize(
    ("notification", "errors"),
    [(None, 1), ([], 1), ("x", 1), ({}, 0), ({"sns_topic_arn": 5}, 1), ({"sns_topic_arn": ["x"]}, 1)],
)
def test_the_allow_list_has_no_quarrel_with_what_is_no_topic(notification: Any, errors: int) -> None:
    result = validate(
        "batch_analysis",
        body_with("batch_analysis", ("notification",), notification),
        RequestPolicy(allowed_topics=frozenset()),
    )
    assert [each.code for each in result.errors] == [Code.SCHEMA_VIOLATION] * errors


def test_a_loopback_callback_needs_the_explicit_setting() -> None:
    body = body_with("batch_analysis", ("callback_url",), "http://127.0.0.1:8080/callback")
    assert [each.path for each in validate("batch_analysis", body).errors] == ["callback_url"]
    local = validate("batch_analysis", body, RequestPolicy(allow_loopback_callbacks=True))
    assert local.valid
    assert local.normalized_body == body


@pytest.mark.parametrize("url", ["http://partner.example/", "file:///etc/passwd", "https://10.0.0.1/", 5, None, []])
def test_the_setting_for_loopback_opens_nothing_else(url: Any) -> None:
    body = body_with("batch_analysis", ("callback_url",), url)
    assert not validate("batch_analysis", body, RequestPolicy(allow_loopback_callbacks=True)).valid
