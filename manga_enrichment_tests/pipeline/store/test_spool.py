"""What waits on disk comes back as it was, by rank and in order."""

from pathlib import Path

import pyarrow as pa
import pytest

from manga_enrichment.pipeline.store import spool as module
from manga_enrichment.pipeline.store.spool import Spool, reader_of

SCHEMA = pa.schema([pa.field("title", pa.string()), pa.field("themes", pa.list_(pa.string()))])


def rows(*titles: str) -> pa.Table:
    return pa.table({"title": titles, "themes": [["a", None]] * len(titles)}, schema=SCHEMA)


def titles(parts: object) -> list[list[str]]:
    return [part.column("title").to_pylist() for part in parts]  # type: ignore[attr-defined]


def test_parts_come_by_rank_and_within_one_as_they_were_added() -> None:
    with Spool(SCHEMA) as spool:
        for rank, title in ((2, "d"), (0, "a"), (2, "e"), (1, "c"), (0, "b")):
            spool.add(rows(title), rank)
        assert titles(spool) == titles(spool) == [["a"], ["b"], ["c"], ["d"], ["e"]]
        assert spool.of_rank(2).equals(rows("d", "e"))
        assert spool.of_rank(7).equals(SCHEMA.empty_table())


def test_more_may_be_added_between_two_readings_and_in_one() -> None:
    with Spool(SCHEMA) as spool:
        spool.add(rows("a"))
        spool.add(rows("b"))
        parts = iter(spool)
        assert titles([next(parts)]) == [["a"]]
        spool.add(rows("c"))
        assert titles(parts) == [["b"]]
        assert titles(spool) == [["a"], ["b"], ["c"]]


def test_a_spool_without_rows_has_one_empty_part() -> None:
    with Spool(SCHEMA) as spool:
        spool.add(SCHEMA.empty_table())
        assert not spool.has_rows
        assert [part.equals(SCHEMA.empty_table()) for part in spool] == [True]


def test_a_slice_is_kept_as_what_it_shows() -> None:
    with Spool(SCHEMA) as spool:
        spool.add(rows("a", "b", "c", "d").slice(1, 2))
        spool.add(rows("x", "y").slice(1))
        assert titles(spool) == [["b", "c"], ["y"]]


def test_what_does_not_fit_in_memory_is_in_the_folder_and_gone_after(tmp_path: Path) -> None:
    long = "x" * (module._MEMORY_BYTES // 2)  # noqa: SLF001 - how much is kept in memory
    with Spool(SCHEMA, tmp_path) as spool:
        for _ in range(3):
            spool.add(rows(long))
        assert titles(spool) == [[long]] * 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("size", "batches"), [(10, 1), (module._BATCH_BYTES // 2, 2)])  # noqa: SLF001 - likewise
def test_small_parts_are_put_together_for_the_store(size: int, batches: int) -> None:
    parts = [rows("x" * size, "b"), rows("c" * size), rows("d" * 2)]
    schema = SCHEMA.with_metadata({b"manga.version": b"0a1b"})
    reader = reader_of(parts, schema)
    assert reader.schema.equals(schema, check_metadata=True)
    found = list(reader)
    assert len(found) == batches
    assert pa.Table.from_batches(found, SCHEMA).equals(pa.concat_tables(parts))
