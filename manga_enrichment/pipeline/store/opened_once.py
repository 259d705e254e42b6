"""Files of a run that several of its ops go through: read once while they are small.

Belongs here: which stay open, and for how long. Stays out: what is in them.
"""

from manga_enrichment.gateways.objects import StoredFile, TableOpener

MOST_BYTES = 16 * 1024 * 1024
"""Of all that stay open, as they are when decoded: a night in which little changed has plans of some kilobytes."""


class OpenedOnce:
    """For files that nobody replaces before they are forgotten. Of one thread at a time."""

    def __init__(self, tables: TableOpener) -> None:
        self._tables = tables
        self._open: dict[str, StoredFile] = {}
        self._bytes = 0

    def open(self, key: str) -> StoredFile | None:
        """As `TableOpener.open`."""
        if key in self._open:
            return self._open[key]
        stored = self._tables.open(key)
        if stored is not None:
            about = stored.file.metadata
            size = sum(about.row_group(each).total_byte_size for each in range(about.num_row_groups))
            if self._bytes + size <= MOST_BYTES:
                self._bytes += size
                self._open[key] = stored
        return stored

    def forget(self) -> None:
        self._open.clear()
        self._bytes = 0
