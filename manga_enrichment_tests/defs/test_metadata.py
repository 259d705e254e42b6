"""Previews in the UI: whatever a partner or a model wrote is shown, and nothing of it is rendered."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from manga_enrichment.defs.shared.metadata import markdown_table
from manga_enrichment.defs.shared.tables import plain, preview_of

HOSTILE = [
    "[click](https://evil.example/)",
    "![seen](https://evil.example/pixel.png)",
    "[x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "<https://evil.example>",
    "https://evil.example/bare",
    "www.evil.example",
    "mail@evil.example",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "&lt;script&gt;",
    "`code` ends here [x](https://evil.example/)",
    "``two`` [x](https://evil.example/)",
    "cell | [x](https://evil.example/) | cell",
    "back\\`slash [x](https://evil.example/)",
    "back\\| [x](https://evil.example/)",
    "ends in \\",
    "**bold** _thin_ ~~gone~~ # head",
    "line\n\n# head\n- [x](https://evil.example/)\n",
    "esc\x1b[2J \u202e[x](https://evil.example/)",
    "[ref]: https://evil.example/",
    "x" * 78 + "` [x](https://evil.example/)",
]


def tokens(markdown: str) -> list[Token]:
    """All that a renderer would act on, HTML allowed."""
    found = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    return [inner for token in found for inner in (token, *(token.children or ()))]


def assert_one_inert_row(rows: list[dict[str, Any]]) -> None:
    seen = tokens(markdown_table(rows))
    kinds = [token.type for token in seen]
    assert {kind for kind in kinds if not kind.startswith(("table", "thead", "tbody", "tr", "th", "td"))} <= {
        "inline",
        "text",
        "code_inline",
    }
    assert kinds.count("tr_open") == 2
    assert kinds.count("td_open") == kinds.count("th_open") == len(rows[0])
    assert kinds.count("code_inline") == sum(isinstance(value, str) and value != "" for value in rows[0].values())


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_hostile_text_is_rendered(text: str) -> None:
    assert_one_inert_row([{"title": text, "number": 1, "beside": text}])


@given(st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from("`|\\[]()<>!*_ \n#a")))
def test_nothing_of_any_text_is_rendered(text: str) -> None:
    assert_one_inert_row([{"title": text, "number": 0.5, "beside": "x"}])


def test_lists_and_structs_of_an_answer_are_inert_too() -> None:
    similar = [{"manga_id": "MNG-ABCD1234", "reason": "![x](https://evil.example/)"}]
    markdown = markdown_table([{"similar_titles": similar, "none": None, "yes": True, "share": 0.25, "empty": ""}])
    kinds = [token.type for token in tokens(markdown)]
    assert not {"link_open", "image", "html_inline"} & set(kinds)
    assert markdown.splitlines()[2].endswith("| `None` | True | 0.25 |  |")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        ([], "–"),
        ("", "–"),
        (True, "yes"),
        (7, 7),
        (0.925, "0.93"),
        (["war", "love"], "war, love"),
        ([{"genre": "drama", "confidence": 0.7}, {"genre": "war", "confidence": None}], "drama 0.70, war"),
    ],
)
def test_a_value_of_a_table_is_written_as_people_write_it(value: object, words: str | int) -> None:
    assert plain(value) == words


def test_a_preview_has_names_without_underscores_and_nothing_of_it_is_rendered() -> None:
    metadata = preview_of([{"title": "[x](https://evil.example/)", "primary_genre": "drama"}])
    markdown = str(metadata["preview"].value)
    assert markdown.startswith("| title | primary genre |")
    assert not {"link_open", "image"} & {token.type for token in tokens(markdown)}
    assert preview_of([]) == {}


def test_the_text_stays_readable_and_is_cut() -> None:
    (row,) = markdown_table([{"title": "港の灯台 & co", "long": "y" * 100}]).splitlines()[2:]
    assert row == f"| `港の灯台 & co` | `{'y' * 79}…` |"
