"""Comparing in Arrow finds what comparing rows in Python finds."""

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
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
    rows = compare(table(old), table(new)).to_pylist()
    assert {(row["manga_id"], row["kind"], row["field"]) for row in rows} == expected
    assert len(rows) == len(expected)


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
    rows = {row["field"]: row for row in compare(table(old), table(new)).to_pylist()}
    assert (rows["volumes"]["from_value"], rows["volumes"]["to_value"]) == ("1", "2")
    assert rows["people"]["from_value"] is None
    assert json.loads(rows["people"]["to_value"]) == [{"name": "港", "share": 0.5}]


def test_a_title_that_comes_or_leaves_is_told_whole_without_nulls() -> None:
    moment = datetime(2026, 5, 20, 21, 34, 2, 7, UTC)
    title = {"title": "a", "volumes": None, "themes": [], "people": None, "answered_at": moment}
    (added,) = compare(None, table({"MNG-1": title})).to_pylist()
    (removed,) = compare(table({"MNG-1": title}), table({})).to_pylist()
    whole = {"manga_id": "MNG-1", "title": "a", "themes": [], "answered_at": moment.isoformat()}
    assert json.loads(added["to_value"]) == json.loads(removed["from_value"]) == whole
    assert added["from_value"] is removed["to_value"] is None


@pytest.mark.parametrize("earlier", [SCHEMA.remove(2), SCHEMA.set(2, pa.field("volumes", pa.string()))])
def test_a_column_that_an_earlier_release_had_not_or_otherwise_counts_as_unknown(earlier: pa.Schema) -> None:
    row: dict[str, Any] = {"manga_id": "MNG-1", "volumes": None}
    old = pa.Table.from_pylist([{name: row.get(name) for name in earlier.names}], schema=earlier)
    new = pa.Table.from_pylist([{"manga_id": "MNG-1", "volumes": 3}], schema=SCHEMA)
    (found,) = compare(old, new).to_pylist()
    assert (found["field"], found["from_value"], found["to_value"]) == ("volumes", None, "3")


def test_rows_of_many_batches_keep_their_order() -> None:
    rows = pa.table({"manga_id": [f"MNG-{n:05}" for n in range(10_000)]})
    assert [json.loads(row)["manga_id"] for row in json_rows(rows)] == rows.column("manga_id").to_pylist()
