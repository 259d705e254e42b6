"""One run builds the index of a catalog version, all others fetch it; whatever breaks off leaves a whole one."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.pipeline.candidates.lists import Lists
from manga_enrichment.pipeline.candidates.matrix import DamagedIndexError
from manga_enrichment.pipeline.candidates.method import METHOD_VERSION
from manga_enrichment.pipeline.candidates.shared import FILES
from manga_enrichment_tests.builders import BUCKET, put_catalog, record
from manga_enrichment_tests.fakes import FakeClock, MemoryTables
from manga_enrichment_tests.pipeline.candidates.catalogs import shared_index

THEMES = ("baseball", "cooking", "detectives")
INDEXING = "indexing the whole catalog for candidate search"
POINTER, LOCK = "candidates/index/current.json", "candidates/index/building.parquet"


def titles(count: int = 30) -> list[MangaRecord]:
    return [record(number, themes=(THEMES[number % 3],)) for number in range(count)]


@pytest.fixture
def tables() -> MemoryTables:
    tables = MemoryTables()
    put_catalog(tables, titles())
    return tables


class Machine:
    """A run on a machine of its own."""

    def __init__(self, tables: MemoryTables, home: Path, clock: FakeClock | None = None) -> None:
        self.said: list[str] = []
        self.home = home
        self._index = shared_index(tables, home, clock=clock, holder=home.name, full_after=2, say=self.said.append)

    def get(self, version: str = "v1") -> Lists:
        return self._index.get(version)


def same(one: Lists, other: Lists) -> bool:
    return all((one.matrix.folder / name).read_bytes() == (other.matrix.folder / name).read_bytes() for name in FILES)


def parts(tables: MemoryTables) -> list[str]:
    return [key for key in tables.objects if key.startswith(("candidates/index/a/", "candidates/index/b/"))]


def test_one_machine_builds_and_another_fetches_without_the_catalog(tables: MemoryTables, tmp_path: Path) -> None:
    first, second = Machine(tables, tmp_path / "first"), Machine(tables, tmp_path / "second")
    made = first.get()
    del tables.objects[f"enrichment/catalog/bucket={BUCKET}/part.parquet"]
    assert same(made, second.get())
    assert (first.said, second.said) == ([INDEXING], [])
    assert second.get().matrix.shown(0) == made.matrix.shown(0)


def test_the_same_machine_does_not_fetch_again(tables: MemoryTables, tmp_path: Path) -> None:
    machine = Machine(tables, tmp_path)
    made = machine.get()
    for key in parts(tables):
        del tables.objects[key]
    assert same(machine.get(), made)


def test_a_new_catalog_version_is_an_update_until_it_is_time_for_a_full_build(
    tables: MemoryTables, tmp_path: Path
) -> None:
    machine = Machine(tables, tmp_path)
    updates = []
    for night in range(4):
        put_catalog(tables, [*titles(), record(100 + night)])
        updates.append(machine.get(f"v{night}").matrix.manifest["updates"])
    assert updates == [0, 1, 2, 0]


def test_two_slots_are_there_and_no_more(tables: MemoryTables, tmp_path: Path) -> None:
    machine = Machine(tables, tmp_path)
    for night in range(5):
        put_catalog(tables, [*titles(), record(100 + night)])
        machine.get(f"v{night}")
        assert len(parts(tables)) <= 2 * len(FILES)


class KilledError(Exception):
    """Stands for a kill."""


class Dying(MemoryTables):
    """Takes so many writes, and no more."""

    writes_left = 1_000_000

    def write(self, key: str, *args: object, **kwargs: object) -> str:
        self._count()
        return super().write(key, *args, **kwargs)  # type: ignore[arg-type]

    def write_json(self, key: str, *args: object, **kwargs: object) -> None:
        self._count()
        super().write_json(key, *args, **kwargs)  # type: ignore[arg-type]

    def _count(self) -> None:
        if self.writes_left <= 0:
            raise KilledError
        self.writes_left -= 1


@pytest.mark.parametrize("writes", range(len(FILES) + 2))
def test_a_kill_at_any_write_leaves_the_old_index_and_the_next_run_goes_on(writes: int, tmp_path: Path) -> None:
    tables, clock = Dying(), FakeClock()
    put_catalog(tables, titles())
    old = Machine(tables, tmp_path / "old", clock).get()
    put_catalog(tables, [*titles(), record(100)])
    tables.writes_left = writes
    with pytest.raises(KilledError):
        Machine(tables, tmp_path / "killed", clock).get("v2")
    tables.writes_left = 1_000_000
    assert same(Machine(tables, tmp_path / "another", clock).get(), old)
    assert Machine(tables, tmp_path / "old", clock).get("v2").matrix.manifest["titles"] == 31


class Breaking(MemoryTables):
    """Answers so many reads, and no more."""

    reads_left = 1_000_000

    def read(self, key: str, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        if self.reads_left <= 0:
            raise KilledError
        self.reads_left -= 1
        return super().read(key, *args, **kwargs)  # type: ignore[arg-type]


def test_a_kill_while_it_is_fetched_leaves_no_half_of_it(tmp_path: Path) -> None:
    tables = Breaking()
    put_catalog(tables, titles())
    made = Machine(tables, tmp_path / "first").get()
    for reads in range(len(FILES) - 1):
        tables.reads_left = reads
        with pytest.raises(KilledError):
            Machine(tables, tmp_path / "second").get()
        tables.reads_left = 1_000_000
        assert list((tmp_path / "second").iterdir()) == []
    assert same(Machine(tables, tmp_path / "second").get(), made)


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize("name", sorted(set(FILES) - {"known", "counts"}))
@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_a_damaged_copy_is_noticed_and_fetched_again(
    name: str, damage: Callable[[Path], None], tables: MemoryTables, tmp_path: Path
) -> None:
    machine = Machine(tables, tmp_path)
    made = machine.get()
    before = {each: (made.matrix.folder / each).read_bytes() for each in FILES}
    damage(made.matrix.folder / name)
    again = machine.get()
    assert {each: (again.matrix.folder / each).read_bytes() for each in FILES} == before
    assert machine.said == [INDEXING]


def test_a_part_that_is_damaged_on_s3_is_noticed_and_the_index_built_again(
    tables: MemoryTables, tmp_path: Path
) -> None:
    made = Machine(tables, tmp_path / "first").get()
    key = "candidates/index/a/scores.0.parquet"
    tables.objects[key] = tables.objects["candidates/index/a/members.0.parquet"]
    second = Machine(tables, tmp_path / "second")
    assert same(second.get(), made)
    assert second.said == ["the shared candidate index is damaged: building it again", INDEXING]
    third = Machine(tables, tmp_path / "third")
    assert same(third.get(), made)
    assert third.said == []


def test_an_index_of_another_method_is_of_no_use(tables: MemoryTables, tmp_path: Path) -> None:
    Machine(tables, tmp_path / "first").get()
    todays = f'"method": "{METHOD_VERSION}"'.encode()
    tables.objects[POINTER] = tables.objects[POINTER].replace(todays, b'"method": "1"')
    machine = Machine(tables, tmp_path / "second")
    machine.get()
    assert machine.said == [INDEXING]


# Two runs that need it at once


class Meanwhile(FakeClock):
    """While one sleeps, something happens."""

    happens: Callable[[], object] = staticmethod(lambda: None)

    async def sleep(self, seconds: float) -> None:
        self.happens()
        await super().sleep(seconds)


def test_a_run_that_finds_another_building_waits_for_it_and_builds_nothing(
    tables: MemoryTables, tmp_path: Path
) -> None:
    clock = Meanwhile()
    builder = Machine(tables, tmp_path / "builder", clock)
    assert builder._index._lock.take()  # noqa: SLF001
    waiter = Machine(tables, tmp_path / "waiter", clock)
    made: list[Lists] = []
    clock.happens = lambda: made or made.append(builder.get())
    assert same(waiter.get(), made[0])
    assert (builder.said, waiter.said) == ([INDEXING], [])


def test_a_run_whose_builder_was_killed_builds_when_the_lease_is_over(tables: MemoryTables, tmp_path: Path) -> None:
    clock = FakeClock()
    started = clock.now()
    assert Machine(tables, tmp_path / "killed", clock)._index._lock.take()  # noqa: SLF001
    waiter = Machine(tables, tmp_path / "waiter", clock)
    waiter.get()
    assert waiter.said == [INDEXING]
    assert 100 < (clock.now() - started).total_seconds() < 140


def test_of_two_that_take_the_lock_at_the_same_moment_one_gets_it(tables: MemoryTables, tmp_path: Path) -> None:
    locks = [Machine(tables, tmp_path / name)._index._lock for name in ("a", "b")]  # noqa: SLF001
    assert [lock.take() for lock in locks] == [True, False]
    locks[0].release()
    assert [lock.take() for lock in (locks[1], locks[0])] == [True, False]


def test_a_builder_keeps_its_lock_for_as_long_as_it_builds(tables: MemoryTables, tmp_path: Path) -> None:
    clock = FakeClock()
    lock, other = (Machine(tables, tmp_path / name, clock)._index._lock for name in ("a", "b"))  # noqa: SLF001
    assert lock.take()
    for _ in range(10):
        clock.advance(50)
        lock.renew()
    assert not other.take()
    clock.advance(121)
    assert other.take()
    lock.renew()  # lost: the other keeps it
    assert not Machine(tables, tmp_path / "c", clock)._index._lock.take()  # noqa: SLF001


# This machine's copies


def test_copies_that_nobody_used_for_a_day_go_and_others_stay(tables: MemoryTables, tmp_path: Path) -> None:
    machine = Machine(tables, tmp_path)
    first = machine.get().matrix.folder
    put_catalog(tables, [replace(each, title=f"{each.title}!!") for each in titles()])
    second = machine.get("v2").matrix.folder
    assert first.exists()
    long_ago = first.stat().st_mtime - 2 * 86_400
    os.utime(first, (long_ago, long_ago))
    put_catalog(tables, titles(20))
    third = machine.get("v3")
    assert not first.exists()
    assert second.exists()
    assert np.array_equal(third.matrix.find(third.matrix.ids), np.arange(20))


def test_what_is_damaged_and_can_not_be_fetched_is_one_clear_error(tables: MemoryTables, tmp_path: Path) -> None:
    machine = Machine(tables, tmp_path)
    machine.get()
    pointer = tables.read_json(POINTER)
    assert pointer is not None
    for key in parts(tables):
        del tables.objects[key]
    with pytest.raises(DamagedIndexError, match="is damaged"):
        machine._index._fetch(pointer, tmp_path / "elsewhere")  # noqa: SLF001
