"""Moments as files write them."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from manga_enrichment.domain.catalog.moments import moment
from manga_enrichment.domain.catalog.values import InvalidValueError


@pytest.mark.parametrize(
    "raw",
    [
        "2024-05-01T10:00:00Z",
        "2024-05-01T19:00:00+09:00",
        "2024-05-01 19:00:00 +0900",
        "2024-05-01 10:00:00",
        "2024-05-01 10:00:00 UTC",
        "2024-05-01 19:00 JST",
        "2024/5/1 10:00:00",
        "２０２４年５月１日 10:00",
        "Wed, 01 May 2024 10:00:00 GMT",
        "20240501100000",
        1714557600,
        1714557600.0,
        1714557600000,
        1714557600000000,
        1714557600000000000,
        "1714557600",
        "1714557600.0",
        "1714557600000",
        datetime(2024, 5, 1, 10),  # noqa: DTZ001 - a naive one on purpose
        datetime(2024, 5, 1, 19, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_moments_are_utc(raw: object) -> None:
    found = moment(raw)
    assert found == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize("raw", [date(2024, 5, 1), "2024-05-01", 20240501, "20240501", "May 1, 2024", "2024年5月1日"])
def test_a_date_is_its_first_moment(raw: object) -> None:
    assert moment(raw) == datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "first"),
    [
        (20190722, datetime(2019, 7, 22, tzinfo=UTC)),
        ("2015-05-20 21:34:02 UTC", datetime(2015, 5, 20, 21, 34, 2, tzinfo=UTC)),
        ("2010-01", datetime(2010, 1, 1, tzinfo=UTC)),
        ("Aug 1989", datetime(1989, 8, 1, tzinfo=UTC)),
        (2015, datetime(2015, 1, 1, tzinfo=UTC)),
    ],
)
def test_less_than_a_day_is_its_beginning(raw: object, first: datetime) -> None:
    assert moment(raw) == first


@pytest.mark.parametrize(
    "raw",
    [
        *("yesterday", "2024-13-01", "0001-01-01T00:00:00+14:00", "12:00"),
        *(0, 43668, -5, 1e300, -(10**30), True, [], float("inf")),
    ],
)
def test_what_is_no_moment(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        moment(raw)


@pytest.mark.parametrize("raw", ["nil", "N/A", float("nan")])
def test_what_says_nothing_is_no_moment_and_no_fault(raw: object) -> None:
    assert moment(raw) is None
