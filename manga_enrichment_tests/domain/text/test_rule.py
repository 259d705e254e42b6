"""The one rule for text: what is taken out, what stays, what is blank."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.problems import Code
from manga_enrichment.domain.requests.reading.text_checks import text_problems
from manga_enrichment.domain.text.rule import is_blank, is_readable, readable

FLAG_OF_WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
ANY_TEXT = st.text(st.characters(exclude_categories=()))
MOSTLY_HIDDEN = st.text(
    st.sampled_from("a漢\n\r\x00\x1b\u202e\u200b\u200d\ufe0f\U000e0100\U000e0067\U000e007f\u3164\U0001f3f4 ")
)


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("nul\x00 esc\x1b[2J del\x7f c1\x9b", "nul esc[2J del c1"),
        ("a\u202egpj.exe\u202c \u2066b\u2069", "agpj.exe b"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen fill\u3164er", "zerowidth softhyphen filler"),
        ("lone \ud800 and non\uffff\U0010fffe", "lone  and non"),
        ("hi\U000e0068\U000e0069", "hi"),
        (f"{FLAG_OF_WALES}\U000e0068", FLAG_OF_WALES),
        ("x\U000e0101\U000e0102\U000e0103y", "xy"),
        ("x\u200c\u200d\u200cy", "xy"),
        ("x\ufe0f\u200b\ufe0fy", "xy"),
        ("one\r\ntwo\rthree\x0bfour\x85five\u2028six", "one\ntwo\nthree\nfour\nfive\nsix"),
    ],
)
def test_what_nobody_should_see_is_taken_out(dirty: str, clean: str) -> None:
    assert readable(dirty) == clean


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A plain answer.",
        "二行の\n答え、\tタブ付き",
        "\u3000字下げ",
        "葛\U000e0100飾区と辻\U000e0101さん",
        "👨‍👩‍👧‍👦 ❤️ ❤️‍🔥 🇯🇵 1️⃣ 👍🏽",
        FLAG_OF_WALES,
        "می‌خواهم",
        "外字\ue000 \ufffd",
    ],
)
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    "blank", ["", " ", "\u3000\n", "\u200b", "\x00\x1b", "\u202e\u202c", "\u3164", "\u2800", "\ufe0f"]
)
def test_what_has_no_visible_character_is_blank(blank: str) -> None:
    assert is_blank(blank)
    assert is_blank(readable(blank))
    assert not is_readable(blank)


@given(ANY_TEXT | MOSTLY_HIDDEN)
def test_a_text_is_readable_after_one_pass_and_blank_after_it_only_if_it_was_before(text: str) -> None:
    once = readable(text)
    assert readable(once) == once
    assert is_blank(once) == is_blank(text)
    assert is_readable(once) != is_blank(once)


@given(ANY_TEXT | MOSTLY_HIDDEN)
def test_a_partner_could_send_what_the_rule_leaves(text: str) -> None:
    found = {each.code for each in text_problems(("query",), readable(text), required=False)}
    assert found <= {Code.UNREADABLE_CHARACTER_WARNING, Code.MIXED_SCRIPT_WARNING, Code.BLANK_TEXT_WARNING}


def test_of_all_characters_no_control_surrogate_or_direction_mark_is_left() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    left = readable(every)
    assert {unicodedata.category(char) for char in left} & {"Cc", "Cs"} == {"Cc"}
    assert {char for char in left if unicodedata.category(char) == "Cc"} == {"\t", "\n"}
    assert not any(
        unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        for char in left
    )
    assert len(left) > 1_100_000 - 3_000
