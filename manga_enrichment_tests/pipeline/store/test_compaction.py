"""Small objects of an hour become one, and whoever reads meanwhile sees every row once."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from manga_enrichment.gateways.objects import StoredTable
from manga_enrichment.pipeline.partner.stored.results import PARTNER_RESULT_SCHEMA, each_result_once
from manga_enrichment.pipeline.publish.compact import compact_tables
from manga_enrichment.pipeline.store.compaction import CompactionReport, compact
from manga_enrichment.pipeline.store.hour_groups import read_once
from manga_enrichment.pipeline.store.hour_keys import hour_group, merged_key, part_key
from manga_enrichment.pipeline.store.object_keys import partner_results_prefix
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal

HOUR = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
FOLDER = partner_results_prefix("2026-03-01")
GROUP = hour_group(FOLDER, HOUR)
LATER = hour_group(FOLDER, HOUR + timedelta(hours=1))


def result(request: int, position: int = 0, generation: int = 1) -> dict[str, Any]:
    return {
        **dict.fromkeys(PARTNER_RESULT_SCHEMA.names),
        "request_id": f"request-{request}",
        "partner_id": "acme",
        "generation": generation,
        "position": position,
        "analysis": "reading_level",
        "outcome": "succeeded",
        "from_cache": False,
        "cost_micro_usd": request,
        "completed_at": HOUR,
        "dagster_run_id": "run",
    }


def put(tables: MemoryTables, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    tables.write(key, pa.Table.from_pylist([dict(row) for row in rows], schema=PARTNER_RESULT_SCHEMA))


def flushed() -> MemoryTables:
    """Three flushes; one request is there twice, one in two generations."""
    tables = MemoryTables()
    put(tables, part_key(GROUP, "run-1-00001"), [result(1, 0), result(1, 1), result(2)])
    put(tables, part_key(GROUP, "run-1-00002"), [result(3), result(2)])
    put(tables, part_key(GROUP, "run-2-00001"), [result(3, generation=2), result(4)])
    return tables


WHOLE = [("request-1", 0, 1), ("request-1", 1, 1), ("request-2", 0, 1), ("request-3", 0, 2), ("request-4", 0, 1)]


def seen(tables: Any) -> list[tuple[str, int, int]]:
    found = (row for table in read_once(tables, FOLDER, each_result_once) for row in table.to_pylist())
    return sorted((row["request_id"], row["position"], row["generation"]) for row in found)


def look(tables: Any, before: str = LATER) -> CompactionReport:
    report = CompactionReport()
    compact(tables, FOLDER, each_result_once, before, report)
    return report


def test_two_looks_leave_one_object_of_an_hour_with_every_row_once() -> None:
    tables = flushed()
    assert look(tables) == CompactionReport(hours=1, merged=1)
    assert (len(tables.objects), seen(tables)) == (4, WHOLE)
    assert look(tables) == CompactionReport(hours=1, deleted=3)
    assert (list(tables.objects), seen(tables)) == ([merged_key(GROUP)], WHOLE)
    stored = tables.read(merged_key(GROUP))
    assert stored is not None
    assert stored.table.num_rows == len(WHOLE)
    assert look(tables) == CompactionReport()


def test_an_hour_that_is_not_over_is_left_alone() -> None:
    tables = flushed()
    before = dict(tables.objects)
    assert look(tables, before=GROUP) == CompactionReport()
    assert tables.objects == before


def test_rows_that_come_late_are_merged_at_the_next_look() -> None:
    tables = flushed()
    look(tables)
    put(tables, part_key(GROUP, "run-3-00001"), [result(5), result(4, generation=2)])
    assert look(tables).merged == 1
    assert look(tables).deleted == 4
    expected = [*WHOLE[:4], ("request-4", 0, 2), ("request-5", 0, 1)]
    assert (list(tables.objects), seen(tables)) == ([merged_key(GROUP)], expected)


def test_objects_of_releases_before_stay_as_they_are() -> None:
    tables = flushed()
    old = f"{FOLDER}7f1d2c3a-0000-4000-8000-000000000001.parquet"
    put(tables, old, [result(9)])
    for _ in range(2):
        look(tables)
    assert sorted(tables.objects) == sorted([old, merged_key(GROUP)])
    assert seen(tables) == [*WHOLE, ("request-9", 0, 1)]


def test_an_older_object_may_lack_a_column() -> None:
    tables = flushed()
    stored = tables.read(part_key(GROUP, "run-1-00001"))
    assert stored is not None
    tables.write(part_key(GROUP, "run-1-00001"), stored.table.drop_columns(["queue"]))
    assert seen(tables) == WHOLE
    for _ in range(2):
        look(tables)
    assert seen(tables) == WHOLE


@pytest.mark.parametrize("after_effect", [False, True])
def test_killed_at_any_call_no_row_is_missing_or_there_twice(*, after_effect: bool) -> None:
    for calls in range(100):
        tables, switch = flushed(), KillSwitch()
        switch.arm(calls, after_effect=after_effect)
        mortal = Mortal(tables, switch)
        try:
            for _ in range(2):
                look(mortal)
        except Killed:
            assert seen(tables) == WHOLE, calls
        else:
            assert calls > 10
            return
        for _ in range(3):
            look(tables)
        assert (list(tables.objects), seen(tables)) == ([merged_key(GROUP)], WHOLE), calls
    raise AssertionError("compaction never got through")


class Interrupted(MemoryTables):
    """Something happens right before the n-th call of a method."""

    def __init__(
        self, objects: Mapping[str, bytes], method: str, number: int, what: Callable[[MemoryTables], Any]
    ) -> None:
        super().__init__()
        self.objects = dict(objects)
        self._method, self._left, self._what = method, number, what

    def _meanwhile(self, method: str) -> None:
        if method == self._method:
            self._left -= 1
            if self._left == 0:
                self._what(self)

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        self._meanwhile("read")
        return super().read(key, columns)

    def write(self, key: str, table: pa.Table, *, expected_etag: str | None = None, new: bool = False) -> str:
        self._meanwhile("write")
        return super().write(key, table, expected_etag=expected_etag, new=new)

    def delete(self, key: str) -> None:
        self._meanwhile("delete")
        super().delete(key)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_who_reads_while_objects_are_deleted_sees_every_row_once(number: int) -> None:
    tables = flushed()
    look(tables)
    reading = Interrupted(tables.objects, "read", number, look)
    assert seen(reading) == WHOLE
    assert list(reading.objects) == [merged_key(GROUP)]


@pytest.mark.parametrize(("method", "number"), [("write", 1), ("read", 1), ("read", 3), ("delete", 2)])
def test_two_compactions_at_once_lose_nothing(method: str, number: int) -> None:
    tables = flushed()
    if method == "delete":
        look(tables)
    both = Interrupted(tables.objects, method, number, look)
    look(both)
    assert seen(both) == WHOLE
    for _ in range(3):
        look(both)
    assert (list(both.objects), seen(both)) == ([merged_key(GROUP)], WHOLE)


def test_rows_that_are_forgotten_while_they_are_merged_do_not_come_back() -> None:
    def forget(tables: MemoryTables) -> None:
        for key in (part_key(GROUP, "run-1-00001"), part_key(GROUP, "run-1-00002")):
            stored = tables.read(key)
            assert stored is not None
            left = [row for row in stored.table.to_pylist() if row["request_id"] != "request-2"]
            put(tables, key, left)

    tables = Interrupted(flushed().objects, "write", 1, forget)
    look(tables)
    assert ("request-2", 0, 1) not in seen(tables)
    assert len(seen(tables)) == len(WHOLE) - 1


def test_every_table_that_lies_by_hours_is_compacted_once_its_hours_are_over() -> None:
    tables = flushed()
    assert compact_tables(tables, HOUR + timedelta(minutes=89))["partner_results"] == CompactionReport()
    reports = compact_tables(tables, HOUR + timedelta(minutes=90))
    assert {name: each.merged for name, each in reports.items()} == {"requests": 0, "partner_results": 1}
    assert compact_tables(tables, HOUR + timedelta(days=3))["partner_results"].deleted == 3
