"""Tables in memory that tell what was read of them."""

from collections.abc import Sequence

from manga_enrichment.gateways.objects import StoredFile, StoredTable
from manga_enrichment_tests.fakes import MemoryTables


class WatchedTables(MemoryTables):
    """seen: keys that were read, whole or part by part, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def read(self, key: str, columns: Sequence[str] | None = None) -> StoredTable | None:
        self.seen.append(key)
        return super().read(key, columns)

    def open(self, key: str) -> StoredFile | None:
        self.seen.append(key)
        return super().open(key)
