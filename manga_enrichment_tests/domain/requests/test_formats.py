"""Formats accept what they name, from the first character to the last."""

import warnings
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema.exceptions import FormatError

from manga_enrichment.domain.catalog.isbn import isbn13_check_digit
from manga_enrichment.domain.requests.reading.formats import (
    format_checker,
    is_email,
    is_isbn,
    is_manga_id,
    is_sns_topic_arn,
    is_uuid,
    utc_time,
)

ALL_FORMATS = ["uuid", "manga_id", "isbn", "sns_topic_arn", "email", "utc_time", "callback_url"]
SPECIMENS = {
    "uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "manga_id": "MNG-ABCD1234",
    "isbn": "9784088725093",
    "sns_topic_arn": "arn:aws:sns:ap-northeast-1:123456789012:partner-results",
    "email": "a.b+c@partner.example",
    "utc_time": "2026-01-31T09:00:00Z",
    "callback_url": "https://partner.example/callback",
}


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_a_good_value_passes_and_nothing_around_it_does(name: str) -> None:
    good, checker = SPECIMENS[name], format_checker()
    checker.check(good, name)
    around = [("", "\n"), ("\n", ""), (" ", ""), ("", " "), ("", "\x00"), ("", f"\n{good}"), ("", "\u200b")]
    for spoiled in (f"{before}{good}{after}" for before, after in around):
        with pytest.raises(FormatError):
            checker.check(spoiled, name)


@pytest.mark.parametrize("name", ALL_FORMATS)
@given(value=st.none() | st.integers() | st.floats() | st.booleans() | st.lists(st.text()))
def test_a_format_says_nothing_about_values_that_are_not_text(name: str, value: object) -> None:
    format_checker().check(value, name)


@pytest.mark.parametrize("name", ALL_FORMATS)
@given(text=st.text(st.characters(exclude_categories=())))
def test_any_text_gets_an_answer(name: str, text: str) -> None:
    format_checker().conforms(text, name)


def test_formats_we_did_not_define_are_not_checked_behind_our_back() -> None:
    assert set(format_checker().checkers) == set(ALL_FORMATS)


def test_nothing_deprecated_is_used_to_complain() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not format_checker().conforms("no", "uuid")


@pytest.mark.parametrize(
    "text",
    # pragma: allowlist nextline secret
    ["", "0f8fad5bd9cb469fa16570867728950e", "{0f8fad5b-d9cb-469f-a165-70867728950e}", "g" * 36, "-" * 36],
)
def test_a_uuid_has_its_hyphens_and_hexadecimal_digits(text: str) -> None:
    assert not is_uuid(text)


def test_a_uuid_may_be_in_upper_case() -> None:
    assert is_uuid(SPECIMENS["uuid"].upper())


@pytest.mark.parametrize("text", ["MNG-ABCD1234\n", "mng-abcd1234", "MNG-ABCD123", "MNG-ABCD12345", "ＭNG-ABCD1234"])
def test_a_manga_id_is_exact(text: str) -> None:
    assert not is_manga_id(text)


@pytest.mark.parametrize("text", ["9784088725093", "978-4-08-872509-3", "4-08-872509-3", "0-8044-2957-X"])
def test_isbns_with_a_right_check_digit_pass_with_or_without_hyphens(text: str) -> None:
    assert is_isbn(text)


@pytest.mark.parametrize(
    "text",
    [
        "XXXXXXXXX1",
        "9784088725094",
        "4088725098",
        "978408872509X",
        "ISBN 9784088725093",
        "９７８４０８８７２５０９３",
        "-" * 13,
    ],
)
def test_what_only_looks_like_an_isbn_does_not_pass(text: str) -> None:
    assert not is_isbn(text)


@given(st.integers(0, 10**9 - 1), st.integers(1, 9))
def test_exactly_one_last_digit_makes_an_isbn(body: int, off_by: int) -> None:
    first_twelve = f"978{body:09}"
    right = isbn13_check_digit(first_twelve)
    wrong = str((int(right) + off_by) % 10)
    assert is_isbn(first_twelve + right)
    assert not is_isbn(first_twelve + wrong)


@pytest.mark.parametrize(
    "text",
    [
        "manga-fm-results",
        "arn:aws:sqs:ap-northeast-1:123456789012:queue",
        "arn:aws:sns:ap-northeast-1:1234:topic",
        "arn:aws:sns::123456789012:topic",
        "arn:aws:sns:ap-northeast-1:123456789012:",
        "arn:aws:sns:ap-northeast-1:123456789012:topic.fifo",
        "arn:aws:sns:ap-northeast-1:123456789012:topic:subscription",
        "arn:evil:sns:ap-northeast-1:123456789012:topic",
    ],
)
def test_only_a_standard_topic_has_the_shape_of_one(text: str) -> None:
    assert not is_sns_topic_arn(text)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_a_topic_may_be_in_any_public_partition(partition: str) -> None:
    assert is_sns_topic_arn(f"arn:{partition}:sns:us-gov-west-1:123456789012:topic")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@partner.example",
        "a@",
        "a@localhost",
        "a@b@partner.example",
        "a b@partner.example",
        ".a@partner.example",
        "a..b@partner.example",
        "a@-partner.example",
        "a@partner..example",
        "a@[127.0.0.1]",
        '"a b"@partner.example',
        "a@partner.example\r\nBcc: b@partner.example",
        "漫画@partner.example",
        "a" * 65 + "@partner.example",
        "a@" + "b." * 130 + "example",
    ],
)
def test_an_address_that_may_go_astray_is_no_email(text: str) -> None:
    assert not is_email(text)


def test_a_hostile_address_takes_no_time() -> None:
    assert not is_email("a." * 100_000 + "@")
    assert not is_isbn("9" * 1_000_000)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T09:00:00Z", datetime(2026, 1, 31, 9, tzinfo=UTC)),
        ("2026-01-31T09:00:00+00:00", datetime(2026, 1, 31, 9, tzinfo=UTC)),
        ("2026-01-31T09:00:00.123Z", datetime(2026, 1, 31, 9, 0, 0, 123_000, tzinfo=UTC)),
        ("2026-01-31T09:00:00.1234567Z", datetime(2026, 1, 31, 9, 0, 0, 123_456, tzinfo=UTC)),  # .NET
        ("2026-01-31T09:00:00.123456789+00:00", datetime(2026, 1, 31, 9, 0, 0, 123_456, tzinfo=UTC)),  # Java, Go
    ],
)
def test_moments_in_utc_are_read(text: str, moment: datetime) -> None:
    assert utc_time(text) == moment
    assert utc_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31 09:00:00Z",
        "2026-01-31T09:00:00",
        "2026-01-31T09:00:00+09:00",
        "2026-01-31T09:00Z",
        "2026-02-30T09:00:00Z",
        "2026-01-31T24:01:00Z",
        "2026-01-31T09:00:00.1234567890Z",
        "2026-01-31T09:00:00.Z",
        "2026-W05-6T09:00:00Z",
        "0000-01-01T00:00:00Z",
        "２０２６-01-31T09:00:00Z",
    ],
)
def test_moments_without_utc_or_that_never_were_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        utc_time(text)
