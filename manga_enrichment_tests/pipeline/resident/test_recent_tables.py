import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from manga_enrichment.gateways.objects import StoredTable
from manga_enrichment.pipeline.resident.recent_tables import RECENT_SECONDS, RecentTables
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.fakes import MemoryTables


class CountedTables:
    """Tables whose reads are counted. One that is held back waits until it is let go."""

    def __init__(self) -> None:
        self.tables = MemoryTables()
        self.reads: Counter[str] = Counter()
        self.go = threading.Event()
        self.go.set()

    def put(self, key: str, rows: int = 3) -> None:
        self.tables.write(key, pa.table({"manga_id": pa.array(range(rows), pa.int64())}))

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        self.reads[key] += 1
        assert self.go.wait(10)
        return self.tables.read(key, columns)


@pytest.fixture
def store() -> CountedTables:
    made = CountedTables()
    made.put("a")
    made.put("b")
    return made


def size(store: CountedTables) -> int:
    stored = store.tables.read("a")
    assert stored is not None
    return int(stored.table.nbytes)


def rows(found: StoredTable | None) -> int:
    assert found is not None
    return int(found.table.num_rows)


def test_a_table_is_read_once_in_a_while_and_then_as_it_stands(store: CountedTables) -> None:
    clock = FakeClock()
    recent = RecentTables(store, clock)
    assert [rows(recent.read("a")), rows(recent.read("a")), rows(recent.read("b"))] == [3, 3, 3]
    assert store.reads == {"a": 1, "b": 1}
    store.put("a", rows=5)
    clock.advance(RECENT_SECONDS - 0.1)
    assert rows(recent.read("a")) == 3
    clock.advance(0.1)
    assert rows(recent.read("a")) == 5
    assert store.reads["a"] == 2


def test_that_there_is_no_table_is_not_kept(store: CountedTables) -> None:
    recent = RecentTables(store, FakeClock())
    assert recent.read("new") is None
    store.put("new")
    assert rows(recent.read("new")) == 3


def test_some_columns_alone_are_read_anew(store: CountedTables) -> None:
    recent = RecentTables(store, FakeClock())
    for _ in range(2):
        assert rows(recent.read("a", ["manga_id"])) == 3
    assert store.reads["a"] == 2


def test_what_is_too_much_goes_the_oldest_first(store: CountedTables) -> None:
    recent = RecentTables(store, FakeClock(), most_bytes=2 * size(store))
    for key in ("a", "b"):
        recent.read(key)
    store.put("c")
    recent.read("c")
    for key in ("b", "c", "a"):
        recent.read(key)
    assert store.reads == {"a": 2, "b": 1, "c": 1}


def test_a_table_larger_than_all_that_may_be_kept_is_read_each_time(store: CountedTables) -> None:
    recent = RecentTables(store, FakeClock(), most_bytes=size(store) - 1)
    assert [rows(recent.read("a")), rows(recent.read("a"))] == [3, 3]
    assert store.reads["a"] == 2


def test_what_else_was_made_a_moment_ago_is_recalled_whatever_it_was() -> None:
    clock = FakeClock()
    recent, made = RecentTables(CountedTables(), clock), list[int]()

    def make() -> None:
        made.append(len(made))

    for _ in range(3):
        recent.recall("nothing", make)
    clock.advance(RECENT_SECONDS - 0.1)
    recent.recall("nothing", make)
    assert recent.recall("another", lambda: "other") == "other"
    assert made == [0]
    clock.advance(0.1)
    recent.recall("nothing", make)
    assert made == [0, 1]


def test_who_wants_what_is_being_read_waits_for_it(store: CountedTables) -> None:
    store.go.clear()
    recent = RecentTables(store, FakeClock())
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(recent.read, "a") for _ in range(4)]
        store.go.set()
        assert [rows(each.result(10)) for each in found] == [3] * 4
    assert store.reads["a"] == 1


def test_a_failed_read_is_tried_again_by_the_next(store: CountedTables) -> None:
    class Away(CountedTables):
        def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
            self.reads[key] += 1
            if self.reads[key] == 1:
                raise OSError("away")
            return store.read(key, columns)

    recent = RecentTables(Away(), FakeClock())
    with pytest.raises(OSError, match="away"):
        recent.read("a")
    assert rows(recent.read("a")) == 3
