"""An object store in a folder, and functions that are measured in a process of their own.

Belongs here: what benchmarks of the candidate index stand on. Stays out: what they measure (`candidate_nights.py`).
"""

import importlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report import Row
from manga_enrichment.aws.s3.objects import IN_MEMORY_BYTES, PARQUET, ROW_GROUP_ROWS, table_of
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import Rows, StoredFile, StoredTable

_LOOK_SECONDS = 0.02


class FolderStore:
    """As much of an ObjectStore as candidate lists need. It holds as much in memory as `S3ObjectStore` does: what it
    reads whole, what it opens if that is small, nothing of what it writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        found = self._get(key)
        return None if found is None else StoredTable(table_of(found[0], columns), found[1])

    def open(self, key: str) -> StoredFile | None:
        path = self.folder / key
        if path.exists() and path.stat().st_size > IN_MEMORY_BYTES:
            return StoredFile(
                pq.ParquetFile(pa.OSFile(str(path), "rb"), pre_buffer=False), str(path.stat().st_mtime_ns)
            )
        found = self._get(key)
        return None if found is None else StoredFile(pq.ParquetFile(found[0], pre_buffer=False), found[1])

    def _get(self, key: str) -> tuple[pa.BufferReader, str] | None:
        path = self.folder / key
        if not path.exists():
            return None
        return pa.BufferReader(path.read_bytes()), str(path.stat().st_mtime_ns)

    def write(self, key: str, table: Rows, *, expected_etag: str | None = None, new: bool = False) -> str:
        path = self.folder / key
        if new and path.exists():
            raise WriteConflictError(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name("unfinished")
        with unfinished.open("wb") as file, pq.ParquetWriter(file, table.schema, **PARQUET) as writer:
            for rows in [table] if isinstance(table, pa.Table) else table:
                writer.write(rows, ROW_GROUP_ROWS)
                del rows  # or they stay while the next are made
        unfinished.rename(path)  # who reads the former one goes on reading it
        return str(path.stat().st_mtime_ns)

    def read_json(self, key: str) -> dict[str, Any] | None:
        path = self.folder / key
        return dict(orjson.loads(path.read_bytes())) if path.exists() else None

    def write_json(self, key: str, document: Mapping[str, Any], *, new: bool = False, kept_as: str = "") -> None:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(dict(document)))

    def uri(self, key: str) -> str:
        return str(self.folder / key)


def _preload() -> None:
    """Modules that are loaded when first used, so that no measurement contains it."""
    of_pyarrow = ("pandas", "pyarrow.dataset")
    for name in (*of_pyarrow, "duckdb", "scipy.sparse", "scipy.sparse.csgraph", "sparse_dot_topn"):
        importlib.import_module(name)


def measured_apart(function: Callable[..., Row], *arguments: Any) -> Row:
    """What the function says, with the CPU that it took, and the most memory of its own and of mapped files.

    In a fresh process: a fork would pay for each page of ours that it touches.
    """
    mine, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_measure, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        row: Row = mine.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__} failed") from None
    process.join()
    return row


def _measure(pipe: Connection, function: Callable[..., Row], arguments: Sequence[Any]) -> None:
    _preload()
    most, watching = {"RssAnon": 0, "RssFile": 0}, [0.0]
    is_over = threading.Event()
    watch = threading.Thread(target=_watch, args=(most, watching, is_over))
    watch.start()
    try:
        cpu = time.process_time()
        row = function(*arguments)
        cpu = time.process_time() - cpu - watching[0]
    finally:
        is_over.set()
        watch.join()
    pipe.send({"cpu_s": round(cpu, 2), "own_mb": most["RssAnon"], "mapped_mb": most["RssFile"], **row})


def _watch(most: dict[str, int], watching: list[float], is_over: threading.Event) -> None:
    """Puts the most memory into `most`, and into `watching` the CPU that looking took."""
    while not is_over.wait(_LOOK_SECONDS):
        for line in Path("/proc/self/status").read_text().splitlines():
            name = line.partition(":")[0]
            if name in most:
                most[name] = max(most[name], int(line.split()[1]) * 1024 // 1_000_000)
        watching[0] = time.thread_time()
