"""Objects on S3: Parquet tables and small documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

Rows: TypeAlias = pa.Table | pa.RecordBatchReader


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table object and the version tag its next writer must present."""

    table: pa.Table
    etag: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """As `StoredTable`, of a table that is too large to be held whole: its batches are decoded as they are read."""

    file: pq.ParquetFile
    etag: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A JSON object and the version tag its next writer must present."""

    document: dict[str, Any]
    etag: str


class TableReader(Protocol):
    """What an `ObjectStore` is to whoever only reads tables."""

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        """The object at `key`, None when there is none. columns: those it lacks are left out, as older releases' do."""
        ...


class TableOpener(Protocol):
    """What an `ObjectStore` is to whoever only goes through tables."""

    def open(self, key: str) -> StoredFile | None:
        """As `TableReader.read`, for whoever goes through it part by part."""
        ...


class ObjectStore(TableReader, TableOpener, Protocol):
    """Parquet objects and small documents, each replaced whole or not at all."""

    def write(self, key: str, table: Rows, *, expected_etag: str | None = None, new: bool = False) -> str:
        """Put one object and return its etag.

        table: a reader's batches are encoded as they come, each as a row group. expected_etag: only over that version;
        new: only where nothing stands. Raises WriteConflictError.
        """
        ...

    def read_json(self, key: str) -> dict[str, Any] | None: ...

    def read_document(self, key: str) -> StoredDocument | None:
        """As `read_json`, for whoever is going to replace it."""
        ...

    def write_json(
        self,
        key: str,
        document: Mapping[str, Any],
        *,
        expected_etag: str | None = None,
        new: bool = False,
        kept_as: str = "",
    ) -> None:
        """Put one object, on the conditions of `write`.

        kept_as: of an object that ends before others of its prefix (`domain/operations/retention.py:KEPT_AS`).
        """
        ...

    def read_text(self, key: str) -> str | None: ...

    def write_text(self, key: str, text: str, *, content_type: str) -> None:
        """A document for people, in UTF-8. content_type: without the charset, such as `text/html`."""
        ...

    def list_keys(self, prefix: str) -> list[str]: ...

    def delete(self, key: str) -> None:
        """Hide an object: who lists and reads finds it no more. Deleting it again changes nothing."""
        ...

    def uri(self, key: str) -> str: ...
