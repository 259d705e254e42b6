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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.tables.changes import ChangeKind
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore, StoredTable
from manga_enrichment.pipeline.changes.compare import CHANGE_SCHEMA, compare
from manga_enrichment.pipeline.store.conditional_writes import CONFLICT_TRIES
from manga_enrichment.pipeline.store.object_keys import changes_prefix, pending_changes_prefix

VERSION, VERSION_OF = b"manga.version", b"manga.version_of"
"""In a table's Parquet metadata: its version, and when that was compared with the one before (ISO 8601)."""
_FIRST, _UNNAMED = "first", "unnamed"
"""What stands for the version before: there was no row; its writer named none, as earlier releases."""
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who replaces a table, and when (UTC)."""

    run_id: str
    now: datetime


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """What became of one bucket: titles by kind, changed values, "" for the key where nothing changed."""

    changes: str
    bucket: str
    version: str
    titles: dict[str, int]
    values: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Followed:
    """A bucket's table whose changes are kept. changes: the name of their table."""

    objects: ObjectStore
    key: str
    changes: str
    bucket: str

    def replace(
        self, make: Callable[[], pa.Table], origin: Origin, before: Callable[[pa.Table], None] = lambda _changes: None
    ) -> tuple[pa.Table, ChangeReport]:
        """Put what `make` gives, unless the table is that already; (table, what changed).

        make: called again where another writer was faster. before: gets the changes before the table has them. Raises
        WriteConflictError when the table kept changing.
        """
        for _ in range(CONFLICT_TRIES):
            waiting = self.objects.list_keys(pending_changes_prefix(self.changes, self.bucket))
            stored = self.objects.read(self.key)  # after the list: what is not this version nor after it is none
            self._settle(waiting, stored)
            table = make()
            compared = compare(stored.table if stored else None, table)
            if compared.num_rows:
                before(compared)
            try:
                return table, self._put(table, compared, stored, origin)
            except WriteConflictError:
                continue
        raise WriteConflictError(f"{self.objects.uri(self.key)} kept changing under {CONFLICT_TRIES} writes")

    def _settle(self, waiting: Sequence[str], stored: StoredTable | None) -> None:
        """Publish what the version there left pending, drop what no version can have any more."""
        current = _version_of(stored)
        for key in waiting:
            version, _, base = key.rsplit("/", 1)[1].removesuffix(".parquet").partition("-after-")
            if version == current:
                pending = self.objects.read(key)
                if pending is not None:
                    self._publish(pending.table, key)
            elif base != current:
                self.objects.delete(key)

    def _put(self, table: pa.Table, compared: pa.Table, stored: StoredTable | None, origin: Origin) -> ChangeReport:
        marks = (stored.table.schema.metadata or {}) if stored else {}
        if not compared.num_rows:
            if stored is None or not stored.table.schema.equals(table.schema):
                self._write(table, marks, stored)
            return self._report(compared, marks.get(VERSION, b"").decode())
        changed_at = _later(origin.now, marks)
        base = _version_of(stored)
        version = _named(self.key, base, origin.run_id, changed_at.isoformat())
        marks = {VERSION: version.encode(), VERSION_OF: changed_at.isoformat().encode()}
        same = [self.bucket, version, None if base == _FIRST else base, origin.run_id, changed_at]
        rows = _with(compared, same)
        pending = f"{pending_changes_prefix(self.changes, self.bucket)}{version}-after-{base}.parquet"
        self.objects.write(pending, rows)
        self._write(table, marks, stored)
        return self._report(compared, version, self._publish(rows, pending))

    def _write(self, table: pa.Table, marks: dict[bytes, bytes], stored: StoredTable | None) -> None:
        marked = table.replace_schema_metadata({**(table.schema.metadata or {}), **marks})
        self.objects.write(self.key, marked, expected_etag=stored.etag if stored else None, new=stored is None)

    def _publish(self, rows: pa.Table, pending: str) -> str:
        changed_at, version = rows.column("changed_at")[0].as_py(), rows.column("version")[0].as_py()
        folder = changes_prefix(self.changes, changed_at.date().isoformat())
        key = f"{folder}{changed_at:%H%M%S%f}-{self.bucket}-{version}.parquet"
        self.objects.write(key, rows)
        self.objects.delete(pending)
        return key

    def _report(self, compared: pa.Table, version: str, key: str = "") -> ChangeReport:
        titles = {
            kind.value: pc.count_distinct(compared.filter(pc.field("kind") == kind.value).column("manga_id")).as_py()
            for kind in ChangeKind
        }
        return ChangeReport(
            self.changes, self.bucket, version, titles, pc.sum(compared.column("field").is_valid()).as_py() or 0, key
        )


def _version_of(stored: StoredTable | None) -> str:
    named = (stored.table.schema.metadata or {}).get(VERSION) if stored else None
    if named is not None:
        return str(named, "ascii")
    return _UNNAMED if stored and stored.table.num_rows else _FIRST


def _later(now: datetime, marks: dict[bytes, bytes]) -> datetime:
    """Clocks differ by machine, and the order of a bucket's versions must not."""
    before = marks.get(VERSION_OF)
    return now if before is None else max(now, datetime.fromisoformat(before.decode()) + _TICK)


def _named(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _with(compared: pa.Table, values: Sequence[object]) -> pa.Table:
    columns = [*compared.columns]
    for field, value in zip(list(CHANGE_SCHEMA)[len(columns) :], values, strict=True):
        columns.append(pa.chunked_array([pa.repeat(pa.scalar(value, field.type), compared.num_rows)]))
    return pa.table(columns, schema=CHANGE_SCHEMA)
