"""Comparing in Arrow finds what comparing rows in Python finds."""

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.pipeline.changes.compare import compare, differ, json_rows

PEOPLE = pa.list_(pa.struct([("name", pa.string()), ("share", pa.float64())]))
SCHEMA = pa.schema(
    [
        pa.field("manga_id", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("volumes", pa.int64()),
        pa.field("themes", pa.list_(pa.string())),
        pa.field("people", PEOPLE),
        pa.field("answered_at", pa.timestamp("us", tz="UTC")),
    ]
)
texts = st.none() | st.sampled_from(["", "a", "港"])
people = st.none() | st.fixed_dictionaries({"name": texts, "share": st.none() | st.sampled_from([0.0, 0.5])})
values = st.fixed_dictionaries(
    {
        "title": texts,
        "volumes": st.none() | st.integers(0, 2),
        "themes": st.none() | st.lists(texts, max_size=3),
        "people": st.none() | st.lists(people, max_size=3),
        "answered_at": st.none() | st.sampled_from([datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2)]),
    }
)
catalogs = st.dictionaries(st.sampled_from([f"MNG-{n}" for n in range(6)]), values, max_size=6)


def parquet(table: pa.Table) -> pq.ParquetFile:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))


def changes(old: pa.Table | None, *parts: pa.Table) -> pa.Table:
    with compare(None if old is None else parquet(old), parts) as compared:
        return pa.concat_tables(compared)


def table(rows: dict[str, dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"manga_id": name, **rows[name]} for name in sorted(rows)], schema=SCHEMA)


@given(catalogs, catalogs)
def test_every_value_that_differs_is_found_and_no_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    expected = {(name, "removed", None) for name in old.keys() - new.keys()}
    expected |= {(name, "added", None) for name in new.keys() - old.keys()}
    expected |= {
        (name, "changed", field)
        for name in old.keys() & new.keys()
        for field in old[name]
        if old[name][field] != new[name][field]
    }
    rows = changes(table(old), table(new)).to_pylist()
    assert {(row["manga_id"], row["kind"], row["field"]) for row in rows} == expected
    assert len(rows) == len(expected)


@given(catalogs, catalogs, st.lists(st.integers(0, 6), max_size=3))
def test_in_whatever_parts_a_table_comes_its_changes_are_the_same_in_the_same_order(
    old: dict[str, Any], new: dict[str, Any], cuts: list[int]
) -> None:
    whole = table(new)
    edges = [0, *sorted(min(cut, len(new)) for cut in cuts), len(new)]
    parts = [whole.slice(start, end - start) for start, end in itertools.pairwise(edges)]
    assert changes(table(old), *parts).equals(changes(table(old), whole))
    assert changes(None, *parts).equals(changes(None, whole))


@given(catalogs, catalogs)
def test_titles_and_values_are_counted_over_all_parts(old: dict[str, Any], new: dict[str, Any]) -> None:
    whole = table(new)
    middle = len(new) // 2
    with compare(parquet(table(old)), [whole.slice(0, middle), whole.slice(middle)]) as compared:
        rows = pa.concat_tables(compared).to_pylist()
        titles = {kind: len({row["manga_id"] for row in rows if row["kind"] == kind}) for kind in compared.titles}
        assert compared.titles == titles
        assert compared.values == sum(row["field"] is not None for row in rows)
        assert compared.removed().column("manga_id").to_pylist() == sorted(old.keys() - new.keys())


@given(catalogs, catalogs, st.integers(1, 6))
def test_a_few_rows_are_of_values_that_changed_where_there_are_any(
    old: dict[str, Any], new: dict[str, Any], count: int
) -> None:
    rows = changes(table(old), table(new)).to_pylist()
    values = [row for row in rows if row["field"] is not None]
    with compare(parquet(table(old)), [table(new)]) as compared:
        assert compared.some(count) == (values or rows)[:count]


def test_titles_of_many_batches_are_found_beside_their_parts() -> None:
    """More than are decoded at once, so that batches of the old table end inside parts of the new."""
    names = [f"MNG-{number:05}" for number in range(10_000)]
    old = pa.table({"manga_id": names[:9_000], "title": ["a"] * 9_000})
    new = pa.table({"manga_id": names[1:], "title": ["a"] * 4_999 + ["b"] + ["a"] * 4_999})
    rows = changes(old, *(new.slice(start, 3_333) for start in range(0, 9_999, 3_333))).to_pylist()
    assert [row["manga_id"] for row in rows] == [*names[9_000:], names[0], names[5_000]]


@given(st.lists(st.none() | st.lists(people, max_size=3), max_size=8), st.data())
def test_nested_arrays_differ_where_their_values_do(one: list[Any], data: st.DataObject) -> None:
    same_length = st.lists(st.none() | st.lists(people, max_size=3), min_size=len(one), max_size=len(one))
    other = data.draw(same_length)
    found = differ(pa.array(one, PEOPLE), pa.array(other, PEOPLE)).to_pylist()
    assert found == [before != after for before, after in zip(one, other, strict=True)]


def test_a_slice_is_compared_as_what_it_shows() -> None:
    whole = pa.array([["a"], ["b", "c"], None, ["d"]], pa.list_(pa.string()))
    assert differ(whole.slice(1, 2), whole.slice(2, 2)).to_pylist() == [True, True]
    assert differ(whole.slice(1, 3), whole.slice(1, 3)).to_pylist() == [False] * 3


def test_values_are_told_as_json_before_and_after() -> None:
    old = {"MNG-1": {"title": "a", "volumes": 1, "themes": ["x"], "people": None, "answered_at": None}}
    new = {"MNG-1": {**old["MNG-1"], "volumes": 2, "people": [{"name": "港", "share": 0.5}]}}
    rows = {row["field"]: row for row in changes(table(old), table(new)).to_pylist()}
    assert (rows["volumes"]["from_value"], rows["volumes"]["to_value"]) == ("1", "2")
    assert rows["people"]["from_value"] is None
    assert json.loads(rows["people"]["to_value"]) == [{"name": "港", "share": 0.5}]


def test_a_title_that_comes_or_leaves_is_told_whole_without_nulls() -> None:
    moment = datetime(2026, 5, 20, 21, 34, 2, 7, UTC)
    title = {"title": "a", "volumes": None, "themes": [], "people": None, "answered_at": moment}
    (added,) = changes(None, table({"MNG-1": title})).to_pylist()
    (removed,) = changes(table({"MNG-1": title}), table({})).to_pylist()
    whole = {"manga_id": "MNG-1", "title": "a", "themes": [], "answered_at": moment.isoformat()}
    assert json.loads(added["to_value"]) == json.loads(removed["from_value"]) == whole
    assert added["from_value"] is removed["to_value"] is None


@pytest.mark.parametrize("earlier", [SCHEMA.remove(2), SCHEMA.set(2, pa.field("volumes", pa.string()))])
def test_a_column_that_an_earlier_release_had_not_or_otherwise_counts_as_unknown(earlier: pa.Schema) -> None:
    row: dict[str, Any] = {"manga_id": "MNG-1", "volumes": None}
    old = pa.Table.from_pylist([{name: row.get(name) for name in earlier.names}], schema=earlier)
    new = pa.Table.from_pylist([{"manga_id": "MNG-1", "volumes": 3}], schema=SCHEMA)
    (found,) = changes(old, new).to_pylist()
    assert (found["field"], found["from_value"], found["to_value"]) == ("volumes", None, "3")


def test_rows_of_many_batches_keep_their_order() -> None:
    rows = pa.table({"manga_id": [f"MNG-{n:05}" for n in range(10_000)]})
    assert [json.loads(row)["manga_id"] for row in json_rows(rows)] == rows.column("manga_id").to_pylist()
