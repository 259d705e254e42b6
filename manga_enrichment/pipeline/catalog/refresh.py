"""Bring the stored catalog up to date with its source: one pass when the source changed, none when it did not.

Belongs here: the recorded state of the catalog and the decision to import. Stays out: the import (`importer.py`).
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Any
from unicodedata import unidata_version

import orjson
import pyarrow as pa

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.ids import IdRegister
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.prompts.fingerprint import content_hash, hashed_fields
from manga_enrichment.gateways.catalog_source import CatalogSource
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.files.rows import Reading, Rows
from manga_enrichment.pipeline.catalog.importer import ImportPlan, ImportReport, import_catalog
from manga_enrichment.pipeline.catalog.known_rows import KnownRows, StaleRowsError
from manga_enrichment.pipeline.catalog.plausibility import DEFAULT_PLAUSIBLE, PlausibleLimits
from manga_enrichment.pipeline.catalog.reader import check_bucket_count, hashes_are_of, read_catalog
from manga_enrichment.pipeline.catalog.sink import CatalogTables, Following
from manga_enrichment.pipeline.catalog.source_files import read_files
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA
from manga_enrichment.pipeline.store.object_keys import catalog_hashes_key, catalog_ids_key, catalog_state_key
from manga_enrichment.pipeline.store.rows import SCHEMAS_VERSION


@dataclass(frozen=True, slots=True)
class CatalogState:
    """What is recorded beside the catalog.

    source_version changes when the source, the column mapping or the tables' layout does; digests: bucket -> digest of
    its titles, for data versions and for the candidate index.
    """

    bucket_count: int
    source_uri: str
    source_version: str
    imported_at: str
    rows_read: int
    titles: int
    rejected: Mapping[str, int]
    warnings: Mapping[str, int]
    bucket_titles: Mapping[str, int]
    digests: Mapping[str, str]

    @property
    def catalog_version(self) -> str:
        """Depends on the titles of all buckets and nothing else."""
        return hashlib.sha256(orjson.dumps(dict(self.digests), option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def refresh_catalog(
    *,
    tables: ObjectStore,
    source: CatalogSource,
    clock: Clock,
    reading: Reading,
    bucket_count: int,
    say: Callable[[str], None],
    following: Following,
    analyses: Collection[AnalysisType],
    plausible: PlausibleLimits = DEFAULT_PLAUSIBLE,
) -> tuple[CatalogState, bool]:
    """(state, whether anything was imported). analyses: whose fields the content hash is of.

    Raises ConfigurationError; the stored catalog is then as before.
    """
    recorded = check_bucket_count(tables, bucket_count)
    shown = hashed_fields(analyses)
    source_version = _version(source, reading, shown)
    if recorded is not None and recorded["source_version"] == source_version:
        say(f"{source.uri} has not changed since {recorded['imported_at']}")
        return CatalogState(**recorded), False
    plan = ImportPlan(
        bucket_count,
        content_hash(analyses),
        reading.mapping,
        titles_before=recorded["titles"] if recorded else 0,
        plausible=plausible,
        ids=None if reading.mapping.id_parts is None else _id_register(tables, bucket_count, recorded),
        on_progress=lambda rows: say(f"{rows} rows read"),
    )
    known = partial(KnownRows, tables, _made_by(reading, shown, bucket_count))
    with _noted_hashes(tables, shown), source.local_copy() as paths:
        read = partial(read_files, paths, replace(reading, say=say), uri=source.uri)
        sink = partial(CatalogTables, tables, following, source_uri=source.uri, recorded=recorded)
        report = _import(read, lambda: sink(now=clock.now()), plan, known, say)
    pa.default_memory_pool().release_unused()  # what importing took
    return _remember(tables, plan.ids, _state(report, plan, source.uri, source_version, clock.now())), True


@contextmanager
def _noted_hashes(tables: ObjectStore, shown: tuple[str, ...]) -> Iterator[None]:
    """Until all buckets are there, hashes are of the fields before and of these."""
    is_other = hashes_are_of(tables) != shown
    if is_other:
        tables.write_json(catalog_hashes_key(), {"fields": []})
    yield
    if is_other:
        tables.write_json(catalog_hashes_key(), {"fields": shown})


def _import(
    read: Callable[[], Rows],
    sink: Callable[[], CatalogTables],
    plan: ImportPlan,
    known: Callable[[Sequence[str]], KnownRows],
    say: Callable[[str], None],
) -> ImportReport:
    """Rows that are as they were are not cleaned, unless others decide their ids."""
    if plan.ids is not None:
        return import_catalog(read(), sink(), plan)
    try:
        return import_catalog(read(), sink(), replace(plan, known=known(bucket_keys(plan.bucket_count))))
    except StaleRowsError as stale:
        say(f"what was kept of the last import's rows cannot be used ({stale}): all are read again, and cleaned")
    return import_catalog(read(), sink(), replace(plan, known=known(())))


def _remember(tables: ObjectStore, ids: IdRegister | None, state: CatalogState) -> CatalogState:
    """The state last: without it the source is read again."""
    if ids is not None and ids.remembered:
        tables.write_json(catalog_ids_key(), ids.remembered)
    tables.write_json(catalog_state_key(), asdict(state))
    return state


def _id_register(tables: ObjectStore, bucket_count: int, recorded: Mapping[str, Any] | None) -> IdRegister:
    """Whoever has an id in the stored catalog keeps it; titles that once met are remembered in a document of their own,
    for one of them may leave."""
    buckets = [] if recorded is None else bucket_keys(bucket_count)
    tables_read = (read_catalog(tables, bucket, ["manga_id", "source", "source_id"]) for bucket in buckets)
    stored = (
        (row["manga_id"], row["source"], row["source_id"])
        for table in tables_read
        for batch in table.to_batches()
        for row in batch.to_pylist()
        if row["source"] is not None and row["source_id"] is not None
    )
    return IdRegister(tables.read_json(catalog_ids_key()) or {}, stored)


def load_state(tables: ObjectStore, bucket_count: int) -> CatalogState | None:
    """The recorded state, None before the first import. Raises ConfigurationError for another bucket count."""
    recorded: dict[str, Any] | None = check_bucket_count(tables, bucket_count)
    return None if recorded is None else CatalogState(**recorded)


def _version(source: CatalogSource, reading: Reading, shown: Sequence[str]) -> str:
    return _digest_of([source.uri, source.version(), *_how(reading, shown)])


def _how(reading: Reading, shown: Sequence[str]) -> list[str]:
    """Without a new hash nobody would see that a field shown from now on changes."""
    return [reading.mapping.document, reading.encoding, reading.delimiter, SCHEMAS_VERSION, *shown]


def _made_by(reading: Reading, shown: Sequence[str], bucket_count: int) -> str:
    """All that decides what becomes of a row, and in which bucket."""
    release = [version("manga-enrichment"), unidata_version, str(CATALOG_SCHEMA), str(bucket_count)]
    return _digest_of([*release, *_how(reading, shown)])


def _digest_of(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _state(report: ImportReport, plan: ImportPlan, source_uri: str, source_version: str, now: datetime) -> CatalogState:
    return CatalogState(
        bucket_count=plan.bucket_count,
        source_uri=source_uri,
        source_version=source_version,
        imported_at=now.isoformat(),
        rows_read=report.rows_read,
        titles=report.titles,
        rejected=dict(report.rejected),
        warnings=dict(report.warnings),
        bucket_titles={bucket: part.titles for bucket, part in report.buckets.items()},
        digests={bucket: part.digest for bucket, part in report.buckets.items()},
    )
