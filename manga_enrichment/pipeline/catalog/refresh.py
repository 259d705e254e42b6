"""Bring the stored catalog up to date with its source: one pass when the source changed, none when it did not.

Belongs here: the recorded state of the catalog and the decision to import. Stays out: the import (`importer.py`).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.prompts.fingerprint import content_hash
from manga_enrichment.gateways.catalog_source import CatalogSource
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.importer import ImportPlan, ImportReport, import_catalog
from manga_enrichment.pipeline.catalog.reader import CatalogTables, check_bucket_count
from manga_enrichment.pipeline.catalog.source_files import read_rows
from manga_enrichment.pipeline.store.object_keys import catalog_state_key
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


class CatalogRefresh:
    def __init__(
        self,
        *,
        tables: ObjectStore,
        source: CatalogSource,
        clock: Clock,
        mapping: ColumnMapping,
        bucket_count: int,
    ) -> None:
        self._tables = tables
        self._source = source
        self._clock = clock
        self._mapping = mapping
        self._bucket_count = bucket_count

    def run(self, say: Callable[[str], None]) -> tuple[CatalogState, bool]:
        """(state, whether anything was imported). Raises ConfigurationError; the stored catalog is then as before."""
        recorded = check_bucket_count(self._tables, self._bucket_count)
        version = self._version()
        if recorded is not None and recorded["source_version"] == version:
            say(f"{self._source.uri} has not changed since {recorded['imported_at']}")
            return CatalogState(**recorded), False
        state = self._state(self._import(say), version)
        self._tables.write_json(catalog_state_key(), asdict(state))
        return state, True

    def _import(self, say: Callable[[str], None]) -> ImportReport:
        plan = ImportPlan(
            bucket_count=self._bucket_count,
            content_hash=content_hash,
            mapping=self._mapping,
            on_progress=lambda rows: say(f"{rows} rows read"),
        )
        with self._source.local_copy() as path:
            return import_catalog(
                read_rows(path, self._mapping, uri=self._source.uri), CatalogTables(self._tables), plan
            )

    def _version(self) -> str:
        parts = [self._source.uri, self._source.version(), repr(self._mapping), SCHEMAS_VERSION]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _state(self, report: ImportReport, version: str) -> CatalogState:
        return CatalogState(
            bucket_count=self._bucket_count,
            source_uri=self._source.uri,
            source_version=version,
            imported_at=self._clock.now().isoformat(),
            rows_read=report.rows_read,
            titles=report.titles,
            rejected=dict(report.rejected),
            warnings=dict(report.warnings),
            bucket_titles={bucket: part.titles for bucket, part in report.buckets.items()},
            digests={bucket: part.digest for bucket, part in report.buckets.items()},
        )


def load_state(tables: ObjectStore, bucket_count: int) -> CatalogState | None:
    """The recorded state, None before the first import. Raises ConfigurationError for another bucket count."""
    recorded: dict[str, Any] | None = check_bucket_count(tables, bucket_count)
    return None if recorded is None else CatalogState(**recorded)
