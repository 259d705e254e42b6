"""Each change is published once, whatever was killed, and whoever wrote at the same time."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from manga_enrichment.domain.tables.changes import CATALOG_CHANGES
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.pipeline.changes.replace import ChangeReport, Followed, Origin
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.builders import ORIGIN
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.follower import Follower
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal

BUCKET = "3"
KEY = table_key("catalog", BUCKET)
SCHEMA = pa.schema([pa.field("manga_id", pa.string()), pa.field("title", pa.string())])
VERSIONS = [{"A": "a", "B": "b"}, {"A": "a2", "B": "b", "C": "c"}, {"A": "a3", "C": "c"}, {"A": "a"}, {}]


def table(titles: dict[str, str]) -> pa.Table:
    return pa.Table.from_pylist([{"manga_id": key, "title": titles[key]} for key in sorted(titles)], schema=SCHEMA)


def put(tables: object, titles: dict[str, str], origin: Origin = ORIGIN) -> ChangeReport:
    followed = Followed(tables, KEY, CATALOG_CHANGES, BUCKET)  # type: ignore[arg-type]
    return followed.replace(lambda: [table(titles)], origin)[1]


def pending(tables: MemoryTables) -> list[str]:
    return tables.list_keys("changes/")


@pytest.fixture
def tables() -> MemoryTables:
    return MemoryTables()


@pytest.fixture
def follower(tables: MemoryTables) -> Follower:
    return Follower(tables, CATALOG_CHANGES)


def test_whoever_follows_has_every_version(tables: MemoryTables, follower: Follower) -> None:
    for titles in VERSIONS:
        put(tables, titles)
        follower.look()
        follower.assert_equals_the_table([BUCKET])
    follower.assert_versions_are_a_chain()
    assert len(follower.rows) == 2 + 2 + 2 + 2 + 1
    assert pending(tables) == []


def test_the_report_counts_titles_and_values(tables: MemoryTables) -> None:
    put(tables, VERSIONS[0])
    report = put(tables, {"A": "a2", "C": "c"})
    assert (report.titles, report.values) == ({"added": 1, "changed": 1, "removed": 1}, 1)
    assert report.key in tables.objects


def test_the_same_table_again_writes_nothing(tables: MemoryTables) -> None:
    first = put(tables, VERSIONS[0])
    before = dict(tables.objects)
    again = put(tables, VERSIONS[0], Origin("run-2", ORIGIN.now + timedelta(days=1)))
    assert tables.objects == before
    assert (again.version, again.key) == (first.version, "")


def test_an_empty_bucket_that_stays_empty_says_nothing(tables: MemoryTables, follower: Follower) -> None:
    put(tables, {})
    put(tables, {})
    assert follower.look() == []
    put(tables, VERSIONS[0])
    assert {row["previous_version"] for row in follower.look()} == {None}


def test_a_table_of_an_earlier_release_is_where_the_chain_begins(tables: MemoryTables, follower: Follower) -> None:
    tables.write(KEY, table(VERSIONS[0]))
    put(tables, VERSIONS[0])
    assert follower.look() == []
    put(tables, VERSIONS[1])
    rows = [
        row for key in tables.list_keys("enrichment/catalog_changes/") for row in tables.read(key).table.to_pylist()
    ]
    assert {row["previous_version"] for row in rows} == {"unnamed"}
    assert {(row["manga_id"], row["kind"]) for row in rows} == {("A", "changed"), ("C", "added")}


def test_a_column_more_without_a_value_is_stored_and_no_change(tables: MemoryTables) -> None:
    version = put(tables, VERSIONS[0]).version
    wider = table(VERSIONS[0]).append_column("note", pa.nulls(2, pa.string()))
    _, report = Followed(tables, KEY, CATALOG_CHANGES, BUCKET).replace(lambda: [wider], ORIGIN)
    stored = tables.read(KEY)
    assert stored is not None
    assert (report.version, report.key, stored.table.column_names) == (version, "", ["manga_id", "title", "note"])


def test_a_clock_behind_does_not_turn_the_order_round(tables: MemoryTables, follower: Follower) -> None:
    for number, titles in enumerate(VERSIONS):
        put(tables, titles, Origin(f"run-{number}", ORIGIN.now - timedelta(hours=number)))
    follower.look()
    follower.assert_equals_the_table([BUCKET])
    follower.assert_versions_are_a_chain()


def test_changes_lie_under_the_utc_day_on_which_they_were_compared(tables: MemoryTables) -> None:
    late = replace(ORIGIN, now=ORIGIN.now.replace(hour=23, minute=59))
    key = put(tables, VERSIONS[0], late).key
    assert key.startswith(f"enrichment/catalog_changes/date={late.now.date()}/2359")


def calls_of(act: Callable[[object], object]) -> int:
    """How often it calls the store, undisturbed."""
    switch = KillSwitch()
    tables = MemoryTables()
    put(tables, VERSIONS[0])
    switch.arm(1_000, after_effect=False)
    act(Mortal(tables, switch))
    assert switch.calls_left is not None
    return 1_000 - switch.calls_left


CALLS = calls_of(lambda tables: put(tables, VERSIONS[1]))


def test_the_kill_points_are_all_calls_of_a_replacement() -> None:
    assert CALLS == 6  # list, read, pending, table, published, pending gone


@pytest.mark.parametrize(("call", "after"), list(itertools.product(range(CALLS), (False, True))))
@pytest.mark.parametrize("then", range(1, len(VERSIONS)))
def test_killed_at_any_call_nothing_is_lost_or_told_twice(
    tables: MemoryTables, follower: Follower, call: int, after: bool, then: int
) -> None:
    """then: what the next run wants to write, the same or something else."""
    put(tables, VERSIONS[0])
    follower.look()
    switch = KillSwitch()
    switch.arm(call, after_effect=after)
    with pytest.raises(Killed):
        put(Mortal(tables, switch), VERSIONS[1], replace(ORIGIN, run_id="killed"))
    follower.look()  # in between, as it is
    put(tables, VERSIONS[then], replace(ORIGIN, run_id="next"))
    put(tables, VERSIONS[0], replace(ORIGIN, run_id="last"))
    follower.look()
    follower.assert_equals_the_table([BUCKET])
    follower.assert_versions_are_a_chain()
    assert pending(tables) == []


class Racing(MemoryTables):
    """Another writer is faster, as often as it is told to."""

    def __init__(self, others: list[dict[str, str]]) -> None:
        super().__init__()
        self.others = others

    def write(self, key: str, table: pa.Table, *, expected_etag: str | None = None, new: bool = False) -> str:
        if key == KEY and self.others:
            titles = self.others.pop(0)
            put(self, titles, Origin("other", ORIGIN.now))
        return super().write(key, table, expected_etag=expected_etag, new=new)


def test_a_writer_that_was_overtaken_compares_with_what_is_there_now() -> None:
    tables = Racing([])
    follower = Follower(tables, CATALOG_CHANGES)
    put(tables, VERSIONS[0])
    tables.others = [VERSIONS[1]]
    put(tables, VERSIONS[2])
    follower.look()
    follower.assert_equals_the_table([BUCKET])
    follower.assert_versions_are_a_chain()
    assert {row["dagster_run_id"] for row in follower.rows} == {"run-1", "other"}
    assert pending(tables) == []


class Restless(MemoryTables):
    """Nobody ever puts what he compared."""

    def write(self, key: str, table: pa.Table, *, expected_etag: str | None = None, new: bool = False) -> str:
        if key == KEY:
            raise WriteConflictError(f"{key} was replaced by another writer")
        return super().write(key, table, expected_etag=expected_etag, new=new)


def test_a_table_that_never_stands_still_is_an_error_and_nothing_is_told() -> None:
    tables = Restless()
    with pytest.raises(WriteConflictError, match="kept changing"):
        put(tables, VERSIONS[0])
    assert Follower(tables, CATALOG_CHANGES).look() == []
