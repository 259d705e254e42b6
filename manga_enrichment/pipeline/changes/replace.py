"""Replacing a bucket's table so that whoever follows its changes gets each once, whatever is killed in between.

Belongs here: the order of writes. Stays out: comparing (`compare.py`), whose tables these are (`catalog/`,
`enrichment/`), how long changes are kept (`prune.py`).

    changes/<changes>/bucket=<b>/       the changes of a version to be, before it
    the table                           put over the version that was compared, with its own version in the file
    enrichment/<changes>/date=<d>/      the changes again, for all to read; then those above go

A version's changes are published when the table has it, by its own writer or, where that was killed, by the next one
before it replaces the version. The key follows from the version, so that a second time is the same object. Changes of
a version that lost against another writer, or that nobody came to put, are dropped once the table has moved on.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pyarrow as pa

from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore, StoredFile
from manga_enrichment.pipeline.changes.compare import CHANGE_SCHEMA, Compared, compare
from manga_enrichment.pipeline.store.conditional_writes import CONFLICT_TRIES
from manga_enrichment.pipeline.store.object_keys import changes_prefix, pending_changes_prefix
from manga_enrichment.pipeline.store.spool import reader_of

VERSION, VERSION_OF = b"manga.version", b"manga.version_of"
"""In a table's Parquet metadata: its version, and when that was compared with the one before (ISO 8601)."""
_FIRST, _UNNAMED = "first", "unnamed"
"""What stands for the version before: there was no row; its writer named none, as earlier releases."""
_TICK = timedelta(microseconds=1)
_ROWS_PER_BATCH = 4096
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Who replaces a table, and when (UTC)."""

    run_id: str
    now: datetime


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """What became of one bucket: titles by kind, changed values, "" for the key where nothing changed. some: a few rows
    of what changed, as `Compared` has them."""

    changes: str
    bucket: str
    version: str
    titles: dict[str, int]
    values: int
    key: str = ""
    some: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Followed:
    """A bucket's table whose changes are kept. changes: the name of their table."""

    objects: ObjectStore
    key: str
    changes: str
    bucket: str

    def replace(
        self,
        make: Callable[[], Iterable[pa.Table]],
        origin: Origin,
        before: Callable[[pa.Table], None] = lambda _removed: None,
    ) -> tuple[Iterable[pa.Table], ChangeReport]:
        """Put what `make` gives, unless the table is that already; (that, what changed).

        make: a table in parts, at least one, sorted by manga_id over all of them, which can be read more than once;
        called again where another writer was faster. before: gets the titles that leave before the table loses them,
        as rows of changes. Raises WriteConflictError when the table kept changing.
        """
        for _ in range(CONFLICT_TRIES):
            waiting = self.objects.list_keys(pending_changes_prefix(self.changes, self.bucket))
            stored = self.objects.open(self.key)  # after the list: what is not this version nor after it is none
            self._settle(waiting, stored)
            parts = make()
            with compare(stored.file if stored else None, parts) as compared:
                removed = compared.removed()
                if removed.num_rows:
                    before(removed)
                try:
                    return parts, self._put(parts, compared, stored, origin)
                except WriteConflictError:
                    continue
        raise WriteConflictError(f"{self.objects.uri(self.key)} kept changing under {CONFLICT_TRIES} writes")

    def _settle(self, waiting: Sequence[str], stored: StoredFile | None) -> None:
        """Publish what the version there left pending, drop what no version can have any more."""
        current = _version_of(stored)
        for key in waiting:
            version, _, base = key.rsplit("/", 1)[1].removesuffix(".parquet").partition("-after-")
            if version == current:
                pending = self.objects.open(key)
                if pending is not None:
                    rows = (pa.Table.from_batches([batch]) for batch in pending.file.iter_batches(_ROWS_PER_BATCH))
                    self._publish(rows, key)
            elif base != current:
                self.objects.delete(key)

    def _put(
        self, parts: Iterable[pa.Table], compared: Compared, stored: StoredFile | None, origin: Origin
    ) -> ChangeReport:
        marks = (stored.file.schema_arrow.metadata or {}) if stored else {}
        if not compared.has_rows:
            if stored is None or not stored.file.schema_arrow.equals(next(iter(parts)).schema):
                self._write(parts, marks, stored)
            return self._report(compared, marks.get(VERSION, b"").decode())
        changed_at = _later(origin.now, marks)
        base = _version_of(stored)
        version = _named(self.key, base, origin.run_id, changed_at.isoformat())
        marks = {VERSION: version.encode(), VERSION_OF: changed_at.isoformat().encode()}
        same = [self.bucket, version, None if base == _FIRST else base, origin.run_id, changed_at]
        pending = f"{pending_changes_prefix(self.changes, self.bucket)}{version}-after-{base}.parquet"
        self.objects.write(pending, reader_of(_with(compared, same), CHANGE_SCHEMA))
        self._write(parts, marks, stored)
        return self._report(compared, version, self._publish(_with(compared, same), pending))

    def _write(self, parts: Iterable[pa.Table], marks: dict[bytes, bytes], stored: StoredFile | None) -> None:
        schema = next(iter(parts)).schema
        marked = reader_of(parts, schema.with_metadata({**(schema.metadata or {}), **marks}))
        self.objects.write(self.key, marked, expected_etag=stored.etag if stored else None, new=stored is None)

    def _publish(self, parts: Iterator[pa.Table], pending: str) -> str:
        first = next(parts)
        changed_at, version = first.column("changed_at")[0].as_py(), first.column("version")[0].as_py()
        folder = changes_prefix(self.changes, changed_at.date().isoformat())
        key = f"{folder}{changed_at:%H%M%S%f}-{self.bucket}-{version}.parquet"
        self.objects.write(key, reader_of(chain([first], parts), CHANGE_SCHEMA))
        self.objects.delete(pending)
        return key

    def _report(self, compared: Compared, version: str, key: str = "") -> ChangeReport:
        some = compared.some(_SHOWN)
        return ChangeReport(self.changes, self.bucket, version, dict(compared.titles), compared.values, key, some)


def _version_of(stored: StoredFile | None) -> str:
    named = (stored.file.schema_arrow.metadata or {}).get(VERSION) if stored else None
    if named is not None:
        return str(named, "ascii")
    return _UNNAMED if stored and stored.file.metadata.num_rows else _FIRST


def _later(now: datetime, marks: dict[bytes, bytes]) -> datetime:
    """Clocks differ by machine, and the order of a bucket's versions must not."""
    before = marks.get(VERSION_OF)
    return now if before is None else max(now, datetime.fromisoformat(before.decode()) + _TICK)


def _named(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _with(compared: Compared, values: Sequence[object]) -> Iterator[pa.Table]:
    for part in compared:
        columns = [*part.columns]
        for field, value in zip(list(CHANGE_SCHEMA)[len(columns) :], values, strict=True):
            columns.append(pa.chunked_array([pa.repeat(pa.scalar(value, field.type), part.num_rows)]))
        yield pa.table(columns, schema=CHANGE_SCHEMA)
