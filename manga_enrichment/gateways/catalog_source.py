"""Where the catalog comes from."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class CatalogSource(Protocol):
    """Where the catalog comes from."""

    @property
    def uri(self) -> str: ...

    def version(self) -> str:
        """Changes when the source changes. Raises ConfigurationError naming the path when unreadable."""
        ...

    def local_copy(self) -> AbstractContextManager[Path]:
        """The source as a local file for the time of a `with` block."""
        ...
