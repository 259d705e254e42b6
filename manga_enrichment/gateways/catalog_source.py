"""Where the catalog comes from."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

CATALOG_KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".xlsx", ".xml")
"""Extensions of files that are catalogs, each also before .gz and .zst; a folder's other files are left alone."""


class CatalogSource(Protocol):
    """Where the catalog comes from."""

    @property
    def uri(self) -> str: ...

    def version(self) -> str:
        """Changes when the source changes. Raises ConfigurationError naming the path when unreadable."""
        ...

    def local_copy(self) -> AbstractContextManager[Sequence[Path]]:
        """The source as local files, one or more, in order of their names, for the time of a `with` block."""
        ...
