"""Counts and years as files and people write them."""

from datetime import date
from decimal import Decimal

import pytest

from manga_enrichment.domain.catalog import numbers
from manga_enrichment.domain.catalog.values import InvalidValueError
from manga_enrichment.domain.catalog.warnings import WarningReason, no_note

count = numbers.integer(0, 10_000)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (12, 12),
        (12.0, 12),
        ("12", 12),
        ("12.0", 12),
        ("1,234", 1234),
        (Decimal(7), 7),
        ("nan", None),
        ("?", None),
        ("全37巻", 37),
        ("全３７巻", 37),
        ("既刊37巻", 37),
        ("37巻（完結）", 37),
        ("37 vols.", 37),
        ("37 Volumes (Ongoing)", 37),
        ("120話", 120),
        ("120 chapters", 120),
        ("100+", 100),
    ],
)
def test_whole_numbers(raw: object, number: int | None) -> None:
    assert count(raw, no_note) == number


@pytest.mark.parametrize(
    "raw", [True, 1.5, "many", -1, 10_001, "9" * 5000, float("inf"), [1], {"a": 1}, "第1巻〜第3巻", "3 of 12"]
)
def test_what_is_no_whole_number_within_the_limits(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        count(raw, no_note)


@pytest.mark.parametrize(
    ("raw", "year"),
    [
        *((raw, 1997) for raw in (1997, "1997", "1997-07-22", "1997/7", "1997年", date(1997, 7, 22), 1997.0)),
        *(
            (raw, 1997)
            for raw in ("１９９７年", "平成9年", "c. 1997", "(1997)", "22/07/1997", "July 22nd, 1997", 19970722)
        ),
        ("1992 〜 2008", 1992),
        ("1992-2008", 1992),
        ("20130906", 2013),
        ("2010-01", 2010),
        ("Aug 1989", 1989),
        ("Aug  25, 1989 to ?", 1989),
        ("25 August 1989", 1989),
        ("昭和64年", 1989),
        ("令和元年", 2019),
        ("Unknown", None),
    ],
)
def test_years(raw: object, year: int | None) -> None:
    assert numbers.year(raw) == year


@pytest.mark.parametrize("raw", ["97", 199, "19970", "Spring", "19971301", 20131, "Volume 1997"])
def test_what_is_no_year(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        numbers.year(raw)


@pytest.mark.parametrize(
    ("raw", "reasons"),
    [("1992 〜 2008", [WarningReason.REDUCED]), ("1992年", []), ("nil", [WarningReason.NULL_WORD])],
)
def test_a_range_of_which_only_the_beginning_is_kept_is_told(raw: str, reasons: list[WarningReason]) -> None:
    notes: list[WarningReason] = []
    numbers.year(raw, notes.append)
    assert notes == reasons
