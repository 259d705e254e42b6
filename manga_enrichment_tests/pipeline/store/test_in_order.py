"""Tables side by side, title by title, without holding one whole."""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.pipeline.store.in_order import InOrder, batches_in_order, beside

LETTERS = [f"MNG-{number:04d}" for number in range(12)]


def file_of(ids: Sequence[str], row_group: int = 3) -> pq.ParquetFile:
    sink = io.BytesIO()
    rows = [{"manga_id": each, "said": f"of {each}", "list": [{"manga_id": each, "title": "T"}]} for each in ids]
    schema = pa.schema(
        [
            ("manga_id", pa.string()),
            ("said", pa.string()),
            ("list", pa.list_(pa.field("element", pa.struct([("manga_id", pa.string()), ("title", pa.string())])))),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, row_group_size=row_group)
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))


@given(st.lists(st.sampled_from(LETTERS), unique=True), st.integers(1, 5), st.integers(1, 5))
def test_a_table_comes_in_order_however_it_is_stored(ids: list[str], row_group: int, at_once: int) -> None:
    parts = list(batches_in_order(file_of(ids, row_group), at_once=at_once))
    assert [each for part in parts for each in part.column("manga_id").to_pylist()] == sorted(ids)
    assert all(part.num_rows <= at_once for part in parts)


@given(
    st.sets(st.sampled_from(LETTERS)),
    st.lists(st.tuples(st.sampled_from(LETTERS), st.sampled_from(LETTERS)).map(sorted), max_size=4),
)
def test_spans_are_read_forwards_and_what_lies_between_them_is_passed_over(
    ids: set[str], spans: list[list[str]]
) -> None:
    rows, reached = InOrder(file_of(sorted(ids))), ""
    for first, last in sorted(spans):
        if first <= reached:
            continue
        part = rows.between(first, last)
        expected = [each for each in sorted(ids) if first <= each <= last]
        assert (part.column("manga_id").to_pylist() if part is not None else []) == expected
        reached = last


def test_of_a_list_no_more_is_read_than_is_named() -> None:
    (part,) = batches_in_order(file_of(["MNG-1"]), ["manga_id", "list.list.element.manga_id", "not there"])
    assert part.column_names == ["manga_id", "list"]
    assert part.column("list").to_pylist() == [[{"manga_id": "MNG-1"}]]


def test_a_table_that_is_not_there_has_nothing() -> None:
    assert InOrder(None).between("A", "Z") is None


@pytest.mark.parametrize("column", ["said", "not there"])
def test_values_stand_beside_the_titles_that_they_are_of(column: str) -> None:
    part = InOrder(file_of(["MNG-1", "MNG-3"])).between("MNG-0", "MNG-9")
    found = beside(pa.array(["MNG-3", "MNG-2", "MNG-1"]), part, column)
    assert found.to_pylist() == (["of MNG-3", None, "of MNG-1"] if column == "said" else [None] * 3)
    assert beside(pa.array(["MNG-3"]), None, column).to_pylist() == [None]
