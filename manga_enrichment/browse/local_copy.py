"""A copy of the published tables on this disk: each object once in each version, fetched when its version is new.

Belongs here: fetching, cutting a file to the columns of today, forgetting files that nobody reads. Stays out: reading
them (`tables.py`).

A file is named after its object and version and never changes, so a query reads what stood when it began. Files of the
copy before the current one are kept, for queries that still run.
"""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from manga_enrichment.gateways.table_files import TableFiles
from manga_enrichment.pipeline.publish.tables import PublishedTable
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.rows import fitted

_FETCHING = 8
_LOOKS = 5
_BATCH_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """path: of the object below the root of all tables; local: the file here, of the table's columns of today."""

    path: str
    local: Path

    @property
    def name(self) -> str:
        """Of the object, without the folders."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class Copy:
    """What the tables were at one look: table -> its files."""

    files: Mapping[str, Sequence[CopiedFile]]

    def of(self, table: str) -> Sequence[CopiedFile]:
        return self.files.get(table, ())

    def version(self, tables: Iterable[str]) -> str:
        """Changes with any file of these tables."""
        names = sorted(file.local.name for table in tables for file in self.of(table))
        return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


class LocalCopy:
    """A folder that this process alone writes to."""

    def __init__(self, files: TableFiles, tables: Sequence[PublishedTable], home: Path) -> None:
        self._files, self.home = files, home
        self._schemas = {table.name: _schema_in_file(table) for table in tables}
        self._kept: list[set[Path]] = []
        self._cutting = threading.Lock()

    def refresh(self) -> Copy:
        """Look at the tables and fetch what is new. Raises ConfigurationError, StoreUnavailableError, OSError."""
        self.home.mkdir(parents=True, exist_ok=True)
        for _look in range(_LOOKS):
            wanted = self._wanted()
            missing = {path: local for path, local in wanted.items() if not local.exists()}
            with ThreadPoolExecutor(_FETCHING) as pool:
                came = list(pool.map(self._fetch, missing, missing.values()))
            pa.default_memory_pool().release_unused()
            if all(came):
                break
            # Replaced, or merged with others, since it was listed: what the look after shows is whole.
        found: dict[str, list[CopiedFile]] = defaultdict(list)
        for path, local in wanted.items():
            if local.exists():
                found[path.partition("/")[0]].append(CopiedFile(path, local))
        self._forget(set(wanted.values()))
        return Copy(dict(found))

    def _wanted(self) -> dict[str, Path]:
        versions = self._files.versions()
        return {
            path: self._local(path, tag)
            for path, tag in sorted(versions.items())
            if path.partition("/")[0] in self._schemas and ".." not in path
        }

    def _local(self, path: str, tag: str) -> Path:
        columns = self._schemas[path.partition("/")[0]]
        digest = hashlib.sha256(f"{path}\n{tag}\n{columns}".encode()).hexdigest()[:16]
        folder = PurePosixPath(path).parent
        return self.home / folder / f"{PurePosixPath(path).stem[:80]}@{digest}.parquet"

    def _fetch(self, path: str, local: Path) -> bool:
        """Whether the version that was listed came."""
        local.parent.mkdir(parents=True, exist_ok=True)
        coming = local.with_name(f".{uuid4().hex}.coming")
        try:
            tag = self._files.fetch(path, coming)
            if tag is None or self._local(path, tag) != local:
                return False
            with self._cutting:  # one at a time, since it takes memory
                _cut(coming, self._schemas[path.partition("/")[0]])
            coming.replace(local)
            return True
        finally:
            coming.unlink(missing_ok=True)

    def _forget(self, current: set[Path]) -> None:
        self._kept = [*self._kept[-1:], current]
        kept = set[Path]().union(*self._kept)
        for path in self.home.rglob("*@*.parquet"):
            if path not in kept:
                path.unlink(missing_ok=True)


def _schema_in_file(table: PublishedTable) -> pa.Schema:
    """What is in the path is not in the file, though it may be in the documented columns, too.

    Everything may be null: a row of a release that did not know a column is a row all the same.
    """
    in_path = {key.value for key in table.partition_keys}
    return pa.schema([field.with_nullable(True) for field in arrow_schema(table.columns) if field.name not in in_path])


def _cut(path: Path, schema: pa.Schema) -> None:
    """Columns as they are today, in a file of a release that had others; null where it had none."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        stored = file.schema_arrow
        if stored.names == schema.names and stored.types == schema.types:
            return
        target = path.with_suffix(".cut")
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in file.iter_batches(_BATCH_ROWS):
                writer.write_table(fitted(pa.Table.from_batches([batch]), schema))
    target.replace(path)
