"""The objects of the published tables as files: which there are, in which version, and their bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class TableFiles(Protocol):
    """Parquet objects below the root of all tables, each replaced whole or not at all."""

    def versions(self) -> Mapping[str, str]:
        """Path below the root, such as `catalog/bucket=03/part.parquet`, -> a tag that changes with its bytes.

        Raises ConfigurationError, StoreUnavailableError.
        """
        ...

    def fetch(self, path: str, target: Path) -> str | None:
        """Write the object's bytes to `target` and return their tag; None, and no file, where it is gone.

        Raises StoreUnavailableError.
        """
        ...
