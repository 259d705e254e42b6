"""The sketch in the requirements has faults, found by running it; here is the opposite of those about requests.

Sections follow the list of known faults that comes with the requirements.
"""

import copy
import json
import warnings
from typing import Any

import pytest

from manga_enrichment.domain.requests.problems import Code
from manga_enrichment.domain.requests.reading.envelope import Envelope, Rejection, RejectionReason, parse_envelope
from manga_enrichment.domain.requests.reading.formats import format_checker, is_isbn
from manga_enrichment.domain.requests.schemas import REQUEST_SCHEMAS, schema_document
from manga_enrichment.domain.requests.validation import RequestPolicy, validate
from manga_enrichment_tests.request_bodies import TOPIC, body_with, envelope, message, valid_body

# Known fault 5: an unchecked id in object keys.


@pytest.mark.parametrize("request_id", ["../../x", "", {}, "0f8fad5b-d9cb-469f-a165-70867728950e\n"])
def test_a_request_id_is_checked_before_it_can_become_part_of_a_key(request_id: Any) -> None:
    found = parse_envelope(message(request_id=request_id))
    assert isinstance(found, Rejection)
    assert found.reason is RejectionReason.INVALID_REQUEST_ID
    assert found.request_id is None


def test_a_message_without_a_request_id_does_not_get_another_one() -> None:
    document = envelope()
    del document["request_id"]
    assert isinstance(parse_envelope(json.dumps(document)), Rejection)


# Known fault 6: callbacks and topics of any kind.


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://partner.example/", "ftp://partner.example/x"])
def test_a_callback_is_https_and_nothing_else(url: str) -> None:
    assert not validate("batch_analysis", body_with("batch_analysis", ("callback_url",), url)).valid


def test_only_topics_agreed_on_are_notified() -> None:
    policy = RequestPolicy(allowed_topics=frozenset({TOPIC}))
    stranger = body_with("batch_analysis", ("notification", "sns_topic_arn"), TOPIC.replace("1234", "9999"))
    assert validate("batch_analysis", valid_body("batch_analysis"), policy).valid
    assert [each.code for each in validate("batch_analysis", stranger, policy).errors] == [Code.TOPIC_NOT_ALLOWED]


# Known fault 7: what validation let through, raised on or changed.


def test_a_number_for_a_conversation_id_is_an_error_not_an_exception() -> None:
    (found,) = validate("manga_query", {"query": "a", "conversation_id": 123}).errors
    assert (found.path, found.message) == ("conversation_id", "must be text")


def test_nested_items_are_not_changed() -> None:
    body: dict[str, Any] = {"items": [{"manga_id": "MNG-ABCD1234", "analysis_type": "reading_level"}] * 2}
    before = copy.deepcopy(body)
    document = validate("batch_analysis", body).normalized_body
    assert document is not None
    document["items"][0]["analysis_type"] = "changed"
    assert body == before


def test_a_trailing_newline_does_not_pass() -> None:
    for place, value in [
        (("items", 0, "manga_id"), "MNG-ABCD1234\n"),
        (("callback_url",), "https://partner.example/\n"),
        (("notification", "email"), "a@partner.example\n"),
        (("notification", "sns_topic_arn"), f"{TOPIC}\n"),
    ]:
        assert not validate("batch_analysis", body_with("batch_analysis", place, value)).valid
    for place, value in [
        (("conversation_id",), "7c9e6679-7425-40de-944b-e07fc1f90ae7\n"),
        (("context", "user_id"), "u-1\n"),
        (("context", "session_id"), "s-1\n"),
    ]:
        assert not validate("manga_query", body_with("manga_query", place, value)).valid


@pytest.mark.parametrize("url", ["https://", "https://good@127.0.0.1", "https://a b", "https://[::1]/", "https://x"])
def test_a_callback_url_is_checked_beyond_its_first_letters(url: str) -> None:
    assert not validate("batch_analysis", body_with("batch_analysis", ("callback_url",), url)).valid


def test_an_isbn_needs_its_check_digit() -> None:
    assert not is_isbn("XXXXXXXXX1")
    assert is_isbn("9784088725093")


@pytest.mark.parametrize("query", ["a\x00", "a\x1b", "\ud800", "   ", "\u3000\n"])
def test_control_characters_lone_surrogates_and_blank_queries_are_errors(query: str) -> None:
    assert not validate("manga_query", {"query": query}).valid


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True])
def test_nan_and_true_are_no_temperatures(number: float) -> None:
    assert not validate("manga_query", {"query": "a", "temperature": number}).valid


def test_a_hundred_identical_items_are_answered_once() -> None:
    item = {"manga_id": "MNG-ABCD1234", "analysis_type": "full_enrichment"}
    result = validate("batch_analysis", {"items": [item] * 100})
    assert [each.code for each in result.warnings] == [Code.DUPLICATE_ITEM_WARNING]
    assert result.estimated_tokens == validate("batch_analysis", {"items": [item]}).estimated_tokens


def test_notifications_and_messages_are_closed_objects() -> None:
    assert not validate("batch_analysis", body_with("batch_analysis", ("notification", "webhook"), "x")).valid
    assert not validate("streaming_chat", body_with("streaming_chat", ("messages", 0, "name"), "x")).valid


def test_a_value_of_60_kilobytes_is_not_echoed() -> None:
    result = validate("manga_query", {"query": "a", "model": "x" * 60_000, "y" * 60_000: 1})
    assert len(json.dumps(result.to_document())) < 1_000


# Known fault 8: tokens counted too low, a guard that only warned.


@pytest.mark.parametrize(
    ("schema", "place"),
    [("streaming_chat", ("messages", 1, "content")), ("batch_analysis", ("items", 0, "additional_context"))],
)
def test_japanese_counts_as_japanese_in_messages_and_notes(schema: str, place: tuple[Any, ...]) -> None:
    characters = 2_000
    empty = validate(schema, body_with(schema, place, "a")).estimated_tokens
    japanese = validate(schema, body_with(schema, place, "漢" * characters)).estimated_tokens
    english = validate(schema, body_with(schema, place, "a" * characters)).estimated_tokens
    assert japanese - empty >= characters
    assert english - empty <= characters / 4


def test_over_the_guard_is_an_error_and_a_chat_is_priced_by_its_own_model() -> None:
    chat = {"messages": [{"role": "user", "content": "漢" * 7_000}]}
    (found,) = validate("streaming_chat", chat).errors
    assert found.code is Code.TOKEN_LIMIT_EXCEEDED
    assert "8000 for sonnet" in found.message
    assert validate("streaming_chat", {**chat, "model": "haiku"}).valid


# Known fault 9: two schemas that disagree, deprecated names.


def test_a_query_of_8000_characters_and_every_field_of_the_requirements_are_accepted() -> None:
    assert validate("manga_query", {"query": "a" * 8_000}).valid
    ours = {"callback_url", "reference"}  # which the requirements have for batches alone, or not at all
    query = {"query", "model", "max_tokens", "temperature", "conversation_id", "language", "context"}
    assert set(schema_document("manga_query")["properties"]) == query | ours
    batch = {"items", "callback_url", "priority", "notification"}
    assert set(schema_document("batch_analysis")["properties"]) >= batch | ours
    chat = {"messages", "model", "max_tokens", "stream", "session_id"}
    assert set(schema_document("streaming_chat")["properties"]) == chat | ours


def test_there_is_one_document_per_request_for_everyone_who_validates() -> None:
    for name in REQUEST_SCHEMAS:
        assert json.loads(json.dumps(schema_document(name))) == schema_document(name)


def test_complaints_about_formats_use_nothing_deprecated() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not format_checker().conforms("x", "uuid")
        assert not validate("manga_query", {"query": "a", "conversation_id": "x"}).valid
    assert isinstance(parse_envelope(message()), Envelope)
