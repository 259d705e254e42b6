"""What a terminal and a renderer of Markdown get to see of hostile text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.text.shown import escaped, escaped_lines, inert

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("灯台の\u3000漫画", "灯台の\u3000漫画"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("a\u202eb\u200bc", "a\\u202eb\\u200bc"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_an_escape(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_line_breaks_may_stay_and_nothing_else_does() -> None:
    assert escaped_lines("one\n\x1b[2Jtwo\r\n") == "one\n\\x1b[2Jtwo\\r\n"


@given(ANY_TEXT)
def test_no_text_whatever_reaches_a_terminal_as_control_codes(text: str) -> None:
    shown = escaped(text).translate({0x3000: " ", 0xA0: " "})
    assert shown.isprintable()
    shown.encode()


@given(ANY_TEXT)
def test_no_text_whatever_gets_out_of_its_code_or_its_cell(text: str) -> None:
    cell = inert(text)
    assert (cell == "") == (text == "")
    if cell:
        assert (cell[0], cell[-1], cell.count("`")) == ("`", "`", 2)
    assert "|" not in cell
    assert "\n" not in cell
