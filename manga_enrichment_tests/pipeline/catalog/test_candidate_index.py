import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.pipeline.catalog.candidate_index import CandidateIndex, CandidateIndexError, rarest_within


def record(number: int, title: str, **fields: object) -> MangaRecord:
    return MangaRecord(f"MNG-{number:08d}", title, **fields)  # type: ignore[arg-type]


def numbers(index: CandidateIndex, of: MangaRecord, limit: int = 20) -> list[int]:
    return [int(candidate.manga_id.removeprefix("MNG-")) for candidate in index.candidates(of, limit)]


KITCHEN = record(
    1,
    "Moonlit Kitchen",
    publisher_genres=("Comedy", "Slice of Life"),
    themes=("Cooking",),
    demographics=("Seinen",),
    magazines=("Weekly Ladle",),
    authors=(Author("Hana Mori"),),
    synopsis="A retired knight opens a kitchen in a border town and cooks for travellers.",
)
TAVERN = record(
    2,
    "The Tavern at the Pass",
    publisher_genres=("Slice of Life", "Comedy"),
    themes=("Cooking",),
    demographics=("Seinen",),
    synopsis="An old knight and an orphan cook for every traveller who crosses the border.",
)
BAKERY = record(3, "Bakery Rivals", publisher_genres=("Comedy",), themes=("Cooking",), demographics=("Shoujo",))
BASEBALL = record(4, "Last Inning", publisher_genres=("Sports",), themes=("Baseball",), demographics=("Seinen",))
MECHA = record(5, "Iron Orbit", publisher_genres=("Sci-Fi",), magazines=("Weekly Ladle",))
GHOST_JA = record(
    6, "幽霊神社の夏", publisher_genres=("ホラー",), synopsis="神社に住む幽霊の少女と、夏休みの少年が約束を交わす。"
)
SHRINE_JA = record(7, "神社の猫", synopsis="夏祭りの夜、神社に現れた幽霊と猫が少年を助ける。")
ROBOT_JA = record(8, "銀河機械戦記", synopsis="銀河帝国の機械兵が反乱を起こす。")
IDOL_JA = record(9, "キラキラアイドル学園", demographics=("少女",))
IDOL_TITLE_ONLY = record(10, "アイドル！")
CATALOG = (KITCHEN, TAVERN, BAKERY, BASEBALL, MECHA, GHOST_JA, SHRINE_JA, ROBOT_JA, IDOL_JA, IDOL_TITLE_ONLY)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CandidateIndex:
    return CandidateIndex.build(CATALOG, tmp_path_factory.mktemp("retrieval") / "index")


def test_the_nearest_title_comes_first(index: CandidateIndex) -> None:
    assert numbers(index, KITCHEN) == [2, 3]


def test_japanese_synopses_meet_by_their_characters(index: CandidateIndex) -> None:
    assert numbers(index, GHOST_JA) == [7]
    assert numbers(index, SHRINE_JA) == [6]


def test_a_title_alone_meets_titles_that_share_its_characters(index: CandidateIndex) -> None:
    assert numbers(index, IDOL_TITLE_ONLY) == [9]


def test_a_shared_audience_or_magazine_alone_makes_no_candidate(index: CandidateIndex) -> None:
    assert not {4, 5} & set(numbers(index, KITCHEN))
    assert numbers(index, record(99, "☆", demographics=("Seinen",), magazines=("Weekly Ladle",))) == []


def test_a_shared_audience_decides_between_equals(index: CandidateIndex, tmp_path: Path) -> None:
    twins = [record(n, "☆", themes=("Cooking",), demographics=(d,)) for n, d in ((1, "Josei"), (2, "Seinen"))]
    assert numbers(CandidateIndex.build(twins, tmp_path / "index"), KITCHEN) == [2]
    of = record(99, "☆", themes=("Cooking",), demographics=("Seinen",))
    assert numbers(CandidateIndex.build(twins, tmp_path / "index"), of) == [2, 1]


def test_a_title_is_no_candidate_of_itself_however_often_it_is_listed(tmp_path: Path) -> None:
    again = [record(n, "MOONLIT KITCHEN!", themes=("Cooking",), authors=(Author("hana mori"),)) for n in range(50, 90)]
    index = CandidateIndex.build([*CATALOG, *again], tmp_path / "index")
    assert numbers(index, KITCHEN) == [2, 3]


def test_another_work_of_the_same_name_is_a_candidate(tmp_path: Path) -> None:
    namesake = record(50, "Moonlit Kitchen", themes=("Cooking",), authors=(Author("Someone Else"),))
    index = CandidateIndex.build([*CATALOG, namesake], tmp_path / "index")
    assert 50 in numbers(index, KITCHEN)


def test_a_work_that_is_listed_twice_is_named_once(tmp_path: Path) -> None:
    twice = [record(n, "Stove Wars", themes=("Cooking",), authors=(Author("K"),)) for n in (50, 51)]
    index = CandidateIndex.build([*CATALOG, *twice], tmp_path / "index")
    assert len({50, 51} & set(numbers(index, KITCHEN))) == 1


def test_no_more_than_the_limit_is_returned(index: CandidateIndex) -> None:
    assert [len(numbers(index, KITCHEN, limit)) for limit in (0, 1, 2, 3)] == [0, 1, 2, 2]


def test_a_record_need_not_be_in_the_index(index: CandidateIndex) -> None:
    assert numbers(index, record(99, "☆", themes=("Baseball",))) == [4]


def test_a_candidate_carries_what_the_model_is_told(index: CandidateIndex) -> None:
    shown = index.candidates(KITCHEN)[0]
    assert shown.title == "The Tavern at the Pass"
    assert shown.hint.startswith("Slice of Life, Comedy, Cooking, Seinen; An old knight")


def test_a_query_reads_the_rarest_terms_that_fit_and_the_rarest_in_any_case() -> None:
    frequencies = {"common": 700, "rare": 2, "usual": 90}
    assert rarest_within(1_000, frequencies) == ["rare", "usual", "common"]
    assert rarest_within(100, frequencies) == ["rare", "usual"]
    assert rarest_within(1, frequencies) == ["rare"]
    assert rarest_within(1_000, {}) == []


def lookalikes(count: int) -> Iterator[MangaRecord]:
    """Titles that tie by the hundred, as sparse catalogs do."""
    return (
        record(number, f"Title {number}", publisher_genres=("Action",), themes=(f"theme {number % 3}",))
        for number in range(count)
    )


def test_two_builds_give_the_same_answers_in_whatever_order_titles_come(tmp_path: Path) -> None:
    titles = list(lookalikes(600))
    shuffled = random.Random(1).sample(titles, len(titles))
    one = CandidateIndex.build(titles, tmp_path / "one")
    two = CandidateIndex.build(shuffled, tmp_path / "two")
    for of in titles[::60]:
        assert one.candidates(of) == two.candidates(of)
        assert len(one.candidates(of)) == 20


def test_a_built_index_is_found_again_on_disk(tmp_path: Path) -> None:
    built = CandidateIndex.build(CATALOG, tmp_path / "index")
    assert CandidateIndex.open(tmp_path / "index").candidates(KITCHEN) == built.candidates(KITCHEN)


def test_a_new_build_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    CandidateIndex.build(CATALOG, tmp_path / "index")
    CandidateIndex.build([BAKERY], tmp_path / "index")
    assert numbers(CandidateIndex.open(tmp_path / "index"), KITCHEN) == [3]
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_build_that_fails_leaves_the_old_index_as_it_was(tmp_path: Path) -> None:
    def broken() -> Iterator[MangaRecord]:
        yield BAKERY
        raise OSError("the catalog went away")

    CandidateIndex.build(CATALOG, tmp_path / "index")
    with pytest.raises(OSError, match="went away"):
        CandidateIndex.build(broken(), tmp_path / "index")
    assert numbers(CandidateIndex.open(tmp_path / "index"), KITCHEN) == [2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_missing_index_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CandidateIndexError, match="no candidate index in"):
        CandidateIndex.open(tmp_path / "nowhere")


def test_a_damaged_index_is_one_clear_error(tmp_path: Path) -> None:
    CandidateIndex.build(CATALOG, tmp_path / "index")
    (tmp_path / "index" / "meta.json").write_text("{")
    with pytest.raises(CandidateIndexError, match="build it again"):
        CandidateIndex.open(tmp_path / "index")


def test_a_folder_of_something_else_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CandidateIndexError, match="something else"):
        CandidateIndex.build(CATALOG, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_empty_catalog_has_an_index_without_candidates(tmp_path: Path) -> None:
    assert CandidateIndex.build([], tmp_path / "index").candidates(KITCHEN) == []


WEIRD = ("", " ", "😀🎉", '"(a OR b) AND terms:[* TO *]"', "a" * 20_000, "魔" * 20_000, "\u200b\u0301", "\\:^~*?/")


@pytest.mark.parametrize("text", WEIRD, ids=range(len(WEIRD)))
def test_weird_texts_are_indexed_and_searched(text: str, tmp_path: Path) -> None:
    weird = [record(n, text, synopsis=text, themes=(text,), authors=(Author(text),)) for n in (50, 51)]
    index = CandidateIndex.build([*CATALOG, *weird], tmp_path / "index")
    assert 50 not in numbers(index, weird[0])
    assert numbers(index, KITCHEN) == [2, 3]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text(), synopsis=st.none() | st.text(), labels=st.lists(st.text(), max_size=4))
def test_any_text_can_be_searched(index: CandidateIndex, title: str, synopsis: str | None, labels: list[str]) -> None:
    of = record(99, title, synopsis=synopsis, themes=tuple(labels), authors=tuple(map(Author, labels)))
    found = numbers(index, of)
    assert len(found) == len(set(found)) <= 20
