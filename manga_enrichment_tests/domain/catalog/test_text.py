"""Cleaning of catalog text."""

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.text import clean_line, clean_paragraphs, clean_synopsis, decode_entities, is_plain

ANY_TEXT = st.text(st.characters())
MARKUP = (
    "&amp;",
    "&",
    "amp;",
    "lt;",
    "#39;",
    "<br>",
    "<",
    "i>",
    "b",
    ";",
    "\n",
    " ",
    "\u200b",
    "か\u3099",
    "&lt;",
    "&gt;",
)
MARKUP_TEXT = st.lists(st.sampled_from(MARKUP)).map("".join)


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("  The\u3000Last\t Harbor \n", "The Last Harbor"),
        ("か\u3099んば", "がんば"),
        ("Cafe\u0301", "Café"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("&lt;i&gt;Orbit&lt;/i&gt;", "Orbit"),
        ("It&#39;s &#x4E00; &quot;day&quot;", 'It\'s 一 "day"'),
        ("<b>Bold</b> <a href='x'>link</a>", "Bold link"),
        ("zero\u200bwidth\ufeff and \u202ereversed", "zerowidth and reversed"),
        ("bell\x07 nul\x00 del\x7f c1\x9f", "bell nul del c1"),
        ("lone \ud83d surrogate", "lone surrogate"),
        ("hidden\U000e0041\U000e0042 tags", "hidden tags"),
        ("line\r\nbreak\u2028here\x85now", "line break here now"),
        ("fill\u3164er", "filler"),
        ("葛\U000e0100\U000e0101\U000e0102城", "葛城"),
        ("end\U0001fffe", "end"),
        ("\u2800", ""),
        ("\u3164", ""),
        ("\ufe0f", ""),
    ],
)
def test_a_line_is_cleaned(dirty: str, clean: str) -> None:
    assert clean_line(dirty) == clean


@pytest.mark.parametrize(
    "title",
    [
        "R&D Section 9",
        "Me&not you",
        "男樹 ～村田京一<四代目>～",
        "I <3 You",
        "SPACEPIRATES<スペース・パイレーツ>",
        "a < b > c",
        "[Oshi no Ko]",
        "&unknownthing; stays",
        "葛󠄀城",  # a variation selector that belongs to the name
        "👍🏽!?",
    ],
)
def test_what_only_looks_like_markup_stays(title: str) -> None:
    assert clean_line(title) == unicodedata.normalize("NFC", title)


def test_paragraphs_keep_their_breaks_and_lose_their_tags() -> None:
    dirty = "<p>One.<br />Two. </p>\r\n\r\n\r\n\r\n  <i>Three</i>  and   four.<!-- note -->"
    assert clean_paragraphs(dirty) == "One.\nTwo.\n\nThree and four."


@pytest.mark.parametrize(
    "tail",
    [
        "(Source: Kisaragi Press)",
        "(Source: Kisaragi Press, edited)",
        "(source : MU)",
        "(Source: Comet (translated))",
        "[Written by Catalog Rewrite]",
        "[Source: publisher].",
        "(from: the publisher)",
        "Source: Paper Boat",
        "(Summary by Somebody)",
        "（出典：如月書房）",
        "(出典: 紙舟社)",
        "【出典：ランタン文庫】",
        "（「BOOK」データベースより）",
        "（出版社より）",
        "(内容紹介より)",
        "出典：如月書房公式サイト",
        "(Source: MU)\n\n[Written by Catalog Rewrite]",
    ],
)
@pytest.mark.parametrize("text", ["A ship sails south.", "船は南へ向かう。"])
def test_attribution_tails_go(text: str, tail: str) -> None:
    assert clean_synopsis(f"{text}\n\n{tail}") == text
    assert clean_synopsis(tail) == ""


@pytest.mark.parametrize("mark", ["(Source: X)", "[Written by Catalog Rewrite]", "（出典：如月書房）"])
def test_an_attribution_that_is_a_line_by_itself_goes_wherever_it_stands(mark: str) -> None:
    assert clean_synopsis(f"A boy.\n\n{mark}\n\nIncluded one-shot: Sea") == "A boy.\n\nIncluded one-shot: Sea"
    assert clean_synopsis(f"{mark}\nA boy.") == "A boy."


def test_an_attribution_in_the_same_line_goes_as_well() -> None:
    assert clean_synopsis("He runs. (Source: MU)") == "He runs."
    assert clean_synopsis("He runs. Source: Paper Boat") == "He runs."
    assert clean_synopsis("彼は走る。出典：紙舟社") == "彼は走る。"


@pytest.mark.parametrize(
    "text",
    [
        "She follows the river to its source: a well (nailed shut).",
        "He works at the source (of all evil).",
        "The letter (written in haste) never arrives.",
        "(Source: unknown) is how the file began. Then came the flood.",
        "出典のない物語が、いま始まる。",
    ],
)
def test_prose_that_mentions_sources_stays(text: str) -> None:
    assert clean_synopsis(text) == text


@pytest.mark.parametrize("text", ["N/A", "None", "-", "TBA", "No synopsis yet.", "No summary available", "準備中", " "])
def test_a_placeholder_is_no_synopsis(text: str) -> None:
    assert clean_synopsis(text) == ""


def test_an_entity_without_a_character_vanishes() -> None:
    assert decode_entities("a&#0;b&#xD800;c") == "abc"


def test_a_long_hostile_text_is_cleaned_in_one_go() -> None:
    for piece in ("&amp;", "<!--", "<a ", "(Source:", "&am&amp;p;", "\n(", "&#38;"):
        clean_synopsis(piece * 20_000)


@given(ANY_TEXT | MARKUP_TEXT)
@example("&amp;amp;lt;br&amp;gt;")
def test_cleaning_twice_changes_nothing(text: str) -> None:
    for clean in (clean_line, clean_paragraphs):
        once = clean(text)
        assert clean(once) == once


@given(ANY_TEXT | st.text(st.sampled_from("ab 漢。\n\n\t\u3000\u200d(:")))
def test_the_shortcut_for_tidy_paragraphs_changes_no_result(text: str) -> None:
    assert clean_paragraphs(f"<b></b>{text}") == clean_paragraphs(text)


@given(ANY_TEXT)
def test_clean_text_can_be_stored_and_shown(text: str) -> None:
    clean = clean_line(text)
    clean.encode()
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in clean)
    assert clean == " ".join(clean.split())


@given(ANY_TEXT | st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_the_shortcut_for_plain_text_changes_no_result(text: str) -> None:
    assume(is_plain(text))
    assert clean_line(f"<b>{text}</b>") == clean_line(text) == text
