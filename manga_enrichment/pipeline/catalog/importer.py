"""One pass over a catalog source writes every bucket of the catalog and the tables of rejects and warnings.

Belongs here: which row of a manga_id wins, what is counted, in which order things are stored. Stays out: reading files
(`source_files.py`, `files/`), cleaning (`domain/catalog/rows.py`), working files (`spill.py`), storing (the sink).

Nothing is stored before the whole source has been read, so a source that breaks off leaves the old catalog as it was,
and so does one that cannot be right (`plausibility.py`).
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.catalog.ids import IdRegister
from manga_enrichment.domain.catalog.mapping import MAPPING_SETTING, SAME_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.records import MAX_CATALOG_BUCKETS, MangaRecord, bucket_of
from manga_enrichment.domain.catalog.rows import RejectedRow, RejectReason, clean_row
from manga_enrichment.domain.catalog.warnings import ROW, RowWarning, WarningReason, shortened
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.rows import SourceRow
from manga_enrichment.pipeline.catalog.known_rows import KNOWN_SCHEMA, NO_DIGEST, KnownRows, raw_digest
from manga_enrichment.pipeline.catalog.plausibility import (
    DEFAULT_PLAUSIBLE,
    ImplausibleCatalogError,
    ImportCounts,
    PlausibleLimits,
    check_plausible,
    likely_cause,
)
from manga_enrichment.pipeline.catalog.spill import (
    DEFAULT_LIMITS,
    DIGEST_BYTES,
    RowSpill,
    SpillLimits,
    TitleSpill,
    WarningSpill,
    told,
)
from manga_enrichment.pipeline.catalog.tables import (
    CATALOG_SCHEMA,
    REJECTS_SCHEMA,
    WARNINGS_SCHEMA,
    record_row,
    reject_row,
)
from manga_enrichment.pipeline.store.spool import Spool

_OF_DUPLICATES = ["manga_id", "row_number", "raw_offset", "raw_bytes"]
_MOST_ROWS, _MOST_BYTES = 1000, 4 * 1024 * 1024
"""Rows that are looked up at once."""
_WINNER_FIRST = [("manga_id", "ascending"), ("updated_at", "descending"), ("row_number", "descending")]


class CatalogSink(Protocol):
    """Where an import goes. Each table replaces the former one of that name whole."""

    def begin(self, rejected: Mapping[str, str]) -> None:
        """Called once, before the first bucket. rejected: reason by manga_id, of rows that are no titles."""
        ...

    def put_bucket(self, bucket: str, parts: Iterable[pa.Table]) -> str:
        """Titles of one bucket with CATALOG_SCHEMA, sorted by manga_id over all parts; called once for every bucket.

        Returns the table's version, "" where that has no name.

        parts: here and below at least one, to be read as often as wanted until the call returns.
        """
        ...

    def put_rejects(self, parts: Iterable[pa.Table]) -> None:
        """All rejected rows with REJECTS_SCHEMA; called once."""
        ...

    def put_warnings(self, parts: Iterable[pa.Table]) -> None:
        """All warnings with WARNINGS_SCHEMA; likewise."""
        ...


@dataclass(frozen=True, slots=True)
class BucketReport:
    """digest: hex, depends on the bucket's titles and columns and on nothing else (not on row order or files)."""

    titles: int
    digest: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a source: rows_read = titles + all rejected.

    rejected: reason -> rows; warnings: kind -> values dropped, changed or merged (see `domain/catalog/warnings.py`);
    both by name.
    """

    rows_read: int
    titles: int
    rejected: Mapping[str, int]
    warnings: Mapping[str, int]
    buckets: Mapping[str, BucketReport]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """How to import. spill_folder holds up to about three times the source; None: the system's temporary folder.

    titles_before: of the catalog that is replaced. on_progress gets the number of rows read so far, whenever titles go
    to disk (at least every 25,000 titles). known: rows that need no cleaning, never with `ids`, which rows of others
    decide, too.
    """

    bucket_count: int
    content_hash: Callable[[MangaRecord], str]
    mapping: ColumnMapping = SAME_NAMES
    spill_folder: Path | None = None
    limits: SpillLimits = DEFAULT_LIMITS
    titles_before: int = 0
    plausible: PlausibleLimits = DEFAULT_PLAUSIBLE
    ids: IdRegister | None = None
    known: KnownRows | None = None
    on_progress: Callable[[int], None] = lambda _rows_read: None


def import_catalog(rows: Iterable[SourceRow | RejectedRow], sink: CatalogSink, plan: ImportPlan) -> ImportReport:
    """Clean, deduplicate and store all rows; of one manga_id the newest updated_at wins, then the later row.

    Raises ConfigurationError for a bucket count out of range and for a mapped column that no row has;
    ImplausibleCatalogError for a source without any usable title (where there is no catalog yet, its rejects are stored
    so that one can see why), and for one that the catalog would lose too much by.
    """
    if not 1 <= plan.bucket_count <= MAX_CATALOG_BUCKETS:
        raise ConfigurationError(
            f"MANGA_CATALOG_BUCKETS={plan.bucket_count} is out of range: set 1 to {MAX_CATALOG_BUCKETS}"
        )
    with (
        tempfile.TemporaryDirectory(prefix="catalog-import-", dir=plan.spill_folder) as folder,
        TitleSpill(Path(folder), plan.bucket_count, plan.limits) as titles,
        Spool(REJECTS_SCHEMA, Path(folder)) as rejects,
        Spool(WARNINGS_SCHEMA, Path(folder)) as warnings,
    ):
        spills = RowSpill(rejects, plan.limits), WarningSpill(warnings, plan.limits)
        return _Import(plan, titles, *spills).run(rows, sink)


class _Import:
    """The counters and working files of one import."""

    def __init__(self, plan: ImportPlan, titles: TitleSpill, rejects: RowSpill, warnings: WarningSpill) -> None:
        self._plan = plan
        self._titles = titles
        self._rejects = rejects
        self._warnings = warnings
        self._rows_read = 0
        self._rejected: Counter[str] = Counter()
        self._rejected_ids: dict[str, str] = {}
        self._warned: Counter[str] = Counter()
        self._unseen = {column: name for name, column in plan.mapping.named.items()}

    def run(self, rows: Iterable[SourceRow | RejectedRow], sink: CatalogSink) -> ImportReport:
        for some in _by_some(rows):
            self._take_all(some)
        self._titles.flush()
        if self._plan.ids is not None:
            self._plan.ids.close()
        self._check_usable(sink)
        self._check_plausible()
        sink.begin(self._rejected_ids)
        buckets = {bucket: self._store(bucket, sink) for bucket in self._titles.keys}
        sink.put_rejects(self._rejects.parts())
        sink.put_warnings(self._warnings)
        return ImportReport(
            rows_read=self._rows_read,
            titles=sum(bucket.titles for bucket in buckets.values()),
            rejected=dict(sorted(self._rejected.items())),
            warnings=dict(sorted(self._warned.items())),
            buckets=buckets,
        )

    def _take_all(self, rows: Sequence[SourceRow | RejectedRow]) -> None:
        digests = [NO_DIGEST if isinstance(row, RejectedRow) else raw_digest(row) for row in rows]
        found = self._plan.known.find(digests) if self._plan.known else [None] * len(rows)
        for row, digest, known in zip(rows, digests, found, strict=True):
            self._rows_read += 1
            if isinstance(row, RejectedRow):
                self._reject(row)
                continue
            if self._unseen and isinstance(row.values, Mapping):
                self._unseen = {column: name for column, name in self._unseen.items() if column not in row.values}
            went_to_disk = self._titles.add_known(*known, row.number, row.raw) if known else self._clean(row, digest)
            if went_to_disk:
                self._plan.on_progress(self._rows_read)

    def _clean(self, row: SourceRow, raw_digest: bytes) -> bool:
        """Whether titles went to disk."""
        warnings: list[RowWarning] = []
        record = clean_row(row.values, row.number, self._plan.mapping, warnings.append, self._plan.ids)
        if isinstance(record, RejectedRow):
            self._reject(replace(record, raw_json=row.raw.decode("utf-8", "backslashreplace")))
            return False
        if row.short:
            raw = shortened(row.raw.decode("utf-8", "backslashreplace"))
            warnings.append(RowWarning(row.number, record.manga_id, ROW, WarningReason.SHORT_ROW, raw))
        bucket = bucket_of(record.manga_id, self._plan.bucket_count)
        values = record_row(record, self._plan.content_hash(record))
        digest = hashlib.blake2b(orjson.dumps(values), digest_size=DIGEST_BYTES).digest()
        return self._titles.add(bucket, (*values, digest, raw_digest, list(map(told, warnings))), row.number, row.raw)

    def _reject(self, rejected: RejectedRow) -> None:
        self._rejected[rejected.reason.value] += 1
        if rejected.manga_id is not None and rejected.reason is not RejectReason.DUPLICATE_OF_NEWER_ROW:
            self._rejected_ids[rejected.manga_id] = rejected.reason.value
        self._rejects.add(reject_row(rejected))

    def _check_usable(self, sink: CatalogSink) -> None:
        if self._unseen and self._rows_read:
            column, name = min(self._unseen.items())
            raise ConfigurationError(f"{MAPPING_SETTING}: no row has the column {column!r} for the field {name!r}")
        if self._rows_read > self._rejected.total():
            return
        if not self._plan.titles_before:
            sink.put_rejects(self._rejects.parts())
        counts = ImportCounts(self._rows_read, dict(self._rejected), 0, self._plan.titles_before)
        reasons = ", ".join(f"{reason} {count}" for reason, count in self._rejected.most_common()) or "it is empty"
        raise ImplausibleCatalogError(
            f"MANGA_CATALOG_URI has no usable title in {self._rows_read} rows ({reasons}); the catalog was left as it "
            f"is. Likely: {likely_cause(counts)}. Correct the source, or map its columns with MANGA_CATALOG_MAPPING",
            counts,
        )

    def _check_plausible(self) -> None:
        titles = sum(map(self._titles.titles, self._titles.keys))
        counts = ImportCounts(self._rows_read, dict(self._rejected), titles, self._plan.titles_before)
        check_plausible(counts, self._plan.plausible)

    def _store(self, bucket: str, sink: CatalogSink) -> BucketReport:
        folder, known = self._plan.spill_folder, self._plan.known
        with Spool(CATALOG_SCHEMA, folder) as table, Spool(KNOWN_SCHEMA, folder) as rows:
            report = self._sort_out(bucket, table, rows)
            version = sink.put_bucket(bucket, table)
            if known:
                known.keep(bucket, version, rows)
        return report

    def _sort_out(self, bucket: str, table: Spool, rows: Spool) -> BucketReport:
        """The bucket's titles, and the rows that they are of. The last slice does not stay in memory beyond this."""
        titles, digest, duplicates = 0, hashlib.sha256(str(CATALOG_SCHEMA).encode()), []
        slices = self._titles.slices(bucket)
        for spilled in self._plan.known.filled(bucket, slices) if self._plan.known else slices:
            self._warned += self._warnings.add(spilled)
            winners, losers = _winners(spilled)
            if len(losers):
                duplicates += spilled.select(_OF_DUPLICATES).take(losers).to_pylist()
            digest.update(b"".join(spilled.column("row_digest").take(winners).to_pylist()))
            table.add(spilled.select(CATALOG_SCHEMA.names).take(winners))
            rows.add(spilled.select(KNOWN_SCHEMA.names).take(winners))
            titles += len(winners)
        for row in sorted(duplicates, key=itemgetter("row_number")):
            raw = self._titles.raw_row(row["raw_offset"], row["raw_bytes"])
            self._reject(RejectedRow(row["row_number"], row["manga_id"], RejectReason.DUPLICATE_OF_NEWER_ROW, raw))
        return BucketReport(titles, digest.hexdigest())


def _by_some(rows: Iterable[SourceRow | RejectedRow]) -> Iterator[list[SourceRow | RejectedRow]]:
    """Some rows at a time: few of large ones."""
    some: list[SourceRow | RejectedRow] = []
    size_bytes = 0
    for row in rows:
        some.append(row)
        size_bytes += len(row.raw_json if isinstance(row, RejectedRow) else row.raw)
        if len(some) == _MOST_ROWS or size_bytes >= _MOST_BYTES:
            yield some
            some, size_bytes = [], 0
    yield some


def _winners(spilled: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Row indices of the winners, sorted by manga_id, and of the others."""
    order = pc.sort_indices(spilled, sort_keys=_WINNER_FIRST)  # nulls sort last
    if len(order) < 2:
        return order, order.slice(0, 0)
    ids = spilled.column("manga_id").take(order).combine_chunks()
    changes = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1))
    first = pa.concat_arrays([pa.array([True]), changes])
    return order.filter(first), order.filter(pc.invert(first))
