"""The queue is not a trust boundary: a message is a request only if all of it is right."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.problems import Code
from manga_enrichment.domain.requests.reading.envelope import (
    MAX_MESSAGE_BYTES,
    AcceptedRequest,
    Envelope,
    Rejection,
    RejectionReason,
    parse_envelope,
    read_request,
)
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment_tests.request_bodies import (
    ANY_JSON,
    ANY_TEXT,
    QUERY,
    REQUEST_ID,
    VALID_BODIES,
    envelope,
    message,
    valid_body,
)

POLICY = RequestPolicy()


def rejected(text: str) -> Rejection:
    found = read_request(text, POLICY)
    assert isinstance(found, Rejection)
    assert found.message
    assert found.message.isascii()
    assert found.message.isprintable()
    return found


def test_a_right_message_is_an_envelope() -> None:
    assert parse_envelope(message()) == Envelope(
        schema="batch_analysis",
        schema_version=1,
        request_id=REQUEST_ID,
        partner_id="acme",
        submitted_at=datetime(2026, 1, 31, 9, tzinfo=UTC),
        source="api",
        body=valid_body("batch_analysis"),
    )


@pytest.mark.parametrize("schema", VALID_BODIES)
def test_a_right_message_with_a_valid_body_is_a_request(schema: str) -> None:
    found = read_request(message(schema=schema, body=valid_body(schema)), POLICY)
    assert isinstance(found, AcceptedRequest)
    assert found.body == VALID_BODIES[schema]
    assert found.result.valid
    assert found.envelope.schema == schema


def test_japanese_survives_both_spellings_of_json() -> None:
    text = envelope(schema="manga_query", body=QUERY)
    for ensure_ascii in (True, False):
        found = read_request(json.dumps(text, ensure_ascii=ensure_ascii), POLICY)
        assert isinstance(found, AcceptedRequest)
        assert found.body["query"] == QUERY["query"]


def test_a_time_told_to_the_nanosecond_is_a_time() -> None:
    found = parse_envelope(message(submitted_at="2026-01-31T09:00:00.123456789Z"))
    assert isinstance(found, Envelope)
    assert found.submitted_at == datetime(2026, 1, 31, 9, 0, 0, 123_456, tzinfo=UTC)


def test_milliseconds_since_1970_are_a_time_as_well() -> None:
    found = parse_envelope(message(submitted_at=1769850000123))
    assert isinstance(found, Envelope)
    assert found.submitted_at == datetime(2026, 1, 31, 9, 0, 0, 123_000, tzinfo=UTC)
    assert found.submitted_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "number", "sentence"),
    [
        ("1999-12-31T23:59:59.999Z", 946684799999, "submitted_at: must be at least 946684800000"),
        ("2000-01-01T00:00:00Z", 946684800000, None),
        ("2100-01-01T00:00:00Z", 4102444800000, None),
        ("2100-01-01T00:00:00.001Z", 4102444800001, "submitted_at: must be at most 4102444800000"),
    ],
)
def test_a_time_as_text_has_the_bounds_of_the_number_and_the_same_sentence(
    text: str, number: int, sentence: str | None
) -> None:
    found = [parse_envelope(message(submitted_at=each)) for each in (text, number)]
    assert [each.message if isinstance(each, Rejection) else None for each in found] == [sentence, sentence]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", RejectionReason.MALFORMED_JSON),
        ("hello", RejectionReason.MALFORMED_JSON),
        ('{"a": 1', RejectionReason.MALFORMED_JSON),
        ('{"a": 1} {}', RejectionReason.MALFORMED_JSON),
        ("\ufeff{}", RejectionReason.MALFORMED_JSON),
        ("{'a': 1}", RejectionReason.MALFORMED_JSON),
        ('{"a": "\n"}', RejectionReason.MALFORMED_JSON),
        ('{"a": NaN}', RejectionReason.MALFORMED_JSON),
        ('{"a": -Infinity}', RejectionReason.MALFORMED_JSON),
        ('{"a": 1, "a": 1}', RejectionReason.DUPLICATE_KEY),
        ('{"b": [{"a": 1, "\\u0061": 2}]}', RejectionReason.DUPLICATE_KEY),
        ('{"a": ' + "9" * 5_000 + "}", RejectionReason.UNSAFE_JSON),
        ('{"a": 0.' + "9" * 5_000 + "}", RejectionReason.UNSAFE_JSON),
        ("[" * 100_000 + "]" * 100_000, RejectionReason.UNSAFE_JSON),
        ('{"a":' * 50 + "1" + "}" * 50, RejectionReason.UNSAFE_JSON),
        ("null", RejectionReason.NOT_AN_OBJECT),
        ("5", RejectionReason.NOT_AN_OBJECT),
        ('"{}"', RejectionReason.NOT_AN_OBJECT),
        ("[{}]", RejectionReason.NOT_AN_OBJECT),
    ],
)
def test_what_is_no_json_object_is_rejected_with_its_reason(text: str, reason: RejectionReason) -> None:
    found = rejected(text)
    assert found.reason is reason
    assert (found.request_id, found.partner_id, found.schema) == (None, None, "")


def test_a_message_may_have_as_many_bytes_as_sqs_takes_and_not_one_more() -> None:
    room = MAX_MESSAGE_BYTES - len(message(source="a"))
    assert rejected(message(source="a" * (room + 1))).reason is RejectionReason.INVALID_SOURCE
    assert rejected(message(source="a" * (room + 2))).reason is RejectionReason.TOO_LARGE


def test_bytes_are_counted_not_characters() -> None:
    assert rejected("漢" * (MAX_MESSAGE_BYTES // 3 + 1)).reason is RejectionReason.TOO_LARGE
    assert rejected("漢" * (MAX_MESSAGE_BYTES // 3)).reason is RejectionReason.MALFORMED_JSON
    assert rejected("\ud800" * 10).reason is RejectionReason.MALFORMED_JSON


@pytest.mark.parametrize(
    "request_id",
    [
        "../../x",
        "",
        {},
        [],
        None,
        5,
        f"{REQUEST_ID}\n",
        f"\n{REQUEST_ID}",
        REQUEST_ID.upper(),
        REQUEST_ID.replace("-", ""),
        f"{REQUEST_ID}/../x",
        f"{{{REQUEST_ID}}}",
        "０" * 36,
        "x" * 60_000,
    ],
)
def test_a_request_id_that_is_no_uuid_never_gets_into_a_key(request_id: Any) -> None:
    found = rejected(message(request_id=request_id))
    assert found.reason is RejectionReason.INVALID_REQUEST_ID
    assert found.request_id is None
    assert found.partner_id == "acme"
    assert len(found.message) < 500


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"schema": "moderation"}, RejectionReason.UNKNOWN_SCHEMA),
        ({"schema": ["batch_analysis"]}, RejectionReason.UNKNOWN_SCHEMA),
        ({"schema_version": 2}, RejectionReason.UNSUPPORTED_VERSION),
        ({"schema_version": True}, RejectionReason.UNSUPPORTED_VERSION),
        ({"schema_version": "1"}, RejectionReason.UNSUPPORTED_VERSION),
        ({"partner_id": ""}, RejectionReason.INVALID_PARTNER_ID),
        ({"partner_id": "a b"}, RejectionReason.INVALID_PARTNER_ID),
        ({"partner_id": "acme\n"}, RejectionReason.INVALID_PARTNER_ID),
        ({"partner_id": "-acme"}, RejectionReason.INVALID_PARTNER_ID),
        ({"partner_id": "a/b"}, RejectionReason.INVALID_PARTNER_ID),
        ({"partner_id": "a" * 64}, RejectionReason.INVALID_PARTNER_ID),
        ({"partner_id": "株式会社"}, RejectionReason.INVALID_PARTNER_ID),
        ({"submitted_at": "2026-01-31T09:00:00"}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": "2026-01-31T09:00:00+09:00"}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": "2026-02-30T09:00:00Z"}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": "31/Jan/2026:09:00:00 +0000"}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": 0}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": 1769850000}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": 10**19}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": True}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": "0001-01-01T00:00:00Z"}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"submitted_at": "9999-12-31T23:59:59Z"}, RejectionReason.INVALID_SUBMITTED_AT),
        ({"source": "API gateway"}, RejectionReason.INVALID_SOURCE),
        ({"body": "{}"}, RejectionReason.INVALID_BODY),
        ({"body": None}, RejectionReason.INVALID_BODY),
        ({"extra": 1}, RejectionReason.INVALID_ENVELOPE),
        ({"prompt": "x"}, RejectionReason.INVALID_ENVELOPE),
    ],
)
def test_each_field_that_is_wrong_has_its_reason_and_the_request_can_still_be_told(
    fields: dict[str, Any], reason: RejectionReason
) -> None:
    found = rejected(message(**fields))
    assert found.reason is reason
    assert found.request_id == REQUEST_ID
    assert found.problems


@pytest.mark.parametrize("field", sorted(envelope()))
def test_a_message_without_one_of_its_fields_is_rejected(field: str) -> None:
    document = envelope()
    del document[field]
    found = rejected(json.dumps(document))
    assert found.reason is RejectionReason.INVALID_ENVELOPE
    assert field in found.message


def test_when_several_fields_are_wrong_all_are_named_and_the_first_gives_the_reason() -> None:
    found = rejected(message(schema="x", request_id="x", source=""))
    assert found.reason is RejectionReason.UNKNOWN_SCHEMA
    assert {each.path for each in found.problems} == {"schema", "request_id", "source"}
    assert found.message.endswith("(and 2 more)")


def test_an_invalid_body_is_a_rejection_that_lists_its_errors() -> None:
    found = rejected(message(body={"items": [], "x": 1}))
    assert found.reason is RejectionReason.INVALID_BODY
    assert [each.path for each in found.problems] == ["$", "items"]
    assert (found.request_id, found.partner_id, found.schema) == (REQUEST_ID, "acme", "batch_analysis")


def test_only_too_many_tokens_are_a_reason_of_their_own() -> None:
    too_long = {"query": "漢" * 8000, "model": "sonnet"}
    found = rejected(message(schema="manga_query", body=too_long))
    assert found.reason is RejectionReason.TOKEN_LIMIT_EXCEEDED
    assert [each.code for each in found.problems] == [Code.TOKEN_LIMIT_EXCEEDED]
    both = rejected(message(schema="manga_query", body={**too_long, "x": 1}))
    assert both.reason is RejectionReason.INVALID_BODY


def test_the_policy_of_the_worker_applies_to_the_body() -> None:
    strict = RequestPolicy(allowed_topics=frozenset())
    assert isinstance(read_request(message(), POLICY), AcceptedRequest)
    assert isinstance(read_request(message(), strict), Rejection)


def test_a_body_may_not_bring_its_own_partner_or_request_id() -> None:
    for name in ("partner_id", "request_id", "source"):
        assert (
            rejected(message(body={**valid_body("batch_analysis"), name: "x"})).reason is RejectionReason.INVALID_BODY
        )


@given(ANY_TEXT)
def test_any_text_is_a_request_or_a_rejection(text: str) -> None:
    assert isinstance(read_request(text, POLICY), Rejection)


@given(ANY_JSON)
def test_any_json_is_a_request_or_a_rejection(document: Any) -> None:
    assert isinstance(read_request(json.dumps(document), POLICY), Rejection)


@given(st.sampled_from(sorted(envelope().items())), ANY_JSON | st.none())
def test_anything_in_one_field_is_accepted_only_if_it_is_right(field: tuple[str, Any], value: Any) -> None:
    name, right = field
    found = parse_envelope(json.dumps(envelope(**{name: right if value is None else value})))
    if isinstance(found, Rejection):
        assert value is not None
        assert found.message.isascii()
        return
    assert found.request_id == REQUEST_ID
    assert found.submitted_at.tzinfo is UTC
    assert found.partner_id.isascii()


@given(st.datetimes(min_value=datetime(2000, 1, 2), max_value=datetime(2099, 12, 31)))  # noqa: DTZ001 - Hypothesis wants naive limits
def test_a_moment_in_utc_comes_back_as_it_was_sent(moment: datetime) -> None:
    sent = moment.replace(tzinfo=UTC)
    as_text = parse_envelope(message(submitted_at=sent.isoformat()))
    as_number = parse_envelope(message(submitted_at=int(sent.timestamp() * 1000)))
    assert isinstance(as_text, Envelope)
    assert isinstance(as_number, Envelope)
    assert as_text.submitted_at == sent
    assert abs((as_number.submitted_at - sent).total_seconds()) < 0.002
