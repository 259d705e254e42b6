"""CPU, memory and disk of the candidate index: a full build, a night in which one title in a hundred changed, fetching.

Run: python -m benchmarks.candidate_nights --rows 20000 --nights 10. The catalog is a generated sample. Afterwards: how
much of a list is that of a full build of the same catalog, and how many lists the rule would replace.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report import Row, show
from benchmarks.window import peak_rss_bytes
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.prompts.candidates import replaces
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import StoredTable
from manga_enrichment.local.sample_catalog import generate
from manga_enrichment.pipeline.candidates.lists import SHOWN, Lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE
from manga_enrichment.pipeline.candidates.shared import SharedIndex
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA, batch_of, record_row
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.runtime.clock import SystemClock

BUCKETS = ("0", "1", "2", "3", "4", "5", "6", "7")


class FolderStore:
    """As much of an ObjectStore as the index needs, over a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        path = self._folder / key
        if not path.exists():
            return None
        table = pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
        return StoredTable(table, str(path.stat().st_mtime_ns))

    def write(self, key: str, table: pa.Table, *, expected_etag: str | None = None, new: bool = False) -> str:
        path = self._folder / key
        if new and path.exists():
            raise WriteConflictError(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="zstd")
        return str(path.stat().st_mtime_ns)

    def read_json(self, key: str) -> dict[str, Any] | None:
        path = self._folder / key
        return dict(orjson.loads(path.read_bytes())) if path.exists() else None

    def write_json(self, key: str, document: Mapping[str, Any], *, new: bool = False, kept_as: str = "") -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(dict(document)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="titles in the catalog")
    parser.add_argument("--nights", type=int, default=1, help="nights in which a hundredth of the titles changes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        store = FolderStore(folder / "store")
        rows: list[Row] = []
        for night in range(options.nights + 1):
            _put_catalog(store, options.rows, night)
            name = f"night {night}" if night else "full build"
            rows.append(_measured(name, options.rows, store, folder / "here", night)[0])
        row, lists = _measured("fetch", options.rows, store, folder / "there", options.nights)
        rows.append({**row, **_sizes(lists, folder / "store" / "candidates")})
        if options.nights:
            (folder / "store" / "candidates" / "index" / "current.json").unlink()
            row, anew = _measured("full build, last night", options.rows, store, folder / "anew", options.nights)
            rows.append({**row, **_drift(lists, anew)})
    names = dict.fromkeys(name for row in rows for name in row)
    show(f"candidate index, {options.rows} titles", [{name: row.get(name) for name in names} for row in rows])


def _put_catalog(store: FolderStore, rows: int, night: int) -> None:
    """In a process of its own, so that the memory that this takes is not counted."""
    process = multiprocessing.get_context("fork").Process(target=_write_catalog, args=(store, rows, night))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the catalog was not written")


def _write_catalog(store: FolderStore, rows: int, night: int) -> None:
    """The catalog after so many nights; each changed a hundredth: two in three have another text, one left and one
    came."""
    records: dict[str, list[MangaRecord]] = {bucket: [] for bucket in BUCKETS}
    others = generate(rows, 2) if night else repeat(None)
    for number, (then, now) in enumerate(zip(generate(rows, 1), others, strict=False)):
        row = then.row
        if now is not None and 0 < number // len(BUCKETS) % 100 <= night:
            row = {**now.row, "manga_id": then.row["manga_id"]} if number % 3 else now.row
        record = clean_row(row, number)
        if isinstance(record, MangaRecord):
            records[BUCKETS[number % len(BUCKETS)]].append(record)
    for bucket, own in records.items():
        own.sort(key=lambda record: record.manga_id)
        table = pa.Table.from_batches([batch_of((record_row(record, "") for record in own), CATALOG_SCHEMA)])
        store.write(table_key("catalog", bucket), table)


def _measured(name: str, rows: int, store: FolderStore, home: Path, night: int) -> tuple[Row, Lists]:
    """A run on the machine whose copies are in `home`."""
    index = SharedIndex(
        store, BUCKETS, SystemClock(), holder="benchmark", full_after=1_000, say=lambda _line: None, home=home
    )
    cpu, wall = time.process_time(), time.perf_counter()
    lists = index.get(f"night {night}")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    figures: Row = {"what": name, "cpu_s": round(cpu, 2), "wall_s": round(wall, 2)}
    return figures | {
        "cpu_ms_a_title": round(1_000 * cpu / rows, 3),
        "peak_rss_mb": round(peak_rss_bytes() / 1e6),
    }, lists


def _sizes(lists: Lists, stored: Path) -> Row:
    """Bytes a title: of a copy, and of one of the two slots on S3."""
    copy = sum(path.stat().st_size for path in lists.matrix.folder.iterdir())
    packed = max(sum(path.stat().st_size for path in (stored / "index" / slot).glob("*")) for slot in "ab")
    return {"bytes_a_title": round(copy / len(lists.matrix)), "packed": round(packed / len(lists.matrix))}


def _drift(updated: Lists, anew: Lists) -> Row:
    """Share of a shown list that both have, and of lists that the rule would replace."""
    ids = [updated.matrix.manga_id(row) for row in range(len(updated.matrix))]
    mine, theirs = (each.first(each.matrix.rows_of(ids), SHOWN) for each in (updated, anew))
    as_theirs = np.where(mine == NO_TITLE, NO_TITLE, anew.matrix.find(updated.matrix.ids)[mine])
    shared, replaced = [], 0
    for stored, fresh in zip(as_theirs.tolist(), theirs.tolist(), strict=True):
        of_stored, of_fresh = set(stored) - {NO_TITLE}, set(fresh) - {NO_TITLE}
        if of_fresh:
            shared.append(len(of_stored & of_fresh) / len(of_fresh))
            missed = len(of_fresh - of_stored)
            replaced += replaces(stored=len(of_stored), gone=0, fresh=len(of_fresh), missed=missed)
    return {"overlap": round(sum(shared) / len(shared), 4), "replaced_share": round(replaced / len(shared), 4)}


if __name__ == "__main__":
    main()
