"""Titles half remembered, misspelt, read aloud, named by their author or by what they are like."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.pipeline.candidates.asking import Asking, Found
from manga_enrichment.pipeline.candidates.folding import kana_of
from manga_enrichment_tests.pipeline.candidates.catalogs import index_of, record


def strangers(count: int) -> Iterator[MangaRecord]:
    rng = random.Random(5)
    labels = ("Action", "Drama", "Sports")
    for number in range(1_000, 1_000 + count):
        title = " ".join("".join(rng.choices("bcdfglmnprtaeiou", k=rng.randint(4, 9))) for _ in range(2)).title()
        title_ja = "".join(rng.choices("雨風空山川海森火土石花草月日星", k=4))
        yield record(number, title, title_ja=title_ja, publisher_genres=(rng.choice(labels),))


CATALOG = [
    record(
        1, "霧笛の港町", title_kana="ムテキノミナトマチ", title_en="The Foghorn Harbor", authors=(Author("朝凪 透"),)
    ),
    record(2, "Lanternfall", authors=(Author("Mori, Hana"),), publisher_genres=("Fantasy",), demographics=("Seinen",)),
    record(
        3, "Lanternfall Kids", authors=(Author("Aoki, Ren"),), publisher_genres=("Fantasy",), demographics=("Kodomo",)
    ),
    record(4, "Inkwell Street", authors=(Author("Hana Mori"),), publisher_genres=("Drama",)),
    record(
        5, "Night Teeth", publisher_genres=("Romance", "Comedy"), themes=("School",), synopsis="A vampire transfers in."
    ),
    record(6, "Silent Gym", publisher_genres=("Romance",), themes=("School",), synopsis="Two rivals of a judo club."),
    record(7, "骨の館", publisher_genres=("ホラー",), synopsis="館に棲む何かの話。"),
    record(8, "Attack on the Tin Tower", publisher_genres=("Action",)),
    *strangers(300),
]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    return Asking(index_of(CATALOG, tmp_path_factory.mktemp("asking")))


def first(asking: Asking, question: str) -> Found:
    return asking.find(question)[0]


def number(found: Found) -> int:
    return int(found.manga_id.removeprefix("MNG-"))


def test_whole_words_count_more_than_the_same_letters(tmp_path: Path) -> None:
    titles = [record(1, "Amber Xyl Station"), record(2, "Amberstationers"), record(3, "Amber Xylophone Stations")]
    asking = Asking(index_of([*titles, *strangers(50)], tmp_path))
    assert number(first(asking, "amber station")) == 1
    assert number(first(asking, "amberstation")) == 2


def test_a_word_alone_finds_nothing_that_its_letters_do_not(tmp_path: Path) -> None:
    """It is in a title of many other letters: what is shared is below chance."""
    long = record(1, "Amber " + " ".join(f"{chr(97 + n)}{n * 7919}q{n}" for n in range(26)))
    asking = Asking(index_of([long, *strangers(50)], tmp_path))
    assert not [found for found in asking.find("please who said amber never indeed") if number(found) == 1]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("霧笛の港町", 1),
        ("霧笛の港", 1),
        ("霧の港町", 1),
        ("むてきのみなとまち", 1),
        ("ムテキノミナト", 1),
        ("muteki no minatomachi", 1),
        ("foghorn harbour", 1),
        ("fogorn harbor", 1),
        ("lanternfal", 2),
        ("LANTERNFALL", 2),
        ("attack tower", 8),
        ("tin tower attack", 8),
        ("朝凪透", 1),
        ("朝凪透の港の話", 1),
    ],
)
def test_a_title_is_found_by_what_is_left_of_it(question: str, expected: int, asking: Asking) -> None:
    assert number(first(asking, question)) == expected


@pytest.mark.parametrize("question", ["Hana Mori", "mori hana", "stories by Hana Mori"])
def test_an_author_finds_their_titles_in_either_order_of_the_name(question: str, asking: Asking) -> None:
    found = asking.find(question)
    assert {number(each) for each in found[:2]} == {2, 4}
    assert all(any(reason.startswith("author") for reason in each.reasons) for each in found[:2])


def test_like_a_title_but_for_children(asking: Asking) -> None:
    found = asking.find("like Lanternfall but for children")
    assert number(found[0]) == 3
    assert found[0].reasons[0] == "like Lanternfall"
    assert any("children" in reason for reason in found[0].reasons)
    assert 2 not in map(number, found)


@pytest.mark.parametrize("question", ["something like lanternfall", "Lanternfallみたいな話", "Lanternfallのような漫画"])
def test_like_a_title_in_either_language(question: str, asking: Asking) -> None:
    found = asking.find(question)
    assert number(found[0]) == 3
    assert found[0].reasons == ("like Lanternfall",)


def test_genres_are_understood_in_either_language(asking: Asking) -> None:
    assert number(first(asking, "horror")) == 7
    assert number(first(asking, "ホラー漫画")) == 7
    assert {number(each) for each in asking.find("恋愛")[:2]} == {5, 6}
    assert "label 恋愛" in first(asking, "恋愛").reasons


def test_labels_and_words_of_the_plot_go_together(asking: Asking) -> None:
    found = first(asking, "school romance comedy with a vampire")
    assert number(found) == 5
    assert {"label school", "label comedy"} <= set(found.reasons)


def test_a_name_like_nobodys_is_asked_as_a_title(asking: Asking) -> None:
    assert asking.find("like Qqxxzz") == asking.find("like Qqxxzz")
    assert all("like" not in reason for each in asking.find("like Qqxxzz") for reason in each.reasons)


@pytest.mark.parametrize("question", ["", "   ", "???", "\0", "のののの"])
def test_a_question_that_says_nothing_finds_nothing_that_it_did_not_say(question: str, asking: Asking) -> None:
    assert all(each.score > 0 for each in asking.find(question))


def test_no_more_than_asked_for_best_first_and_the_same_every_time(asking: Asking) -> None:
    found = asking.find("drama", 5)
    assert len(found) == 5
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert found == asking.find("drama", 5)


def test_an_empty_catalog_answers_nothing(tmp_path: Path) -> None:
    assert Asking(index_of([], tmp_path)).find("Lanternfall") == []


@settings(max_examples=50, deadline=None)
@given(question=st.text(max_size=60))
def test_any_text_can_be_asked(question: str, asking: Asking) -> None:
    assert len(asking.find(question, 3)) <= 3


@pytest.mark.parametrize(
    ("typed", "kana"),
    [
        ("Chihayafuru", "ちはやふる"),
        ("shingeki no kyojin", "しんげき の きょじん"),
        ("kitte", "きって"),
        ("matcha", "まっちゃ"),
        ("shimbun", "しんぶん"),
        ("Jojo", "じょじょ"),
        ("Lanternfall", None),
        ("霧", None),
        ("", None),
    ],
)
def test_romaji_is_read_as_kana_and_other_languages_are_not(typed: str, kana: str | None) -> None:
    assert kana_of(typed) == kana
