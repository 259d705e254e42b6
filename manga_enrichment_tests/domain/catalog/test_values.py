"""Single values of text fields."""

from decimal import Decimal

import pytest

from manga_enrichment.domain.catalog import values
from manga_enrichment.domain.catalog.values import InvalidValueError
from manga_enrichment.domain.catalog.warnings import WarningReason


@pytest.mark.parametrize("raw", ["978-4-08-872509-3", 9784088725093, 9784088725093.0, "9784088725093.0"])
def test_isbns_also_survive_spreadsheets(raw: object) -> None:
    assert values.isbn(raw) == "9784088725093"


def test_a_number_can_be_a_title_and_a_word_for_nothing_too() -> None:
    assert values.required_text(86) == "86"
    assert values.required_text(20.0) == "20"
    assert values.required_text("None") == "None"
    assert values.optional_text("Unknown") == "Unknown"
    assert values.optional_text("None") is None
    assert values.label("NaN") is None


@pytest.mark.parametrize("raw", ["nil", "-", "Unknown", "N/A", "None", "不明", "—"])
def test_a_label_that_says_nothing_is_empty_and_told_each_time(raw: str) -> None:
    for _ in range(2):
        notes: list[WarningReason] = []
        assert values.label(raw, notes.append) is None
        assert notes == [WarningReason.NULL_WORD]


@pytest.mark.parametrize("raw", [True, [], {}, b"bytes", 10**100, 1.2345678901234568e22, 2.0**53])
def test_what_is_no_text_or_has_lost_digits(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        values.required_text(raw)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (12345678901234567890123, "12345678901234567890123"),
        (Decimal(12345678901234567890123), "12345678901234567890123"),
        (Decimal("1E+3"), "1000"),
        (13.0, "13"),
        (2.5, "2.5"),
        (float("nan"), None),
        (Decimal("NaN"), None),
    ],
)
def test_numbers_are_written_out_exactly(raw: object, text: str | None) -> None:
    assert values.required_text(raw) == text


@pytest.mark.parametrize(
    ("raw", "text", "reasons"),
    [
        ("<b>Harbor</b>", "Harbor", [WarningReason.CLEANED]),
        ("Har\u200bbor", "Harbor", [WarningReason.CLEANED]),
        (" Har\u3000bor ", "Har bor", []),
        ("か\u3099", "が", []),
        ("['Harbor', 'Sea']", "['Harbor', 'Sea']", [WarningReason.CONTAINER]),
        ('{"en": "Harbor"}', '{"en": "Harbor"}', [WarningReason.CONTAINER]),
        ("[Oshi no Ko]", "[Oshi no Ko]", []),
    ],
)
def test_what_a_text_lost_is_told_except_white_space(raw: str, text: str, reasons: list[WarningReason]) -> None:
    notes: list[WarningReason] = []
    assert values.required_text(raw, notes.append) == text
    assert notes == reasons


def test_a_synopsis_tells_what_it_lost() -> None:
    notes: list[WarningReason] = []
    raw = "<p>A ~!dead!~ ship.</p>\n\n(Source: MU)"
    assert values.synopsis(raw, notes.append) == "A ship."
    assert notes == [WarningReason.SPOILER, WarningReason.CLEANED, WarningReason.ATTRIBUTION]
    notes.clear()
    assert values.synopsis("N/A", notes.append) is None
    assert notes == [WarningReason.PLACEHOLDER]
