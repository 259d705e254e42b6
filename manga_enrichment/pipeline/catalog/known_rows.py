"""Rows of a source that the import before had, too: what became of them is taken from there.

Belongs here: which rows are known, by a digest of all that they say; filling them in from the stored catalog. Stays
out: the rows of an import (`importer.py`), its working files (`spill.py`).

    candidates/known_rows/bucket=<b>.parquet    of each title of a bucket: digests of its row, what was told of it

These stand in the order of the bucket's catalog, and name its version. Rows are known to an import that would make the
same of them (`made_by`), and only while the bucket has that version; all others are cleaned.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.gateways.objects import ObjectStore, StoredFile
from manga_enrichment.pipeline.catalog.files.rows import SourceRow
from manga_enrichment.pipeline.catalog.spill import DIGEST_BYTES, SPILL_SCHEMA
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA
from manga_enrichment.pipeline.changes.replace import VERSION
from manga_enrichment.pipeline.store.arrow_types import whole
from manga_enrichment.pipeline.store.in_order import InOrder
from manga_enrichment.pipeline.store.object_keys import known_rows_key, table_key
from manga_enrichment.pipeline.store.spool import reader_of

KNOWN_SCHEMA = pa.schema([SPILL_SCHEMA.field(name) for name in ("manga_id", "raw_digest", "row_digest", "warnings")])
_MADE_BY, _OF_VERSION = b"manga.made_by", b"manga.of_version"
_HALVES = np.dtype([("first", "<u8"), ("second", "<u8")])
_DAMAGED = (pa.ArrowException, OSError)
"""What reading a damaged table raises; a store that is away says something else."""
NO_DIGEST = bytes(DIGEST_BYTES)
"""Of a row that is never known."""


class StaleRowsError(Exception):
    """What is known of rows is not of the catalog that is stored: an import that knows nothing is needed."""


def raw_digest(row: SourceRow) -> bytes:
    """Two rows have the same only when they say the same; NO_DIGEST where that cannot be told."""
    if row.is_exact:
        return blake2b(row.raw, digest_size=DIGEST_BYTES, person=b"short" if row.short else b"").digest()
    try:
        says = repr(row.values).encode("utf-8", "surrogatepass")
    except RecursionError:  # nested as deep as a reader takes it
        return NO_DIGEST
    return blake2b(says, digest_size=DIGEST_BYTES, person=b"values").digest()


class KnownRows:
    """Of all buckets: `find`, then `filled` and `keep` bucket by bucket."""

    def __init__(self, tables: ObjectStore, made_by: str, buckets: Sequence[str] = ()) -> None:
        """made_by: names all that decides what an import makes of a row. buckets: () to know nothing."""
        self._tables = tables
        self._made_by = made_by
        self._buckets = buckets
        self._versions: dict[str, str] = {}
        self._index([self._load(bucket) for bucket in buckets])

    def _index(self, tables_read: Sequence[pa.Table]) -> None:
        rows = pa.concat_tables([KNOWN_SCHEMA.empty_table().select(["manga_id", "raw_digest"]), *tables_read])
        halves = _halves(whole(rows.column("raw_digest")))
        order = np.argsort(halves["first"])
        self._firsts, self._seconds = halves["first"][order], halves["second"][order]
        self._ids = whole(rows.column("manga_id")).take(_array(order))
        self._homes = np.repeat(np.arange(len(tables_read)), [each.num_rows for each in tables_read])[order]

    def find(self, digests: Sequence[bytes]) -> list[tuple[str, str] | None]:
        """(bucket, manga_id) of each row that is known."""
        if not len(self._firsts):
            return [None] * len(digests)
        wanted = np.frombuffer(b"".join(digests), _HALVES)
        places = np.minimum(np.searchsorted(self._firsts, wanted["first"]), len(self._firsts) - 1)
        hits = (self._firsts[places] == wanted["first"]) & (self._seconds[places] == wanted["second"])
        ids = self._ids.take(_array(places)).to_pylist()
        homes = self._homes[places].tolist()
        return [
            (self._buckets[home], manga_id) if hit and digest != NO_DIGEST else None
            for digest, hit, home, manga_id in zip(digests, hits.tolist(), homes, ids, strict=True)
        ]

    def filled(self, bucket: str, slices: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Slices of a bucket with SPILL_SCHEMA, the known rows among them as if they had been cleaned.

        Raises StaleRowsError.
        """
        self._index([])  # all rows were looked for: the memory is wanted
        stored: tuple[InOrder, InOrder] | None = None
        for rows in slices:
            known = rows.filter(rows.column("is_known"))
            if not known.num_rows:
                yield rows
                continue
            stored = stored or self._opened(bucket)
            yield pa.concat_tables([rows.filter(pc.invert(rows.column("is_known"))), _filled(known, *stored)])

    def keep(self, bucket: str, version: str, rows: Iterable[pa.Table]) -> None:
        """The rows of a bucket's titles, in their order, with KNOWN_SCHEMA.

        version: of the table they are in; of one without, "", nothing is kept, and its rows are cleaned each time.
        """
        if version:
            marks = {_MADE_BY: self._made_by, _OF_VERSION: version}
            self._tables.write(known_rows_key(bucket), reader_of(rows, KNOWN_SCHEMA.with_metadata(marks)))

    def _load(self, bucket: str) -> pa.Table:
        stored = self._stored(bucket)
        columns = ["manga_id", "raw_digest"]
        if stored is not None:
            self._versions[bucket] = _mark(stored, _OF_VERSION)
            with suppress(*_DAMAGED):
                return stored.file.read(columns, use_threads=False).replace_schema_metadata()
        return KNOWN_SCHEMA.empty_table().select(columns)

    def _stored(self, bucket: str) -> StoredFile | None:
        try:
            stored = self._tables.open(known_rows_key(bucket))
        except _DAMAGED:
            return None
        if stored is None or not stored.file.schema_arrow.equals(KNOWN_SCHEMA):
            return None
        return stored if _mark(stored, _MADE_BY) == self._made_by else None

    def _opened(self, bucket: str) -> tuple[InOrder, InOrder]:
        """The bucket's catalog and what is known of its rows."""
        titles, rows = self._tables.open(table_key("catalog", bucket)), self._stored(bucket)
        version = self._versions[bucket]
        if titles is None or rows is None or {_mark(titles, VERSION), _mark(rows, _OF_VERSION)} != {version}:
            raise StaleRowsError(f"bucket {bucket}")
        return InOrder(titles.file, CATALOG_SCHEMA.names), InOrder(rows.file)


def _array(numbers: np.ndarray) -> pa.Array:
    """Of 64 bits. What Arrow does by itself begins with looking whether they are of pandas, which it loads for that."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def _halves(digests: pa.Array) -> np.ndarray:
    """None of them is null."""
    buffer = digests.buffers()[1] if len(digests) else b""
    return np.frombuffer(buffer, _HALVES)[digests.offset : digests.offset + len(digests)]


def _mark(stored: StoredFile, name: bytes) -> str:
    return str((stored.file.schema_arrow.metadata or {}).get(name, b""), "ascii")


def _filled(known: pa.Table, titles: InOrder, rows: InOrder) -> pa.Table:
    """What the spill has of known rows, with what the catalog and the rows of its titles have."""
    span = pc.min_max(known.column("manga_id")).as_py()
    title_part = titles.between(span["min"], span["max"])
    try:
        row_part = rows.between(span["min"], span["max"])
    except _DAMAGED as error:
        raise StaleRowsError(str(error)) from error
    if title_part is None or row_part is None:
        raise StaleRowsError("no titles")
    ids = whole(title_part.column("manga_id"))
    places = pc.index_in(whole(known.column("manga_id")), value_set=ids)
    if places.null_count or not ids.equals(whole(row_part.column("manga_id"))):
        raise StaleRowsError(f"other titles from {span['min']} to {span['max']}")
    homes = dict.fromkeys(KNOWN_SCHEMA.names, row_part) | dict.fromkeys(CATALOG_SCHEMA.names, title_part)
    columns = [
        whole(homes[name].column(name)).take(places) if name in homes else whole(known.column(name))
        for name in SPILL_SCHEMA.names
    ]
    return pa.table(columns, schema=SPILL_SCHEMA)
