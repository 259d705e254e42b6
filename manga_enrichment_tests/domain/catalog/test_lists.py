"""List fields from whatever a file has for a list."""

import pytest

from manga_enrichment.domain.catalog import lists
from manga_enrichment.domain.catalog.values import InvalidValueError
from manga_enrichment.domain.catalog.warnings import WarningReason


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        (["Action", " Drama ", "Action", None, ""], ("Action", "Drama")),
        ('["Action", "Drama; the musical"]', ("Action", "Drama; the musical")),
        ("['Action', 'Drama']", ("Action", "Drama")),
        ("('Action', 'Drama')", ("Action", "Drama")),
        ("{'Action', 'Drama'}", ("Action", "Drama")),
        ("['Action' 'Drama']", ("Action", "Drama")),
        ('{Action,"Slice of Life"}', ("Action", "Slice of Life")),
        ("['Boys\\' Love', None]", ("Boys' Love",)),
        ("Action,Drama", ("Action", "Drama")),
        ("Mystery,Drama,Seinen", ("Mystery", "Drama", "Seinen")),
        ("恋愛、学園", ("恋愛", "学園")),
        ("Sports (ball, bat), Drama", ("Sports (ball, bat)", "Drama")),
        ("Action; Drama", ("Action", "Drama")),
        ("Action, the hard kind; Drama", ("Action, the hard kind", "Drama")),
        ("Action|Drama|", ("Action", "Drama")),
        ("Action\nDrama", ("Action", "Drama")),
        ("Tom &amp; Jerry; Foo", ("Tom & Jerry", "Foo")),
        (["A, B"], ("A, B",)),
        ([{"id": 1, "name": "Action"}], ("Action",)),
        ([{"id": "x", "type": "tag", "attributes": {"name": {"en": "Action"}}}], ("Action",)),
        ([86], ("86",)),
        (["None", "nil", "-", "Unknown", "N/A", "Action"], ("Action",)),
        ("None", ()),
        ("[123456789012345678901234567890, 'x']", ("123456789012345678901234567890", "x")),
        ('[12345678901234567890123, "x"]', ("12345678901234567890123", "x")),
        ('["\\ud800", "Drama"]', ("Drama",)),
        ("[]", ()),
        ("", ()),
    ],
)
def test_labels_from_lists_containers_and_separated_text(raw: object, texts: tuple[str, ...]) -> None:
    assert lists.labels(raw) == texts


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        ([{"ja": "港"}, {"en": "Harbor"}], ("港", "Harbor")),
        ([{"type": "Japanese", "title": "港"}, {"type": "English", "title": "Harbor"}], ("港", "Harbor")),
        ({"en": "Harbor", "ja": ["港", "みなと"]}, ("Harbor", "港", "みなと")),
        ({"en_jp": "Minato", "zh-hk": "港"}, ("Minato", "港")),
        ("{'en': 'Harbor'}", ("Harbor",)),
        ([{"@value": "港", "@language": "ja"}], ("港",)),
        ("[Oshi no Ko]", ("[Oshi no Ko]",)),
        ("Harbor, the Sea", ("Harbor, the Sea",)),
        (["Unknown"], ("Unknown",)),
        (["null", "-"], ()),
    ],
)
def test_titles_also_by_language_or_kind(raw: object, texts: tuple[str, ...]) -> None:
    assert lists.titles(raw) == texts


def test_a_name_may_hold_commas_and_is_not_unknown() -> None:
    assert lists.names("Kisaragi, Monthly") == ("Kisaragi, Monthly",)
    assert lists.names(["Unknown", "Kisaragi"]) == ("Kisaragi",)


@pytest.mark.parametrize(
    ("raw", "reasons"),
    [
        ("Action,Drama", [WarningReason.SPLIT]),
        (["Action", "Action", "action"], [WarningReason.DUPLICATE]),
        (["Action", "nil"], [WarningReason.NULL_WORD]),
        ([{"id": 7}, "Action"], [WarningReason.UNKNOWN_SHAPE]),
        (["<b>Action</b>"], [WarningReason.CLEANED]),
        (["Action", None, ""], []),
    ],
)
def test_what_a_list_lost_is_told(raw: object, reasons: list[WarningReason]) -> None:
    notes: list[WarningReason] = []
    assert lists.labels(raw, notes.append)[0] == "Action"
    assert notes == reasons


@pytest.mark.parametrize("raw", [7, True, 1.5, b"x"])
def test_what_is_no_list(raw: object) -> None:
    with pytest.raises(InvalidValueError):
        lists.labels(raw)


@pytest.mark.parametrize("raw", ["[" * 100_000 + "]" * 100_000, "[" + "(" * 5_000 + "]", "[1" + "+1" * 50_000 + "]"])
def test_a_hostile_container_is_a_text(raw: str) -> None:
    assert lists.titles(raw) == (raw,)


def test_a_line_break_in_what_looks_like_a_database_list_is_no_end_of_the_import() -> None:
    assert lists.labels("{Action\rDrama}") == ("{Action Drama}",)
