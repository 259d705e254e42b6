"""The candidate index of a catalog version, made once and kept on S3 for every machine.

Belongs here: who builds, publishing, fetching, this machine's copies. Stays out: building (`index.py`).

An index is published into the one of two slots that the pointer (`current.json`) does not name, and then the pointer is
replaced: whoever is killed on the way leaves the former one as it was. The pointer has a checksum of every part, so a
part that is damaged, or was replaced while it was fetched, is noticed. Only the two slots are ever there.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.index import build_index
from manga_enrichment.pipeline.candidates.lists import LIST_ARRAYS, Lists
from manga_enrichment.pipeline.candidates.matrix import ARRAYS, MANIFEST, DamagedIndexError, Matrix, mapped
from manga_enrichment.pipeline.candidates.method import METHOD_VERSION
from manga_enrichment.pipeline.store.object_keys import index_key

FILES = {**ARRAYS, **LIST_ARRAYS}
ELEMENTS_A_PART = 4_000_000
LEASE = timedelta(seconds=120)
PAUSE_SECONDS = 5.0
UNUSED_SECONDS = 86_400.0
FETCHES = 2
_POINTER, _LOCK = "current.json", "building.parquet"
_NUMBERS = ("terms",)
"""Stored as numbers, of which Parquet keeps each different one once; other arrays are smaller as bytes, and cheaper."""


class SharedIndex:
    """The index for one catalog version, from wherever it is to be had soonest."""

    def __init__(
        self,
        tables: ObjectStore,
        buckets: Sequence[str],
        clock: Clock,
        *,
        holder: str,
        full_after: int,
        say: Callable[[str], None],
        home: Path | None = None,
    ) -> None:
        """holder: who builds, if it comes to that. full_after: updates until everything is built anew.

        home: of this machine's copies; by default in its folder for temporary files.
        """
        self._tables, self._buckets, self._clock, self._say = tables, buckets, clock, say
        self._lock = _Lock(tables, clock, holder)
        self._full_after = full_after
        self._home = home or Path(tempfile.gettempdir()) / "manga-enrichment-index"

    def get(self, catalog_version: str) -> Lists:
        """This machine's copy, else the shared one, else a new one; while another run builds it, that is waited for."""
        self._home.mkdir(parents=True, exist_ok=True)
        while True:
            pointer = self._pointer()
            if pointer is not None and pointer["catalog_version"] == catalog_version:
                with suppress(DamagedIndexError):
                    return self._copy_of(pointer)
                self._say("the shared candidate index is damaged: building it again")
            if self._lock.take():
                try:
                    return self._build(catalog_version)
                finally:
                    self._lock.release()
            self._clock.run(self._clock.sleep(PAUSE_SECONDS))

    def latest(self, known: Lists | None = None) -> Lists | None:
        """The shared index of whichever catalog version, None before the first; `known` while it still is that one.

        Raises DamagedIndexError.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        pointer = self._pointer()
        if pointer is None or (known is not None and known.matrix.folder == self._folder(pointer)):
            return None if pointer is None else known
        return self._copy_of(pointer)

    def _pointer(self) -> dict[str, Any] | None:
        """None also for an index of another method, which is of no use."""
        pointer = self._tables.read_json(index_key(_POINTER))
        return pointer if pointer is not None and pointer["method"] == METHOD_VERSION else None

    def _build(self, catalog_version: str) -> Lists:
        """Build or update and publish, unless another run did so before this one had the lock."""
        pointer = self._pointer()
        earlier = None
        with suppress(DamagedIndexError):
            earlier = None if pointer is None else self._copy_of(pointer)
        if pointer is not None and earlier is not None and pointer["catalog_version"] == catalog_version:
            return earlier
        self._say("indexing the whole catalog for candidate search")
        is_due = earlier is None or earlier.matrix.manifest["updates"] >= self._full_after
        with tempfile.TemporaryDirectory(dir=self._home, prefix="building-") as folder:
            made = build_index(
                self._tables,
                self._buckets,
                Path(folder) / "index",
                {"catalog_version": catalog_version},
                None if is_due else earlier,
                alive=self._lock.renew,
            )
            new = self._publish(made, "b" if pointer is not None and pointer["slot"] == "a" else "a")
            self._keep(made.matrix.folder, new)
        del made
        pa.default_memory_pool().release_unused()  # what building took
        return Lists(Matrix(self._folder(new)))

    def _publish(self, lists: Lists, slot: str) -> dict[str, Any]:
        """The new pointer."""
        sums: dict[str, list[str]] = {}
        for name, kind in FILES.items():
            sums[name] = []
            for number, part in enumerate(_parts(lists.matrix.folder, name)):
                self._lock.renew()
                stored = np.frombuffer(part, kind) if name in _NUMBERS else [bytes(part)]
                self._tables.write(_part_key(slot, name, number), pa.table({"values": stored}))
                sums[name].append(_sum(part))
        pointer = {**lists.matrix.manifest, "slot": slot, "sums": sums}
        self._tables.write_json(index_key(_POINTER), pointer)
        return pointer

    def _copy_of(self, pointer: dict[str, Any]) -> Lists:
        """This machine's copy, fetched unless it is there and sound. Raises DamagedIndexError."""
        folder = self._folder(pointer)
        with suppress(DamagedIndexError):
            return _opened(folder, pointer)
        for left in range(FETCHES - 1, -1, -1):
            try:
                with tempfile.TemporaryDirectory(dir=self._home, prefix="fetching-") as fetching:
                    self._fetch(pointer, Path(fetching) / "index")
                    self._keep(Path(fetching) / "index", pointer)
                return _opened(folder, pointer)
            except DamagedIndexError:
                if not left:
                    raise
        raise AssertionError("the last fetch returns or raises")

    def _fetch(self, pointer: dict[str, Any], folder: Path) -> None:
        folder.mkdir()
        manifest = {name: value for name, value in pointer.items() if name not in {"slot", "sums"}}
        (folder / MANIFEST).write_bytes(orjson.dumps(manifest))
        for name, sums in pointer["sums"].items():
            with (folder / name).open("wb") as file:
                for number, expected in enumerate(sums):
                    stored = self._tables.read(_part_key(pointer["slot"], name, number))
                    values = b"" if stored is None else _bytes_of(stored.table.column("values"))
                    if stored is None or _sum(values) != expected:
                        raise DamagedIndexError(f"part {number} of {name} is damaged")
                    file.write(values)

    def _keep(self, made: Path, pointer: dict[str, Any]) -> None:
        """Among this machine's copies, of which those that nobody used for a day go."""
        folder = self._folder(pointer)
        shutil.rmtree(folder, ignore_errors=True)  # nothing, or what cannot be read
        with suppress(OSError):  # another run was faster; its copy is the same
            made.rename(folder)
        for old in self._home.iterdir():
            with suppress(FileNotFoundError):  # another run deletes, too
                if folder.stat().st_mtime - old.stat().st_mtime > UNUSED_SECONDS:
                    shutil.rmtree(old, ignore_errors=True)

    def _folder(self, pointer: dict[str, Any]) -> Path:
        return self._home / hashlib.sha256(orjson.dumps(pointer["sums"])).hexdigest()[:32]


def _opened(folder: Path, pointer: dict[str, Any]) -> Lists:
    """A copy whose files have the pointer's checksums."""
    for name, sums in pointer["sums"].items():
        path = folder / name
        if not path.is_file() or [_sum(part) for part in _parts(folder, name)] != sums:
            raise DamagedIndexError(f"{path} is damaged")
    os.utime(folder)
    return Lists(Matrix(folder))


def _parts(folder: Path, name: str) -> Iterator[memoryview]:
    """The bytes of an array in pieces."""
    values = mapped(folder, name, "u1")
    size = ELEMENTS_A_PART * np.dtype(FILES[name]).itemsize
    return (values[start : start + size].data for start in range(0, len(values), size))


def _bytes_of(part: pa.ChunkedArray) -> bytes | memoryview:
    return b"".join(part.to_pylist()) if pa.types.is_binary(part.type) else part.to_numpy().data


def _part_key(slot: str, name: str, number: int) -> str:
    return index_key(f"{slot}/{name}.{number}.parquet")


def _sum(part: bytes | memoryview) -> str:
    return hashlib.sha256(part).hexdigest()


@dataclass(slots=True)
class _Lock:
    """The right to build: a small object that says who has it and until when, replaced on condition."""

    tables: ObjectStore
    clock: Clock
    holder: str
    _etag: str = ""
    _until: datetime | None = None

    def take(self) -> bool:
        """False while another has it."""
        stored = self.tables.read(index_key(_LOCK))
        if stored is not None:
            [row] = stored.table.to_pylist()
            if row["until"] > self.clock.now() and row["holder"] != self.holder:
                return False
        return self._write(None if stored is None else stored.etag, self.clock.now() + LEASE)

    def renew(self) -> None:
        """Cheap until a third of the lease is over. Lost to another, one goes on: it builds the same."""
        if self._until is None or self._until - self.clock.now() < LEASE * 2 / 3:
            self._write(self._etag, self.clock.now() + LEASE)

    def release(self) -> None:
        self._write(self._etag, self.clock.now())

    def _write(self, etag: str | None, until: datetime) -> bool:
        table = pa.table({"holder": [self.holder], "until": pa.array([until], pa.timestamp("us", tz="UTC"))})
        self._until = until
        with suppress(WriteConflictError):
            self._etag = self.tables.write(index_key(_LOCK), table, expected_etag=etag, new=etag is None)
            return True
        return False
