import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.pipeline.catalog.candidate_terms import kind_of, terms, work_keys


def words(**fields: object) -> set[str]:
    record = MangaRecord(manga_id="MNG-00000001", **{"title": "☆", **fields})  # type: ignore[arg-type]
    return {term.partition(":")[2] for term in terms(record) if kind_of(term) == "word"}


def test_labels_and_names_are_compared_whole_whatever_their_width_case_and_spaces() -> None:
    one = MangaRecord("MNG-00000001", "☆", themes=("Time-Travel",), authors=(Author("尾田 栄一郎"),))
    two = MangaRecord("MNG-00000002", "☆", themes=("ｔｉｍｅ travel",), authors=(Author("尾田栄一郎", "story"),))
    assert terms(one) == terms(two)
    assert {"label:timetravel", "author:尾田栄一郎"} <= terms(one).keys()


def test_genres_and_themes_are_one_kind_because_sources_disagree_which_is_which() -> None:
    assert terms(MangaRecord("MNG-00000001", "☆", themes=("School",))) == terms(
        MangaRecord("MNG-00000002", "☆", publisher_genres=("School",))
    )


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("The Adventurers", {"advent"}),
        ("魔法学園", {"魔法", "法学", "学園"}),
        ("剣と魔法", {"剣", "魔法"}),
        ("アイドル", {"アイド", "イドル"}),
        ("ｱｲﾄﾞﾙ", {"アイド", "イドル"}),
        ("ちはやふる", {"ちはや", "はやふ", "やふる"}),
        ("Café №7", {"café"}),
        ("드래곤 소년", {"드래곤", "소년"}),
        ("😀 !? 2", set()),
    ],
)
def test_text_is_cut_by_script(title: str, expected: set[str]) -> None:
    assert words(title=title) == expected


def test_hiragana_counts_in_titles_only_because_in_sentences_it_is_grammar() -> None:
    assert words(synopsis="していたのである。魔法") == {"魔法"}


def test_a_label_also_counts_as_words_so_that_it_meets_synopses() -> None:
    assert "vampir" in words(themes=("Vampires",)) & words(synopsis="A vampire moves in.")


def test_a_title_word_weighs_more_than_a_synopsis_word() -> None:
    weights = terms(MangaRecord("MNG-00000001", "Dragon", synopsis="A dragon meets a wizard."))
    assert weights["word:dragon"] > weights["word:wizard"]


def test_entries_of_one_work_share_a_key_and_namesakes_do_not() -> None:
    first = MangaRecord("MNG-00000001", "Moon Kitchen", title_ja="月の台所", authors=(Author("A. Sato", "story"),))
    again = MangaRecord("MNG-00000002", "月の台所!", authors=(Author("B"), Author("a sato")))
    namesake = MangaRecord("MNG-00000003", "Moon Kitchen", authors=(Author("Someone Else"),))
    anonymous = MangaRecord("MNG-00000004", "Moon Kitchen")
    assert set(work_keys(first)) & set(work_keys(again))
    assert not set(work_keys(first)) & set(work_keys(namesake))
    assert work_keys(anonymous) == ()


def test_titles_of_signs_alone_are_still_told_apart() -> None:
    hearts, stars = (MangaRecord("MNG-00000001", title, authors=(Author("A"),)) for title in ("♥♥", "★"))
    assert work_keys(hearts) != work_keys(stars)


@given(text=st.text(), many=st.lists(st.text(), max_size=30))
def test_any_text_gives_positive_weights_and_bounded_terms(text: str, many: list[str]) -> None:
    record = MangaRecord(
        "MNG-00000001", text * 50, synopsis=text * 50, themes=tuple(many), authors=tuple(map(Author, many))
    )
    found = terms(record)
    assert all(weight > 0 for weight in found.values())
    assert all(len(term) < 2_000 for term in found)
    assert len(found) < 3_000
