"""Single values of catalog fields."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from manga_enrichment.domain.catalog import values
from manga_enrichment.domain.catalog.records import Author
from manga_enrichment.domain.catalog.values import InvalidValueError


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        (["Action", " Drama ", "Action", None, ""], ("Action", "Drama")),
        ('["Action", "Drama; the musical"]', ("Action", "Drama; the musical")),
        ("Action; Drama", ("Action", "Drama")),
        ("Action|Drama|", ("Action", "Drama")),
        ("Tom &amp; Jerry; Foo", ("Tom & Jerry", "Foo")),
        ("[Oshi no Ko]", ("[Oshi no Ko]",)),
        ("Kisaragi, Monthly", ("Kisaragi, Monthly",)),
        (["A; B"], ("A; B",)),
        ([{"id": 1, "name": "Action"}], ("Action",)),
        ([86], ("86",)),
        ("None", ()),
        ("[]", ()),
        ("", ()),
    ],
)
def test_lists_are_taken_from_lists_json_and_separated_text(raw: object, texts: tuple[str, ...]) -> None:
    assert values.text_list(raw) == texts


@pytest.mark.parametrize(
    ("raw", "people"),
    [
        ([{"name": "Oda, Mio", "role": "story"}], (Author("Oda, Mio", "story"),)),
        ([{"name": "Oda, Mio", "role": ""}], (Author("Oda, Mio"),)),
        ("Oda, Mio (story & art); Ren", (Author("Oda, Mio", "story & art"), Author("Ren"))),
        ('[{"name": "Ren", "role": "art"}]', (Author("Ren", "art"),)),
        (["朝霧葵（作画）"], (Author("朝霧葵", "作画"),)),
        (["朝霧葵(朝霧一座)"], (Author("朝霧葵(朝霧一座)"),)),
        (["[原案]朝霧葵"], (Author("朝霧葵", "原案"),)),
        (["[原作]朝霧葵 ／ [監修]星村蓮"], (Author("[原作]朝霧葵 ／ [監修]星村蓮"),)),
        (["Ren", "Ren", "", None], (Author("Ren"),)),
        ([{"role": "art"}], ()),
        ({"name": "Ren"}, (Author("Ren"),)),
    ],
)
def test_authors_are_never_split_at_commas(raw: object, people: tuple[Author, ...]) -> None:
    assert values.authors(raw) == people


@pytest.mark.parametrize(
    ("raw", "number"), [(12, 12), (12.0, 12), ("12", 12), ("12.0", 12), ("1,234", 1234), (Decimal(7), 7), ("nan", None)]
)
def test_whole_numbers(raw: object, number: int | None) -> None:
    assert values.integer(0, 10_000)(raw) == number


@pytest.mark.parametrize("raw", [True, 1.5, "many", -1, 10_001, "9" * 5000, float("inf"), [1], {"a": 1}])
def test_what_is_no_whole_number_within_the_limits(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        values.integer(0, 10_000)(raw)


@pytest.mark.parametrize("raw", [1997, "1997", "1997-07-22", "1997/7", "1997年", date(1997, 7, 22), 1997.0])
def test_years(raw: object) -> None:
    assert values.year(raw) == 1997


@pytest.mark.parametrize("raw", ["97", 199, "19970", "Spring"])
def test_what_is_no_year(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        values.year(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "2024-05-01T10:00:00Z",
        "2024-05-01T19:00:00+09:00",
        "2024-05-01 10:00:00",
        "2024/5/1 10:00:00",
        1714557600,
        1714557600.0,
        1714557600000,
        datetime(2024, 5, 1, 10),  # noqa: DTZ001 - a naive one on purpose
        datetime(2024, 5, 1, 19, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_moments_are_utc(raw: object) -> None:
    moment = values.moment(raw)
    assert moment == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert moment.tzinfo is UTC


def test_a_date_is_its_first_moment() -> None:
    assert values.moment(date(2024, 5, 1)) == values.moment("2024-05-01") == datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "raw", ["yesterday", "2024-13-01", 1e300, -(10**30), True, [], "0001-01-01T00:00:00+14:00", float("inf")]
)
def test_what_is_no_moment(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        values.moment(raw)


@pytest.mark.parametrize("raw", ["978-4-08-872509-3", 9784088725093, 9784088725093.0, "9784088725093.0"])
def test_isbns_also_survive_spreadsheets(raw: object) -> None:
    assert values.isbn(raw) == "9784088725093"


def test_a_number_can_be_a_title_and_a_word_for_nothing_too() -> None:
    assert values.required_text(86) == "86"
    assert values.required_text(20.0) == "20"
    assert values.required_text("None") == "None"
    assert values.optional_text("None") is None
    assert values.label("NaN") is None


@pytest.mark.parametrize("raw", [True, [], {}, b"bytes", 10**30])
def test_what_is_no_text(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        values.required_text(raw)
