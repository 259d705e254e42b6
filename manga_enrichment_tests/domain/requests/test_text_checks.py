"""Characters that reject a request, characters that warn, and all the honest text that does neither."""

import sys
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.problems import Code
from manga_enrichment.domain.requests.reading import text_checks
from manga_enrichment.domain.requests.reading.text_checks import text_problems
from manga_enrichment.domain.text.rule import SUSPECT, is_blank

FLAG_OF_ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def codes(text: str, *, required: bool = True) -> list[Code]:
    return [each.code for each in text_problems(("query",), text, required=required)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A plain question?",
        "二行の\n質問、\tタブ付き\r\n",
        "葛\U000e0100飾区と辻\U000e0101さん",
        "が と が",
        "ﾊﾝｶｸｶﾅ！？～「」",
        "한국 만화와 日本の漫画",
        "αとΩの物語 ∞ ♥ ★ ①",
        "Ça coûte 5 € – naïve “quotes” …",
        "Только кириллица",
        "العربية فقط",
        "👨‍👩‍👧‍👦 ❤️ 🇯🇵 1️⃣ 👍🏽",
        FLAG_OF_ENGLAND,
        "𠮟る 𩸽",
        "می‌خواهم",
        "\u3000字下げ",
    ],
)
def test_honest_text_passes_without_a_word(text: str) -> None:
    assert codes(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\x00b", Code.CONTROL_CHARACTER),
        ("\x1b[31mred", Code.CONTROL_CHARACTER),
        ("a\x7f", Code.CONTROL_CHARACTER),
        ("a\x9f", Code.CONTROL_CHARACTER),
        ("a\ud800", Code.LONE_SURROGATE),
        ("\udc00漫画", Code.LONE_SURROGATE),
        ("a\uffff", Code.NONCHARACTER),
        ("a\ufdd0", Code.NONCHARACTER),
        ("a\U0010fffe", Code.NONCHARACTER),
        ("a\u202egpj.exe", Code.BIDI_CONTROL),
        ("a\u2066b\u2069", Code.BIDI_CONTROL),
        ("hi\U000e0068\U000e0069", Code.HIDDEN_TEXT),
        (FLAG_OF_ENGLAND.replace("\U0001f3f4", "x"), Code.HIDDEN_TEXT),
        ("😀\ufe01\ufe02\ufe03", Code.HIDDEN_TEXT),
        ("x\U000e0101\U000e0102", Code.HIDDEN_TEXT),
        ("   ", Code.BLANK_TEXT),
        ("\u3000\n\t", Code.BLANK_TEXT),
        ("a\u200bb", Code.INVISIBLE_CHARACTER_WARNING),
        ("\ufeffa", Code.INVISIBLE_CHARACTER_WARNING),
        ("soft\u00adhyphen", Code.INVISIBLE_CHARACTER_WARNING),
        ("a\u200c\u200d\u200cb", Code.INVISIBLE_CHARACTER_WARNING),
        ("外字\ue000", Code.UNREADABLE_CHARACTER_WARNING),
        ("\U000f0000a", Code.UNREADABLE_CHARACTER_WARNING),
        ("mojibake \ufffd", Code.UNREADABLE_CHARACTER_WARNING),
        ("манга 漫画", Code.MIXED_SCRIPT_WARNING),
        ("まんが и манга", Code.MIXED_SCRIPT_WARNING),
        ("漫画 مانغا", Code.MIXED_SCRIPT_WARNING),
        ("漫画 מנגה", Code.MIXED_SCRIPT_WARNING),
        ("มังงะ 漫画", Code.MIXED_SCRIPT_WARNING),
        ("𠮟る манга", Code.MIXED_SCRIPT_WARNING),
        ("p\u0430yp\u0430l", Code.MIXED_SCRIPT_WARNING),
    ],
)
def test_each_kind_of_odd_character_has_its_code(text: str, code: Code) -> None:
    assert codes(text) == [code]


def test_cyrillic_beside_latin_words_is_no_mix_but_within_a_word_it_is() -> None:
    assert codes("manga (манга)") == []
    assert codes("mangа") == [Code.MIXED_SCRIPT_WARNING]


@pytest.mark.parametrize("blank", [" ", "\u3000", "\u200b", "\u3164", "\u2800", "\u2028", " \ufeff\u00ad\ufe0f"])
def test_a_text_nobody_can_see_is_an_error_only_where_text_is_required(blank: str) -> None:
    assert is_blank(blank)
    assert Code.BLANK_TEXT in codes(blank, required=True)
    assert Code.BLANK_TEXT not in codes(blank, required=False)
    assert Code.BLANK_TEXT_WARNING in codes(blank, required=False)


def test_a_message_names_count_code_point_and_position_but_not_the_text() -> None:
    (found,) = text_problems(("query",), "password\x07 and \x00", required=True)
    assert found.message == "has 2 control character(s); the first is U+0007 at character 9"


def test_a_position_counts_the_characters_of_a_flag_before_it() -> None:
    (found,) = text_problems(("query",), f"{FLAG_OF_ENGLAND}\x00", required=True)
    assert found.message.endswith(f"at character {len(FLAG_OF_ENGLAND) + 1}")


def test_a_flag_does_not_hide_what_stands_beside_it() -> None:
    assert codes(f"{FLAG_OF_ENGLAND}\U000e0068\U000e0069") == [Code.HIDDEN_TEXT]


def test_several_kinds_are_all_told() -> None:
    assert set(codes("\x00\ud800\u202e漫画ж")) == {
        Code.CONTROL_CHARACTER,
        Code.LONE_SURROGATE,
        Code.BIDI_CONTROL,
        Code.MIXED_SCRIPT_WARNING,
    }


def test_the_shortcut_for_honest_characters_hides_no_rule() -> None:
    plain = "".join(chr(code) for code in range(sys.maxunicode + 1) if SUSPECT.match(chr(code)) is None)
    for rule in text_checks._RULES:  # noqa: SLF001 - the shortcut must be held against every rule, character by character
        assert rule.trigger.search(plain) is None, rule.name
    for script, characters in text_checks._FOREIGN.items():  # noqa: SLF001
        assert characters.search(plain) is None, script


def test_every_control_character_surrogate_and_noncharacter_is_an_error_but_tab_and_line_ends() -> None:
    harmless = {"\t", "\n", "\r", "\x85"}
    looked_at = 0
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        is_noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
        if (unicodedata.category(character) in {"Cc", "Cs"} and character not in harmless) or is_noncharacter:
            found = text_problems((), f"a{character}b", required=True)
            assert any(not each.code.is_warning for each in found), hex(code)
            looked_at += 1
    assert looked_at == 65 - len(harmless) + 2_048 + 66  # controls, surrogates, noncharacters


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_gets_an_answer_that_does_not_quote_it(text: str) -> None:
    problems = text_problems(("query",), text, required=True)
    assume(problems)
    for each in problems:
        assert each.message.isascii()
        assert each.message.isprintable()


@given(st.text(st.sampled_from("あ漢ア。、 \n")).filter(str.strip))
def test_japanese_text_is_never_a_problem(text: str) -> None:
    assert codes(text) == []
