"""Rows of many requests become one object, and whoever waits knows when."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.store.flusher import MOST_KEPT_ROWS, Flusher, Part
from manga_enrichment.pipeline.store.hour_keys import group_of, hour_group, part_key
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.kill_switch import Behind, Outage

SCHEMA = pa.schema([pa.field("number", pa.int64(), nullable=False)])
FOLDER = "enrichment/partner_results/date=2026-01-15/"
GROUP = hour_group(FOLDER, datetime(2026, 1, 15, 3, 59, tzinfo=UTC))


def part(*numbers: int, group: str = GROUP) -> Part:
    return Part(group, SCHEMA, [{"number": number} for number in numbers])


def stored(tables: MemoryTables) -> dict[str, list[int]]:
    found = {key: tables.read(key) for key in tables.list_keys("")}
    return {key: each.table.column("number").to_pylist() for key, each in found.items() if each is not None}


def test_rows_of_many_requests_are_one_object() -> None:
    tables, clock = MemoryTables(), FakeClock()
    flusher = Flusher(tables, clock, "run-1")
    waiting = [flusher.add([part(number)]) for number in range(3)]
    assert stored(tables) == {}
    assert not any(each.done() for each in waiting)
    flusher.flush()
    assert [each.result(0) for each in waiting] == [None] * 3
    assert stored(tables) == {part_key(GROUP, "run-1-00001"): [0, 1, 2]}


def test_each_hour_is_an_object_of_its_own_and_so_is_each_flush() -> None:
    tables = MemoryTables()
    flusher = Flusher(tables, FakeClock(), "run-1")
    later = hour_group(FOLDER, datetime(2026, 1, 15, 4, tzinfo=UTC))
    flusher.add([part(1), part(2, group=later)])
    flusher.flush()
    flusher.add([part(3)])
    flusher.flush()
    assert sorted(stored(tables).values()) == [[1], [2], [3]]
    assert {group_of(key) for key in stored(tables)} == {GROUP, later}


def test_a_run_that_is_tried_again_writes_over_nothing() -> None:
    tables = MemoryTables()
    for number in (1, 2):
        flusher = Flusher(tables, FakeClock(), "run-1")
        flusher.add([part(number)])
        flusher.flush()
    assert list(stored(tables).values()) == [[1], [2]]


def test_it_is_due_when_rows_are_old_or_many() -> None:
    clock = FakeClock()
    flusher = Flusher(MemoryTables(), clock, "run-1", every_seconds=2, at_most_rows=3)
    assert not flusher.is_due
    clock.advance(100)
    flusher.add([part(1)])
    clock.advance(1.9)
    assert not flusher.is_due
    clock.advance(0.1)
    assert flusher.is_due
    flusher.flush()
    assert not flusher.is_due
    flusher.add([part(1, 2), part(3)])
    assert flusher.is_due


def test_a_request_without_rows_waits_for_nothing_else() -> None:
    tables = MemoryTables()
    flusher = Flusher(tables, FakeClock(), "run-1")
    done = flusher.add([])
    flusher.flush()
    assert done.done()
    assert stored(tables) == {}


def test_whoever_waits_hears_that_the_store_was_away_and_the_next_flush_writes_all() -> None:
    tables, outage = MemoryTables(), Outage()
    flusher = Flusher(Behind(tables, outage), FakeClock(), "run-1")
    outage.begin()
    lost = flusher.add([part(1)])
    flusher.flush()
    outage.end()
    kept = flusher.add([part(2)])
    flusher.flush()
    assert isinstance(lost.exception(0), StoreUnavailableError)
    assert kept.exception(0) is None
    assert sorted(number for numbers in stored(tables).values() for number in numbers) == [1, 2]


def test_while_a_store_stays_away_only_so_many_rows_are_kept_in_memory() -> None:
    tables, outage = MemoryTables(), Outage()
    flusher = Flusher(Behind(tables, outage), FakeClock(), "run-1")
    outage.begin()
    for begin in range(0, 2 * MOST_KEPT_ROWS, 10_000):
        flusher.add([part(*range(begin, begin + 10_000))])
        flusher.flush()
    outage.end()
    flusher.flush()
    assert sum(map(len, stored(tables).values())) == MOST_KEPT_ROWS


def test_threads_add_while_others_flush_and_no_row_is_lost() -> None:
    tables = MemoryTables()
    flusher = Flusher(tables, FakeClock(), "run-1", at_most_rows=7)

    def add(number: int) -> None:
        flusher.add([part(number)])
        if flusher.is_due:
            flusher.flush()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(200)))
    flusher.flush()
    found = [number for numbers in stored(tables).values() for number in numbers]
    assert sorted(found) == list(range(200))
    assert len(stored(tables)) < 100


def test_tasks_of_a_loop_wait_for_the_flush_that_holds_their_rows() -> None:
    tables, clock = MemoryTables(), FakeClock()
    flusher = Flusher(tables, clock, "run-1", every_seconds=2)
    written: list[tuple[float, int]] = []

    async def request(number: int) -> None:
        await clock.sleep(number)
        await asyncio.wrap_future(flusher.add([part(number)]))
        written.append((clock.monotonic_seconds() - number, number))

    async def run() -> None:
        flushing = asyncio.create_task(flusher.keep_flushing())
        await asyncio.gather(*(request(number) for number in range(6)))
        flusher.add([part(99)])
        flushing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flushing

    clock.run(run())
    assert sorted(number for _, number in written) == list(range(6))
    assert all(waited <= 2.5 for waited, _ in written)
    assert sorted(number for numbers in stored(tables).values() for number in numbers) == [*range(6), 99]
    assert len(stored(tables)) <= 4


@pytest.mark.parametrize("key", [f"{FOLDER}7f1d2c3a-0000-4000-8000-000000000001.parquet", "enrichment/x/part.parquet"])
def test_objects_of_one_request_or_bucket_are_in_no_hour(key: str) -> None:
    assert group_of(key) == ""
