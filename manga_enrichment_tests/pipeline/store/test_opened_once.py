"""What several ops go through is read once while it is small."""

import pyarrow as pa

from manga_enrichment.pipeline.store.opened_once import MOST_BYTES, OpenedOnce
from manga_enrichment_tests.watched_tables import WatchedTables


def rows_of(once: OpenedOnce, key: str) -> int | None:
    stored = once.open(key)
    return None if stored is None else stored.file.read().num_rows


def test_a_small_file_is_read_once_until_it_is_forgotten() -> None:
    tables = WatchedTables()
    tables.write("a", pa.table({"manga_id": ["x", "y"]}))
    once = OpenedOnce(tables)
    assert [rows_of(once, "a") for _ in range(3)] == [2, 2, 2]
    assert tables.seen == ["a"]
    tables.write("a", pa.table({"manga_id": ["x"]}))
    once.forget()
    assert rows_of(once, "a") == 1
    assert tables.seen == ["a", "a"]


def test_what_is_not_there_is_looked_for_each_time() -> None:
    tables = WatchedTables()
    once = OpenedOnce(tables)
    assert rows_of(once, "a") is None
    tables.write("a", pa.table({"manga_id": ["x"]}))
    assert rows_of(once, "a") == 1


def test_no_more_stays_open_than_fits() -> None:
    tables = WatchedTables()
    half = pa.table({"number": pa.array(range(MOST_BYTES // 8 // 2 - 4096), pa.int64())})
    for key in ("a", "b", "c"):
        tables.write(key, half)
    once = OpenedOnce(tables)
    sizes = [rows_of(once, key) for key in ("a", "b", "c", "a", "b", "c")]
    assert sizes == [half.num_rows] * 6
    kept = [key for key in ("a", "b", "c") if tables.seen.count(key) == 1]
    assert 0 < len(kept) < 3
    once.forget()
    tables.seen.clear()
    assert [rows_of(once, "c"), rows_of(once, "c")] == [half.num_rows] * 2
    assert tables.seen == ["c"]
