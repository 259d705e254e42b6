"""What a title is cut into: what is alike is cut alike, whatever stands beside it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.pipeline.candidates.folding import folded
from manga_enrichment.pipeline.candidates.terms import (
    Block,
    author_key,
    block_of,
    is_japanese,
    terms_of,
    titles_of,
    words_of,
)


def terms(record: MangaRecord, block: Block | None = None) -> set[int]:
    _, found = terms_of([record])
    return {int(term) for term in found if block is None or block_of(term) == block}


def of(block: Block, **fields: object) -> set[int]:
    return terms(MangaRecord(manga_id="MNG-00000001", **{"title": "☆", **fields}), block)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("ＡＢＣ", "abc"),
        ("Zo☆Ki!", "zo ki"),
        ("ドラゴン", "どらごん"),
        ("チャーミング", "ちやみんぐ"),
        ("Pokémon", "pokemon"),
        ("ラーメン", "らめん"),
        ("ｱｲﾄﾞﾙ", "あいどる"),
        ("ga", "ga"),
        ("がぎぐ", "がぎぐ"),
        ("☆", "☆"),
        ("", ""),
    ],
)
def test_folding_makes_alike_what_sources_write_in_two_ways(text: str, same: str) -> None:
    assert folded(text) == same


@given(st.text(max_size=80))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_synonyms_and_readings_are_titles() -> None:
    record = MangaRecord("MNG-00000001", "霧笛", title_en="Foghorn", title_kana="ムテキ", synonyms=("Muteki", "霧笛"))
    assert titles_of(record) == ["霧笛", "foghorn", "むてき", "muteki"]


def test_a_reading_in_katakana_meets_one_in_hiragana() -> None:
    assert of(Block.TITLES, title="霧笛", title_kana="ムテキ") & of(Block.TITLES, title="むてき")


@pytest.mark.parametrize("title", ["を", "A", "86", "Z", "燐"])
def test_a_title_of_a_letter_or_two_shares_terms_with_its_sequel(title: str) -> None:
    assert of(Block.TITLES, title=title) & of(Block.TITLES, title=f"{title}: Second")
    assert of(Block.HEADS, title=title) & of(Block.HEADS, title=f"{title}: Second")


def test_heads_are_beginnings_and_words_not_middles() -> None:
    assert of(Block.HEADS, title="Lanternfall") & of(Block.HEADS, title="Lanternfall Blue Mistral")
    assert of(Block.HEADS, title="Lanternfall") & of(Block.HEADS, title="The Blue Lanternfall")
    assert not of(Block.HEADS, title="Lanternfall") & of(Block.HEADS, title="The Blueish Lanternfalls")
    assert of(Block.TITLES, title="Lanternfall") & of(Block.TITLES, title="The Blueish Lanternfalls")


def test_spaces_make_no_difference_but_to_words() -> None:
    assert of(Block.TITLES, title="Fountain Stone Crest") == of(Block.TITLES, title="Fountainstonecrest")
    assert of(Block.HEADS, title="Fountain Stone Crest") > of(Block.HEADS, title="Fountainstonecrest")


def test_words_of_a_title_are_among_its_heads() -> None:
    assert set(words_of("Stone Crest!").tolist()) < of(Block.HEADS, title="Fountain Stone: CREST")
    assert len(words_of("stone stone crest")) == 2
    assert not len(words_of(""))


@pytest.mark.parametrize(
    ("one", "other"),
    [("Mori, Hana", "Hana Mori"), ("尾田 栄一郎", "尾田栄一郎"), ("ＡＢＥ Ｋｏ", "ko abe"), ("Ōta Jun", "Jun Ota")],
)
def test_a_name_is_the_same_in_another_order_or_width(one: str, other: str) -> None:
    assert author_key(one) == author_key(other)
    assert of(Block.AUTHORS, authors=(Author(one),)) == of(Block.AUTHORS, authors=(Author(other, "story"),))


def test_genres_themes_and_demographics_are_one_kind() -> None:
    assert of(Block.LABELS, themes=("Time-Travel",)) == of(Block.LABELS, publisher_genres=("ｔｉｍｅ travel",))
    assert of(Block.LABELS, demographics=("Seinen",)) == of(Block.LABELS, themes=("seinen",))


def test_words_of_a_synopsis_meet_by_their_beginnings_and_without_stop_words() -> None:
    assert of(Block.SYNOPSIS, synopsis="The adventurers") == of(Block.SYNOPSIS, synopsis="an ADVENTURE")
    assert not of(Block.SYNOPSIS, synopsis="They were about their own")
    assert len(of(Block.SYNOPSIS, synopsis="Café №7 ab")) == 1


def test_kanji_meet_by_twos_katakana_by_threes_and_hiragana_not_at_all() -> None:
    assert len(of(Block.SYNOPSIS, synopsis="魔法学園")) == 3
    assert len(of(Block.SYNOPSIS, synopsis="アイドル")) == 2
    assert len(of(Block.SYNOPSIS, synopsis="剣")) == 1
    assert not of(Block.SYNOPSIS, synopsis="していたのである。")
    assert of(Block.SYNOPSIS, synopsis="古い魔法だ") <= of(Block.SYNOPSIS, synopsis="魔法していた古い")


def test_entries_of_one_work_share_a_key_and_namesakes_do_not() -> None:
    work = {"title": "Moon Kitchen", "title_ja": "月の台所"}
    first = of(Block.WORKS, **work, authors=(Author("A. Sato"),))
    assert first & of(Block.WORKS, title="月の台所!", authors=(Author("B"), Author("sato a")))
    assert not first & of(Block.WORKS, title="Moon Kitchen", authors=(Author("Someone Else"),))
    assert not of(Block.WORKS, **work)


def test_only_japanese_scripts_are_japanese() -> None:
    assert [is_japanese(title) for title in ("霧", "かな", "カナ", "Kana", "드래곤", "86")] == [True] * 3 + [False] * 3


TEXTS = st.text(max_size=30)
RECORDS = st.builds(
    MangaRecord,
    st.just("MNG-00000001"),
    TEXTS,
    title_kana=st.none() | TEXTS,
    synonyms=st.lists(TEXTS, max_size=3).map(tuple),
    authors=st.lists(st.builds(Author, TEXTS), max_size=3).map(tuple),
    themes=st.lists(TEXTS, max_size=3).map(tuple),
    synopsis=st.none() | st.text(max_size=200),
)


@given(st.lists(RECORDS, max_size=6))
def test_titles_cut_together_are_cut_as_each_alone(records: Sequence[MangaRecord]) -> None:
    offsets, found = terms_of(records)
    assert len(offsets) == len(records) + 1
    for number, record in enumerate(records):
        own = found[offsets[number] : offsets[number + 1]].tolist()
        assert own == sorted(terms(record))


@given(text=st.text(), many=st.lists(st.text(), max_size=30))
def test_any_text_gives_terms_in_bounds(text: str, many: list[str]) -> None:
    record = MangaRecord(
        "MNG-00000001", text * 50, synopsis=text * 50, themes=tuple(many), authors=tuple(map(Author, many))
    )
    found = terms(record)
    assert all(0 <= term < 2**31 and term >> 28 <= max(Block) for term in found)
    assert len(found) < 3_000
