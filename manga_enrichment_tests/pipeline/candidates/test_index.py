"""Lists of a whole catalog: who is in them, in which order, and what they do not depend on."""

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.pipeline.candidates.building import MatrixWriter
from manga_enrichment.pipeline.candidates.lists import SHOWN, STORED, Lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, DamagedIndexError, Matrix
from manga_enrichment.pipeline.candidates.method import METHOD, METHOD_VERSION, Method
from manga_enrichment.pipeline.candidates.pairs import SCORE_STEPS, Search, id_hashes
from manga_enrichment.pipeline.candidates.sparse_top import _matmul, top_of_product
from manga_enrichment_tests.pipeline.candidates.catalogs import index_of, matrix_of, numbers, record

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
def index(tmp_path_factory: pytest.TempPathFactory) -> Lists:
    return index_of(CATALOG, tmp_path_factory.mktemp("retrieval"))


def test_the_nearest_title_comes_first(index: Lists) -> None:
    assert numbers(index, KITCHEN)[0] == 2
    assert numbers(index, BAKERY)[0] == 2


def test_japanese_synopses_meet_by_their_characters(index: Lists) -> None:
    assert numbers(index, GHOST_JA)[0] == 7
    assert numbers(index, SHRINE_JA)[0] == 6


def test_a_title_alone_meets_titles_that_share_its_characters(index: Lists) -> None:
    assert numbers(index, IDOL_TITLE_ONLY)[0] == 9


def test_nobody_is_its_own_candidate_and_nobody_is_named_twice(index: Lists) -> None:
    for title in CATALOG:
        found = numbers(index, title)
        assert title.manga_id not in {f"MNG-{number:08d}" for number in found}
        assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"title": "Zo☆Ki!"}, {"title": "Zo☆Ki! R"}),
        ({"title": "86"}, {"title": "86: Second"}),
        (
            {"title": "Lanternfall", "authors": (Author("A"),)},
            {"title": "Lanternfall: Blue Mistral", "authors": (Author("B"),)},
        ),
        ({"title": "を"}, {"title": "続・を"}),
        ({"title": "霧笛", "title_kana": "ムテキ"}, {"title": "むてき番外"}),
        ({"title": "霧笛"}, {"title": "Foghorn", "synonyms": ("霧笛 海外版",)}),
        (
            {"title": "Foghorn", "authors": (Author("Mori, Hana"),)},
            {"title": "Inkwell", "authors": (Author("Hana Mori"),)},
        ),
    ],
)
def test_related_titles_find_each_other_among_strangers(
    one: dict[str, object], other: dict[str, object], tmp_path: Path
) -> None:
    pair = [MangaRecord(f"MNG-0000000{number}", **fields) for number, fields in ((1, one), (2, other))]  # type: ignore[arg-type]
    lists = index_of([*pair, *strangers(300)], tmp_path)
    assert numbers(lists, pair[0])[0] == 2
    assert numbers(lists, pair[1])[0] == 1


def strangers(count: int) -> Iterator[MangaRecord]:
    rng = random.Random(5)
    for number in range(1_000, 1_000 + count):
        title = "".join(rng.choices("bcdfglmnprtaeiou", k=rng.randint(5, 12))).capitalize()
        yield record(number, title, title_ja="".join(rng.choices("雨風空山川海森火土石花草月日星", k=4)))


def test_a_title_is_no_candidate_of_itself_however_often_it_is_listed(tmp_path: Path) -> None:
    again = [record(n, "MOONLIT KITCHEN!", themes=("Cooking",), authors=(Author("hana mori"),)) for n in range(50, 90)]
    lists = index_of([*CATALOG, *again], tmp_path)
    assert not {1, *range(50, 90)} & set(numbers(lists, KITCHEN))
    assert not {1, *range(50, 90)} & set(numbers(lists, again[0]))
    assert 2 in numbers(lists, again[0])


def test_another_work_of_the_same_name_is_a_candidate(tmp_path: Path) -> None:
    namesake = record(50, "Moonlit Kitchen", themes=("Cooking",), authors=(Author("Someone Else"),))
    assert numbers(index_of([*CATALOG, namesake], tmp_path), KITCHEN)[0] == 50


def test_a_work_that_is_listed_twice_is_named_once(tmp_path: Path) -> None:
    twice = [record(n, "Moonlit Stove", themes=("Cooking",), authors=(Author("K"),)) for n in (50, 51)]
    assert len({50, 51} & set(numbers(index_of([*CATALOG, *twice], tmp_path), KITCHEN))) == 1


def test_a_title_that_shares_nothing_has_no_candidates(tmp_path: Path) -> None:
    alone = record(50, "ξψζ")
    assert numbers(index_of([*CATALOG, alone], tmp_path), alone) == []


def test_a_short_list_is_filled_with_titles_of_its_labels_those_of_its_language_first(tmp_path: Path) -> None:
    english = [record(n, chr(0x3B1 + n % 20) * 2 + str(n), themes=("Sumo",)) for n in range(30)]
    japanese = [record(100 + n, f"霧{n}", themes=("Sumo",)) for n in range(5)]
    method = Method(minimum_share=2.0)  # nothing is found by search
    lists = index_of([*english, *japanese, record(200, "xyz")], tmp_path, method)
    found = numbers(lists, english[0])
    assert len(found) == SHOWN
    assert set(found) < set(range(1, 30))
    assert set(numbers(lists, japanese[0])[:4]) == {101, 102, 103, 104}
    assert numbers(lists, record(200, "xyz")) == []
    assert numbers(lists, english[0]) != numbers(lists, english[1])
    assert not lists.scores.any()


def lookalikes(count: int) -> Iterator[MangaRecord]:
    """Titles that tie by the hundred, as sparse catalogs do."""
    return (
        record(number, f"Title {number}", publisher_genres=("Action",), themes=(f"theme {number % 3}",))
        for number in range(count)
    )


def test_lists_do_not_depend_on_the_order_in_which_titles_come(tmp_path: Path) -> None:
    titles = list(CATALOG) + list(strangers(200))
    one = index_of(titles, tmp_path / "one")
    two = index_of(random.Random(1).sample(titles, len(titles)), tmp_path / "two")
    for of in titles:
        assert numbers(one, of) == numbers(two, of)


def test_titles_that_tie_get_whole_lists(tmp_path: Path) -> None:
    titles = list(lookalikes(600))
    lists = index_of(titles, tmp_path)
    assert all(len(numbers(lists, of)) == SHOWN for of in titles[::60])
    assert len({tuple(numbers(lists, of)) for of in titles[::60]}) > 1


def test_a_label_of_many_titles_still_finds_some(tmp_path: Path) -> None:
    """A term of more titles than `titles_per_term` is split where it is a label, and dropped where it is a piece."""
    titles = [record(n, f"{chr(0x4E00 + 7 * n)}{chr(0x5E00 + 11 * n)}", themes=("Sumo",)) for n in range(400)]
    lists = index_of(titles, tmp_path, Method(titles_per_term=30))
    assert all(len(numbers(lists, of)) >= 8 for of in titles)


def test_a_title_of_common_pieces_alone_is_searched_by_them(tmp_path: Path) -> None:
    """Every piece of "ab" is in 40 titles; only one more title has all of them."""
    pieces = [f"ab{chr(0x4E00 + n)}" for n in range(20)] + [f"{chr(0x5E00 + n)}ab" for n in range(20)]
    titles = [record(n, title) for n, title in enumerate([*pieces, "ab", "AB!"])]
    matrix = matrix_of(titles, tmp_path)
    row = matrix.rows_of(pa.array([titles[40].manga_id]))
    for few_terms, expected in ((0, set()), (8, {40, 41})):
        method = Method(titles_per_term=1, few_terms=few_terms, titles_per_common_term=50)
        [(_, hits)] = Search(matrix, method).best(row)
        best = {int(matrix.manga_id(each).removeprefix("MNG-")) for each in hits.rows[0, :2] if each != NO_TITLE}
        assert best & {40, 41} == expected


def test_a_label_is_split_into_as_many_parts_as_it_takes(tmp_path: Path) -> None:
    """600 titles by twos are 512 parts: more than a byte counts."""
    titles = [record(n, f"{chr(0x4E00 + 7 * n)}{chr(0x5E00 + 11 * n)}", themes=("Sumo",)) for n in range(600)]
    matrix = matrix_of(titles, tmp_path)
    parts = id_hashes(matrix.ids) & 511
    found: dict[int, set[int]] = {}
    for rows, hits in Search(matrix, Method(titles_per_term=2)).best(np.arange(len(matrix))):
        found |= {row: set(each.tolist()) for row, each in zip(rows.tolist(), hits.rows, strict=True)}
    mates = {row: set(np.flatnonzero(parts == part).tolist()) for row, part in enumerate(parts)}
    assert max(map(len, mates.values())) > 2
    assert all(mates[row] - {row} <= found[row] for row in found)


def test_the_score_is_the_weighted_sum_of_cosines_and_the_same_from_both_sides(tmp_path: Path) -> None:
    matrix = matrix_of([*CATALOG, *strangers(50)], tmp_path)
    [(_, hits)] = Search(matrix, METHOD).best(np.arange(len(matrix)))
    weights = dict(enumerate(METHOD.weights))
    scores = {(query, int(row)): int(score) for query, row, score in triples(hits.rows, hits.scores)}
    assert len(scores) > 1_000
    for (one, other), score in list(scores.items())[::37]:
        assert score == pytest.approx(SCORE_STEPS * cosines(matrix, one, other, weights), abs=1)
        assert scores.get((other, one), score) == score


def triples(rows: np.ndarray, scores: np.ndarray) -> Iterator[tuple[int, int, int]]:  # type: ignore[type-arg]
    for query, (found, of) in enumerate(zip(rows, scores, strict=True)):
        yield from ((query, row, score) for row, score in zip(found, of, strict=True) if row != NO_TITLE)


def cosines(matrix: Matrix, one: int, other: int, weights: dict[int, float]) -> float:
    """The plain definition, term by term."""
    sides = [dict.fromkeys(matrix.entries(np.array([row]))[1].tolist(), 0.0) for row in (one, other)]
    for side in sides:
        side.update(zip(side, matrix.idf(np.array(list(side))).tolist(), strict=True))
    total = 0.0
    for block, weight in weights.items():
        left, right = ({term: idf for term, idf in side.items() if term >> 28 == block} for side in sides)
        lengths = [sum(idf**2 for idf in side.values()) ** 0.5 for side in (left, right)]
        if all(lengths):
            total += weight * sum(left[term] * right[term] for term in left.keys() & right) / lengths[0] / lengths[1]
    return total


def test_an_index_is_found_again_on_disk(index: Lists) -> None:
    again = Lists(Matrix(index.matrix.folder))
    assert np.array_equal(again.members, index.members)
    assert again.members.shape == (len(CATALOG), STORED)


@pytest.mark.parametrize("damage", ["manifest.json", "terms", "method"])
def test_a_missing_or_damaged_index_is_one_clear_error(damage: str, tmp_path: Path) -> None:
    folder = index_of(CATALOG, tmp_path).matrix.folder
    if damage == "method":
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace(f'"method": "{METHOD_VERSION}"', '"method": "0"'))
    else:
        (folder / damage).unlink()
    with pytest.raises(DamagedIndexError, match="candidate index in"):
        Matrix(folder)


def test_titles_are_shown_as_candidates_and_found_by_their_ids(index: Lists) -> None:
    [row] = index.matrix.rows_of(pa.array([GHOST_JA.manga_id]))
    assert index.matrix.shown(row).title == GHOST_JA.title
    assert index.matrix.shown(row).hint.startswith("ホラー; 神社に住む")
    assert index.matrix.rows_of(pa.array(["MNG-ZZZZZZZZ", KITCHEN.manga_id]))[0] == NO_TITLE


def test_an_empty_catalog_has_an_index(tmp_path: Path) -> None:
    lists = index_of([], tmp_path)
    assert lists.first(lists.matrix.rows_of(pa.array([KITCHEN.manga_id])), SHOWN).tolist() == [[NO_TITLE] * SHOWN]


@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 3, 2, 3], [2, 2, 4], [4, 3], [5], []])
def test_entries_are_those_of_the_rows_in_whatever_order(rows: list[int], index: Lists) -> None:
    offsets, terms = index.matrix.entries(np.array(rows, np.int64))
    alone = [index.matrix.entries(np.array([row]))[1].tolist() for row in rows]
    assert [terms[start:end].tolist() for start, end in pairwise(offsets)] == alone


def test_rows_are_copied_with_all_they_have(index: Lists, tmp_path: Path) -> None:
    rows = np.array([7, 2, 5])
    with MatrixWriter(tmp_path) as writer:
        writer.copy(index.matrix, rows)
        copied = writer.finish({}, counted=index.matrix)
    assert [copied.shown(place) for place in range(3)] == [index.matrix.shown(row) for row in rows]
    assert np.array_equal(copied.entries(np.arange(3))[1], index.matrix.entries(rows)[1])
    assert np.allclose(copied.norms, index.matrix.norms[rows])
    assert copied.digests.tolist() == index.matrix.digests[rows].tolist()


WEIRD = (
    "",
    " ",
    "😀🎉",
    '"(a OR b) AND terms:[* TO *]"',
    "a" * 20_000,
    "魔" * 20_000,
    "\u200b\u0301",
    "\\:^~*?/",
    "\0",
)


@pytest.mark.parametrize("text", WEIRD, ids=range(len(WEIRD)))
def test_weird_texts_are_indexed_and_searched(text: str, tmp_path: Path) -> None:
    weird = [record(n, text, synopsis=text, themes=(text,), authors=(Author(text),)) for n in (50, 51)]
    lists = index_of([*CATALOG, *weird], tmp_path)
    assert 50 not in numbers(lists, weird[0])
    assert numbers(lists, KITCHEN)[0] == 2


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(titles=st.lists(st.tuples(st.text(max_size=6), st.lists(st.sampled_from("abc"), max_size=2)), max_size=30))
def test_any_catalog_has_lists_of_others(titles: list[tuple[str, list[str]]], tmp_path: Path) -> None:
    records = [record(n, title, themes=tuple(labels)) for n, (title, labels) in enumerate(titles)]
    lists = index_of(records, tmp_path)
    for number, of in enumerate(records):
        found = numbers(lists, of)
        assert number not in found
        assert len(found) == len(set(found)) <= SHOWN


def test_a_product_that_does_not_fit_is_refused_rather_than_turned_round() -> None:
    square = csr_matrix(np.eye(3, dtype=np.float32))
    with pytest.raises(ValueError, match="no product"):
        top_of_product(csr_matrix(np.ones((2, 4), np.float32)), square, 1)
    assert top_of_product(square, square, 2).toarray().tolist() == np.eye(3).tolist()


def test_the_library_is_imported_where_physical_cores_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own import fails there: it subtracts 1 from None."""
    known = psutil.cpu_count
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: known() if logical else None)
    for name in [name for name in __import__("sys").modules if name.startswith("sparse_dot_topn")]:
        monkeypatch.delitem(__import__("sys").modules, name)
    _matmul.cache_clear()
    identity = csr_matrix(np.eye(2, dtype=np.float32))
    assert top_of_product(identity, identity, 1).nnz == 2
    _matmul.cache_clear()
