"""Readings, spoilers, links, joined characters."""

import pytest

from manga_enrichment.domain.catalog.text import clean_line, clean_synopsis

FAMILY_OF_TWO = "\U0001f469\u200d\U0001f467"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    "title",
    [
        f"{FAMILY_OF_TWO} Days",
        f"{ENGLAND} Days",
        "❤️\u200d🔥",
        "می\u200cخواهم",  # Persian: without the non-joiner it is another word
        "क्\u200dष",  # Hindi: the joiner keeps the half form
        "ক্\u200cষ",
    ],
)
def test_joiners_stay_where_they_join(title: str) -> None:
    assert clean_line(title) == title


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("Har\u200dbor", "Harbor"),
        ("港\u200c町", "港町"),
        ("\u200dHarbor\u200c", "Harbor"),
        (f"{FAMILY_OF_TWO}\u200d\u200d", FAMILY_OF_TWO),
        ("<ruby>灯籠<rt>とうろう</rt></ruby>の夜", "灯籠の夜"),
        ("<ruby><rb>灯籠</rb><rp>(</rp><rt>とうろう</rt><rp>)</rp></ruby>", "灯籠"),
        ("<RUBY>灯<RT>とう<RT>ろ</RUBY>", "灯"),
        ("&lt;ruby&gt;灯&lt;rt&gt;とう&lt;/rt&gt;&lt;/ruby&gt;", "灯"),
    ],
)
def test_what_joins_nothing_and_readings_go(dirty: str, clean: str) -> None:
    assert clean_line(dirty) == clean


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("He is ~!the ghost!~ alone.", "He is alone."),
        ("He is [spoiler]the ghost[/spoiler] alone.", "He is alone."),
        ("He is [spoiler=end]the\nghost[/spoiler] alone.", "He is alone."),
        ("He is <spoiler>the ghost</spoiler> alone.", "He is alone."),
        ('He is <span class="spoiler">the ghost</span> alone.', "He is alone."),
        ("He is ||the ghost|| alone.", "He is alone."),
        ("See [the *first* part](https://x.example/a_1) here.", "See the *first* part here."),
        ('Cover ![of one](/a.png "One") here.', "Cover of one here."),
        ("[b]Bold[/b] and [url=https://x.example]a link[/url]", "Bold and a link"),
        ("Nothing ends ~! here", "Nothing ends ~! here"),
        ("A [note] (in brackets) stays", "A [note] (in brackets) stays"),
    ],
)
def test_spoilers_are_cut_and_links_are_their_text(dirty: str, clean: str) -> None:
    assert clean_synopsis(dirty) == clean
    assert clean_synopsis(clean) == clean


@pytest.mark.parametrize("piece", ["~!", "[spoiler]", "||", "[a](", "<ruby>", "<rt>", "[b]", "<p spoiler>"])
def test_a_long_hostile_text_is_read_in_one_go(piece: str) -> None:
    clean_synopsis(piece * 3_000)
