"""What a run's op was answered, as the ledger has it, kept beside the plan so that writing does not read it again.

    runs/<run>/entries/<analysis>/bucket=<b>.parquet

Belongs here: keeping entries as they come, logging them, reading them. Stays out: what no entry has (`unledgered.py`).

Nothing rests on these files: what a plan waits for and they lack is looked up in the ledger, as after a kill. Entries
are logged before they are kept, so that who finds them need not log them.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from datetime import datetime
from threading import Lock
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.objects import ObjectStore, TableOpener
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.log.append import append_parts, log_entries
from manga_enrichment.pipeline.log.rows import REQUEST_SCHEMA, request_rows
from manga_enrichment.pipeline.store.arrow_types import whole
from manga_enrichment.pipeline.store.object_keys import entries_key, requests_key
from manga_enrichment.pipeline.store.spool import Spool, reader_of

_SCHEMA = pa.schema([("manga_id", pa.string()), ("entry", pa.string())])
_OWN = b"manga.own"
_ENTRIES_AT_ONCE = 250
"""So many wait as objects, of each analysis and bucket: 5 KB each."""


class KeptEntries:
    """Of one analysis, by bucket."""

    def __init__(self, provenance: Provenance) -> None:
        self._provenance = provenance
        self._waiting: dict[str, list[LedgerEntry]] = {}
        self._entries: dict[str, Spool] = {}
        self._rows: dict[str, Spool] = {}
        self._own = Counter[str]()
        self._others: dict[str, list[LedgerEntry]] = defaultdict(list)
        """Paid by other runs, which may not have come to log them."""
        self._writing = Lock()  # entries of other buckets may come meanwhile

    def add(self, result: CallResult) -> None:
        if result.entry is None:
            return
        waiting = self._waiting.setdefault(result.call.bucket, [])
        waiting.append(result.entry)
        if len(waiting) >= _ENTRIES_AT_ONCE:
            self._pack(result.call.bucket)

    def write(self, objects: ObjectStore, analysis: str) -> None:
        """Log all, then keep them: a file per bucket. Safe to repeat."""
        with self._writing:  # whoever writes a bucket now is waited for, so that all is there afterwards
            buckets = list(self._waiting.keys() | self._entries.keys())
        for bucket in buckets:
            self.write_bucket(objects, analysis, bucket)

    def write_bucket(self, objects: ObjectStore, analysis: str, bucket: str) -> None:
        """The same of one bucket, to which no more will come. Safe to repeat, and from any thread."""
        run = self._provenance
        with self._writing, ExitStack() as spools:
            if bucket in self._waiting:
                self._pack(bucket)
            log_entries(objects, self._others[bucket])
            entries, rows = self._entries.get(bucket), self._rows.get(bucket)
            if rows is not None:
                append_parts(objects, requests_key(run.run_date, run.run_id, analysis, bucket), rows, is_first=True)
            if entries is not None:
                schema = _SCHEMA.with_metadata({_OWN: str(self._own[bucket]).encode()})
                objects.write(entries_key(run.run_id, analysis, bucket), reader_of(entries, schema))
            for each in (self._entries.pop(bucket, None), self._rows.pop(bucket, None)):
                spools.enter_context(each or nullcontext())
            self._others.pop(bucket, None)

    def _pack(self, bucket: str) -> None:
        entries = self._waiting.pop(bucket)
        found = [[entry.manga_id for entry in entries], [orjson.dumps(entry).decode() for entry in entries]]
        self._entries.setdefault(bucket, Spool(_SCHEMA)).add(pa.table(found, schema=_SCHEMA))
        own = [entry for entry in entries if entry.provenance == self._provenance]
        self._own[bucket] += len(own)
        rows = [row for entry in own for row in request_rows(entry)]
        if rows:
            spool = self._rows.setdefault(bucket, Spool(REQUEST_SCHEMA))
            spool.add(pa.Table.from_pylist(rows, schema=REQUEST_SCHEMA))
        self._others[bucket] += [entry for entry in entries if entry.provenance != self._provenance]


def open_kept(objects: TableOpener, run: Provenance, analysis: str, bucket: str) -> "OpenEntries":
    """Of nothing where the run's op kept nothing."""
    stored = objects.open(entries_key(run.run_id, analysis, bucket))
    return OpenEntries(None if stored is None else stored.file)


class OpenEntries:
    """Looked up some at a time. own: how many the run has paid for."""

    def __init__(self, file: pq.ParquetFile | None) -> None:
        self._file = file
        self.own = 0
        self._ids, self._groups = pa.array([], pa.string()), pa.array([], pa.int32())
        """Ascending, and the row group of each."""
        if file is not None:
            self.own = int((file.schema_arrow.metadata or {}).get(_OWN, b"0"))
            ids = whole(file.read(["manga_id"], use_threads=False).column("manga_id"))
            sizes = [file.metadata.row_group(each).num_rows for each in range(file.metadata.num_row_groups)]
            order = pc.sort_indices(ids)
            groups = pa.array(np.repeat(np.arange(len(sizes), dtype=np.int32), sizes))
            self._ids, self._groups = ids.take(order), groups.take(order)

    def of(self, manga_ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """By fingerprint. manga_ids: of titles that follow on one another, or more than these are looked at."""
        if self._file is None or not manga_ids:
            return {}
        wanted = pa.array(manga_ids, pa.string())
        start = bisect_left(self._ids, min(manga_ids), key=pa.StringScalar.as_py)
        near = slice(start, bisect_right(self._ids, max(manga_ids), start, key=pa.StringScalar.as_py))
        groups = pc.unique(self._groups[near].filter(pc.is_in(self._ids[near], value_set=wanted))).to_pylist()
        found = {}
        for group in groups:
            table = self._file.read_row_group(group, ["manga_id", "entry"], use_threads=False)
            own = table.filter(pc.is_in(table.column("manga_id"), value_set=wanted))
            for text in own.column("entry").to_pylist():
                entry = _entry_of(orjson.loads(text))
                found[entry.fingerprint] = entry
        return found


def _entry_of(document: Mapping[str, Any]) -> LedgerEntry:
    """What `orjson.dumps` made of an entry. Written by a run for itself, so it is not looked at again."""
    error = document["error_class"]
    return LedgerEntry(
        **{
            **document,
            "outcome": Outcome(document["outcome"]),
            "provenance": Provenance(**document["provenance"]),
            "created_at": datetime.fromisoformat(document["created_at"]),
            "attempts": tuple(map(_attempt_of, document["attempts"])),
            "error_class": ErrorClass(error) if error else None,
        }
    )


def _attempt_of(document: Mapping[str, Any]) -> Attempt:
    error = document["error_class"]
    return Attempt(
        **{
            **document,
            "started_at": datetime.fromisoformat(document["started_at"]),
            "usage": Usage(**document["usage"]),
            "error_class": ErrorClass(error) if error else None,
        }
    )
