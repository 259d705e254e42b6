"""Looking things up among all titles and terms: by shortcuts that give what going through all would give."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.pipeline.candidates import matrix as matrix_module
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Known, gathered
from manga_enrichment.pipeline.candidates.method import METHOD
from manga_enrichment.pipeline.candidates.pairs import Search
from manga_enrichment_tests.pipeline.candidates.catalogs import matrix_of, record

TERMS = st.integers(0, 40) | st.integers(0, 2**31 - 1) | st.integers(0, 400).map(lambda number: number << 12)
"""The last bits of many are alike."""


@given(known=st.sets(TERMS, min_size=1), asked=st.lists(TERMS))
def test_a_term_is_found_where_it_is_also_beside_others_with_its_last_bits(known: set[int], asked: list[int]) -> None:
    terms = sorted(known)
    wanted = [*asked, *terms]
    places, is_known = Known(np.array(terms, np.int32)).places(np.array(wanted, np.int32))
    assert is_known.tolist() == [each in known for each in wanted]
    found = [terms[place] for place, each in zip(places.tolist(), wanted, strict=True) if each in known]
    assert found == [each for each in wanted if each in known]


def test_the_table_of_last_bits_does_not_grow_without_end() -> None:
    few, many = (Known(np.arange(count, dtype=np.int32)) for count in (1_000, 3_000_000))
    assert len(few._guesses) < 17_000  # noqa: SLF001
    assert len(many._guesses) == 2**matrix_module.MOST_LAST_BITS  # noqa: SLF001
    assert many.places(np.array([2_999_999, 3_000_000], np.int32))[1].tolist() == [True, False]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(sorted)))
def test_pieces_stand_in_a_row(bounds: list[list[int]]) -> None:
    values = np.arange(30)
    starts, ends = (np.array([each[place] for each in bounds], np.int64) for place in (0, 1))
    expected = [number for start, end in bounds for number in range(30)[start:end]]
    assert gathered(values, starts, ends).tolist() == expected


@pytest.mark.parametrize(
    "manga_id", ["", "MNG-", "MNG-0000000", "MNG-000000001", "MNG-000000011", "XXX-00000001", "00000001", "MNG-１"]
)
def test_what_is_no_id_is_no_title(manga_id: str, tmp_path: Path) -> None:
    matrix = matrix_of([record(1, "Moonlit Kitchen"), record(2, "Fox of the Eaves")], tmp_path)
    ids = pa.array([manga_id, "MNG-00000002", "MNG-00000001"])
    assert matrix.rows_of(ids).tolist() == [NO_TITLE, 1, 0]
    assert matrix.rows_of(ids[1:]).tolist() == [1, 0]
    assert matrix.rows_of(ids[:0]).tolist() == []


def test_few_titles_asked_alone_find_what_they_find_among_all(tmp_path: Path) -> None:
    words = ["amber", "fox", "moon", "kitchen", "tower", "river", "glass", "paper"]
    titles = [record(n, f"{words[n % 8]} {words[n // 8 % 8]} {words[n // 64 % 8]} {n}") for n in range(400)]
    search = Search(matrix_of(titles, tmp_path), METHOD)
    [(_, all_hits)] = search.best(np.arange(400))
    some = np.array([3, 77, 78, 399])
    [(_, hits)] = search.best(some)
    assert (hits.scores[:, 0] > 0).all()
    assert hits.rows.tolist() == all_hits.rows[some].tolist()
    assert hits.scores.tolist() == all_hits.scores[some].tolist()
