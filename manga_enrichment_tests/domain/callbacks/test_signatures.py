"""A receiver believes what we signed, as we signed it, while it is fresh, and nothing else."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from manga_enrichment.domain.callbacks.signatures import (
    FRESH_SECONDS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignatureError,
    SigningKey,
    partner_signing_key,
    signed_headers,
    verify,
)

NOW = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
KEY = SigningKey("2026-01", "s" * 64)
SECRETS = {KEY.key_id: KEY.secret}
BODY = b'{"event_id":"evt_1"}'

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.binary(max_size=200), st.text(min_size=1, max_size=80), moments)
def test_what_was_signed_verifies(body: bytes, secret: str, now: datetime) -> None:
    assume(not any(0xD800 <= ord(character) <= 0xDFFF for character in secret))
    key = SigningKey("k", secret)
    verify(signed_headers(key, body, now), body, {"k": secret}, now)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_another_body_does_not_verify(body: bytes, other: bytes) -> None:
    assume(body != other)
    with pytest.raises(SignatureError, match="does not fit"):
        verify(signed_headers(KEY, body, NOW), other, SECRETS, NOW)


@given(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_a_guessed_signature_does_not_verify(digest: str) -> None:
    headers = signed_headers(KEY, BODY, NOW)
    assume(digest not in headers[SIGNATURE_HEADER])
    forged = {**headers, SIGNATURE_HEADER: f"key={KEY.key_id},v1={digest}"}
    with pytest.raises(SignatureError, match="does not fit"):
        verify(forged, BODY, SECRETS, NOW)


def test_the_signature_is_an_hmac_of_timestamp_dot_body() -> None:
    headers = signed_headers(KEY, BODY, NOW)
    timestamp = str(int(NOW.timestamp()))
    expected = hmac.new(KEY.secret.encode(), timestamp.encode() + b"." + BODY, hashlib.sha256).hexdigest()
    assert headers == {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: f"key=2026-01,v1={expected}"}


@pytest.mark.parametrize("seconds", [-FRESH_SECONDS, 0, FRESH_SECONDS])
def test_a_clock_may_differ_a_little(seconds: int) -> None:
    verify(signed_headers(KEY, BODY, NOW), BODY, SECRETS, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-FRESH_SECONDS - 1, FRESH_SECONDS + 1, 86_400])
def test_an_old_callback_is_not_accepted_again(seconds: int) -> None:
    with pytest.raises(SignatureError, match="signed more than 300 s"):
        verify(signed_headers(KEY, BODY, NOW), BODY, SECRETS, NOW + timedelta(seconds=seconds))


def test_a_timestamp_cannot_be_renewed_without_the_secret() -> None:
    later = NOW + timedelta(days=1)
    headers = {**signed_headers(KEY, BODY, NOW), TIMESTAMP_HEADER: str(int(later.timestamp()))}
    with pytest.raises(SignatureError, match="does not fit"):
        verify(headers, BODY, SECRETS, later)


def test_header_names_come_in_any_case() -> None:
    headers = {name.lower(): value for name, value in signed_headers(KEY, BODY, NOW).items()}
    verify(headers, BODY, SECRETS, NOW)


def test_two_secrets_are_known_while_one_replaces_the_other() -> None:
    new = SigningKey("2026-02", "t" * 64)
    for key in (KEY, new):
        verify(signed_headers(key, BODY, NOW), BODY, {**SECRETS, new.key_id: new.secret}, NOW)
    with pytest.raises(SignatureError, match="key that is not known"):
        verify(signed_headers(new, BODY, NOW), BODY, SECRETS, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {SIGNATURE_HEADER: ""},
        {SIGNATURE_HEADER: "v1=" + "0" * 64},
        {SIGNATURE_HEADER: "key=2026-01,v1=" + "0" * 63},
        {SIGNATURE_HEADER: "key=2026-01,v1=" + "0" * 64 + "\n"},
        {TIMESTAMP_HEADER: ""},
        {TIMESTAMP_HEADER: "now"},
        {TIMESTAMP_HEADER: "-1"},
        {TIMESTAMP_HEADER: "9" * 400},
        {TIMESTAMP_HEADER: "１７６８４４６０００"},
    ],
)
def test_headers_that_make_no_sense_are_refused_in_one_sentence(changed: dict[str, str]) -> None:
    with pytest.raises(SignatureError, match="missing or malformed"):
        verify({**signed_headers(KEY, BODY, NOW), **changed}, BODY, SECRETS, NOW)


def test_each_partner_has_a_secret_of_its_own() -> None:
    acme, other = partner_signing_key(KEY, "acme"), partner_signing_key(KEY, "other")
    assert len({KEY.secret, acme.secret, other.secret}) == 3
    assert acme == partner_signing_key(KEY, "acme")
    with pytest.raises(SignatureError):
        verify(signed_headers(other, BODY, NOW), BODY, {acme.key_id: acme.secret}, NOW)


def test_a_secret_does_not_show() -> None:
    assert KEY.secret not in repr(KEY)
