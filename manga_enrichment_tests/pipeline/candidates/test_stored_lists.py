"""Today's table of lists: put together from stored and fresh ones, some titles at a time."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.stored_lists import _SCHEMA, Stored
from manga_enrichment_tests.pipeline.candidates.catalogs import matrix_of, record

TITLES = 9
IDS = [record(number, "").manga_id for number in range(TITLES)]
LISTS = st.lists(st.lists(st.integers(0, TITLES - 1), max_size=3), min_size=TITLES, max_size=TITLES)


@cache
def matrix() -> Matrix:
    folder = Path(tempfile.mkdtemp())
    return matrix_of([record(number, f"Title {number}") for number in range(TITLES)], folder)


def as_stored(members: list[int]) -> list[dict[str, str]]:
    return [{"manga_id": IDS[each], "title": f"then {each}", "hint": "kept"} for each in members]


@given(LISTS, LISTS, st.permutations(range(TITLES)), st.sets(st.integers(0, TITLES - 1)), st.data())
def test_a_list_is_the_fresh_one_or_stays_as_it_was_stored(
    stored: list[list[int]], fresh: list[list[int]], order: list[int], taken: set[int], data: st.DataObject
) -> None:
    """Stored in any order; some titles have no stored list."""
    there = order[: data.draw(st.integers(0, TITLES))]
    at_once = data.draw(st.integers(1, TITLES + 1))
    rows = [{"manga_id": IDS[number], "candidates": as_stored(stored[number])} for number in there]
    lists = Stored(pa.Table.from_pylist(rows, _SCHEMA))
    wide = np.array([(each + [NO_TITLE] * 3)[:3] for each in fresh], np.int32)
    take = np.array([number in taken for number in range(TITLES)])
    found = lists.with_fresh(IDS, lists.places(IDS), take, wide, matrix(), at_once)
    batches = list(found)
    assert all(batch.num_rows <= at_once for batch in batches)
    table = pa.Table.from_batches(batches)
    assert table.schema == _SCHEMA
    assert table.column("manga_id").to_pylist() == IDS
    for number, candidates in enumerate(table.column("candidates").to_pylist()):
        if number in taken:
            shown = [matrix().shown(each) for each in fresh[number]]
            assert candidates == [{"manga_id": each.manga_id, "title": each.title, "hint": each.hint} for each in shown]
        else:
            assert candidates == (as_stored(stored[number]) if number in there else [])
