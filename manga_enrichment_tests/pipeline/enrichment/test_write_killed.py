"""A kill between any two writes leaves what the next try or the next run mends."""

from collections import Counter
from functools import cache

import pyarrow as pa
import pytest

from manga_enrichment_tests.builders import COMBINED, SINGLES, World, put_catalog, title_id
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel
from manga_enrichment_tests.pipeline.enrichment.writing_stage import (
    SCRIPT,
    TITLES,
    asked_world,
    attempts_of,
    decisions,
    write_all,
)

pytestmark = pytest.mark.slow


class KilledError(BaseException):
    """What a kill looks like to a program that lives on: nothing may catch it."""


class DyingTables(MemoryTables):
    """Ends the program at the n-th write (counted from 1), before or after it took place."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_left: int | None = None
        self.dies_after = False
        self.writes = 0

    def write(self, key: str, table: pa.Table, *, expected_etag: str | None = None, new: bool = False) -> str:
        self.writes += 1
        dies = self.writes == self.writes_left
        if dies and not self.dies_after:
            raise KilledError
        etag = super().write(key, table, expected_etag=expected_etag, new=new)
        if dies:
            raise KilledError
        return etag


WRITES = 12
KILL_POINTS = [(number, after) for number in range(1, WRITES + 1) for after in (False, True)]


def test_the_kill_points_are_all_writes_of_the_run() -> None:
    tables = DyingTables()
    world = asked_world(tables)
    tables.writes = 0
    write_all(world)
    assert tables.writes == WRITES


@cache
def undisturbed_run() -> World:
    world = asked_world()
    write_all(world)
    return world


@cache
def undisturbed_runs() -> World:
    """run-1 and, after it, run-2."""
    world = asked_world()
    write_all(world)
    world.run("run-2")
    return world


@pytest.mark.parametrize(("write_number", "after"), KILL_POINTS)
def test_killed_at_any_write_and_written_again_the_tables_are_those_of_an_undisturbed_run(
    write_number: int, after: bool
) -> None:
    undisturbed = undisturbed_run()
    tables = DyingTables()
    world = asked_world(tables)
    tables.writes_left, tables.dies_after, tables.writes = write_number, after, 0
    with pytest.raises(KilledError):
        write_all(world)
    tables.writes_left = None
    write_all(world)
    for name in SINGLES:
        assert world.answers(name) == undisturbed.answers(name)
        assert world.outcomes(name) == undisturbed.outcomes(name)
    assert sorted(map(repr, world.log())) == sorted(map(repr, undisturbed.log()))


@pytest.mark.parametrize(("write_number", "after"), KILL_POINTS)
def test_killed_at_any_write_the_next_run_pays_nothing_again_and_leaves_the_same_tables(
    write_number: int, after: bool
) -> None:
    undisturbed = undisturbed_runs()
    tables = DyingTables()
    world = asked_world(tables)
    tables.writes_left, tables.dies_after, tables.writes = write_number, after, 0
    with pytest.raises(KilledError):
        write_all(world)
    tables.writes_left = None
    world.run("run-2")
    assert len(world.model.sent) == len(undisturbed.model.sent)
    for name in SINGLES:
        assert world.answers(name) == undisturbed.answers(name)
        assert decisions(world, name) == decisions(undisturbed, name)
    assert attempts_of(world) == attempts_of(undisturbed)


KEEPING_WRITES = 4
"""Of the combined op: its log, its entries, what no entry has, and that in the log."""


def asked_until(write_number: int, *, after: bool) -> World:
    """Killed while the combined op keeps what it was answered."""
    tables = DyingTables()
    world = World(tables=tables)
    put_catalog(tables, TITLES)
    world.model = ScriptedModel(world.clock, SCRIPT)
    world.plan()
    tables.writes_left, tables.dies_after, tables.writes = write_number, after, 0
    with pytest.raises(KilledError):
        world.invoke(COMBINED)
    tables.writes_left = None
    return world


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write_number", range(1, KEEPING_WRITES + 1))
def test_killed_while_it_keeps_answers_the_next_run_pays_nothing_again_and_logs_all(
    write_number: int, after: bool
) -> None:
    world = asked_until(write_number, after=after)
    answered = {entry.manga_id for entry in world.ledger.entries.values()}
    assert answered == {title_id(number) for number in (1, 2, 4)}
    world.model.sent.clear()
    world.clock.advance(3600)
    world.run("run-2")
    assert not any(sent.analysis == COMBINED and sent.manga_id in answered for sent in world.model.sent)
    logged = Counter(row["fingerprint"] for row in attempts_of(world))
    for entry in world.ledger.entries.values():
        if entry.manga_id in answered:
            assert logged[entry.fingerprint] == len(entry.attempts)
    for name in SINGLES:
        assert set(world.answers(name)) >= {title_id(number) for number in (1, 3, 4)}
