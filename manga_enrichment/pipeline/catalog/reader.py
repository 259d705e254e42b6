"""The catalog as stored: read by bucket, and the frozen bucket count.

Belongs here: reading what an import wrote, and refusing a bucket count other than the one the data has.
Stays out: importing a source (`importer.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.objects import ObjectStore, StoredFile, StoredTable, TableReader
from manga_enrichment.pipeline.catalog.tables import records_from_table
from manga_enrichment.pipeline.store.object_keys import catalog_hashes_key, catalog_state_key, table_key


def read_catalog(tables: TableReader, bucket: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The catalog table of a bucket. Raises ConfigurationError when it was never imported."""
    return read_stored_catalog(tables, bucket, columns).table


def read_stored_catalog(tables: TableReader, bucket: str, columns: Sequence[str] | None = None) -> StoredTable:
    """As `read_catalog`, with its etag."""
    stored = tables.read(table_key("catalog", bucket), columns)
    if stored is None:
        raise _never_imported(bucket)
    return stored


def open_catalog(tables: ObjectStore, bucket: str) -> StoredFile:
    """As `read_catalog`, for whoever goes through it part by part."""
    stored = tables.open(table_key("catalog", bucket))
    if stored is None:
        raise _never_imported(bucket)
    return stored


def _never_imported(bucket: str) -> ConfigurationError:
    return ConfigurationError(
        f"The catalog has no bucket {bucket} yet: materialize manga_catalog first (it reads MANGA_CATALOG_URI)"
    )


def read_records(tables: ObjectStore, bucket: str) -> Iterator[MangaRecord]:
    return records_from_table(read_catalog(tables, bucket))


def hashes_are_of(tables: ObjectStore) -> tuple[str, ...]:
    """The fields that content hashes of the stored catalog are of; () where that is not known of all."""
    noted = tables.read_json(catalog_hashes_key())
    return tuple(noted["fields"]) if noted else ()


def check_bucket_count(tables: ObjectStore, bucket_count: int) -> dict[str, Any] | None:
    """The recorded state of the catalog, None before the first import.

    Raises ConfigurationError when the data was written with another bucket count: titles would be looked for in the
    wrong places.
    """
    state = tables.read_json(catalog_state_key())
    if state is not None and state["bucket_count"] != bucket_count:
        raise ConfigurationError(
            f"MANGA_CATALOG_BUCKETS={bucket_count}, but the data at {tables.uri('enrichment/')} was written with "
            f"{state['bucket_count']} buckets: set MANGA_CATALOG_BUCKETS={state['bucket_count']}, or use an empty "
            "MANGA_BUCKET for another count"
        )
    return state
