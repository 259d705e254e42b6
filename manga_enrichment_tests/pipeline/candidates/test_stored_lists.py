"""Today's table of lists: put together from stored and fresh ones, some titles at a time."""

import gc
import io
import tempfile
import weakref
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.stored_lists import _SCHEMA, Stored, waiting_lists
from manga_enrichment.pipeline.store.in_order import TITLES_AT_ONCE
from manga_enrichment.pipeline.store.object_keys import drawn_key
from manga_enrichment_tests.fakes import MemoryTables
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


def as_file(table: pa.Table, rows_a_group: int) -> pq.ParquetFile:
    body = io.BytesIO()
    pq.write_table(table, body, row_group_size=rows_a_group)
    return pq.ParquetFile(pa.BufferReader(body.getvalue()))


@given(LISTS, LISTS, st.permutations(range(TITLES)), st.sets(st.integers(0, TITLES - 1)), st.data())
def test_a_list_is_the_fresh_one_or_stays_as_it_was_stored(
    stored: list[list[int]], fresh: list[list[int]], order: list[int], taken: set[int], data: st.DataObject
) -> None:
    """Stored in any order; some titles have no stored list."""
    there = order[: data.draw(st.integers(0, TITLES))]
    at_once, grouped, read = (data.draw(st.integers(1, TITLES + 1)) for _ in range(3))
    rows = [{"manga_id": IDS[number], "candidates": as_stored(stored[number])} for number in there]
    lists = Stored(as_file(pa.Table.from_pylist(rows, _SCHEMA), grouped), matrix(), read)
    wide = np.array([(each + [NO_TITLE] * 3)[:3] for each in fresh], np.int32)
    take = np.array([number in taken for number in range(TITLES)])
    found = lists.with_fresh(IDS, lists.places(IDS), take, wide, at_once)
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


@given(LISTS, st.permutations(range(TITLES)), st.integers(1, TITLES), st.integers(1, TITLES))
def test_whom_lists_name_is_known_by_rows_without_reading_texts(
    stored: list[list[int]], order: list[int], grouped: int, read: int
) -> None:
    """Title number 0 has left the catalog."""
    there = [*order[:-1]]
    rows = [{"manga_id": IDS[number], "candidates": as_stored(stored[number])} for number in there]
    today = without_the_first()
    lists = Stored(as_file(pa.Table.from_pylist(rows, _SCHEMA), grouped), today, read)
    members, lengths = lists.members(lists.places(IDS))
    expected = [stored[number] if number in there else [] for number in range(TITLES)]
    assert lengths.tolist() == [len(each) for each in expected]
    for found, named in zip(members.tolist(), expected, strict=True):
        assert found[: len(named)] == [each - 1 if each else NO_TITLE for each in named]
        assert set(found[len(named) :]) <= {NO_TITLE}


@cache
def without_the_first() -> Matrix:
    folder = Path(tempfile.mkdtemp())
    return matrix_of([record(number, f"Title {number}") for number in range(1, TITLES)], folder)


def test_waiting_lists_come_in_parts_and_titles_without_one_are_left_out() -> None:
    tables, ids = MemoryTables(), [f"MNG-{number:08}" for number in range(2 * TITLES_AT_ONCE + 50)]
    shown = {"manga_id": IDS[0], "title": "now", "hint": ""}
    has_one = [number % 3 == 0 and number < 2 * TITLES_AT_ONCE for number in range(len(ids))]
    waiting = [[shown] if each else [] for each in has_one]
    tables.write(drawn_key("0"), pa.table({"manga_id": ids, "waiting": waiting}))
    found = list(waiting_lists(tables, "0"))
    parts = has_one[:TITLES_AT_ONCE], has_one[TITLES_AT_ONCE : 2 * TITLES_AT_ONCE]
    assert [len(some) for some, _ in found] == [sum(part) for part in parts]
    assert [each for some, _ in found for each in some.to_pylist()] == [
        i for i, one in zip(ids, has_one, strict=True) if one
    ]
    assert all(lists == dict.fromkeys(some.to_pylist(), (Candidate(**shown),)) for some, lists in found)
    assert list(waiting_lists(tables, "1")) == []


def test_lists_go_with_their_last_name() -> None:
    """They are large, and nobody collects garbage while a night runs."""
    rows = [{"manga_id": each, "candidates": as_stored([0, 1])} for each in IDS]
    lists = Stored(as_file(pa.Table.from_pylist(rows, _SCHEMA), 2), matrix(), 2)
    nobody, fresh = np.zeros(TITLES, np.bool_), np.full((TITLES, 1), NO_TITLE, np.int32)
    assert lists.with_fresh(IDS, lists.places(IDS), nobody, fresh, 2).read_all().num_rows == TITLES
    gone = weakref.ref(lists)
    with_garbage = gc.isenabled()
    gc.disable()
    try:
        del lists
        assert gone() is None
    finally:
        if with_garbage:
            gc.enable()
