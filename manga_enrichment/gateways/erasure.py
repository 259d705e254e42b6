"""Everything that is kept, every version of it, and its deletion for good.

Belongs here: looking at all versions and all rows, and removing single ones without a trace. Stays out: everyday reads
and writes (`objects.py`, `requests.py`, `outbox.py`, `ledger.py`), which see the present state alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from manga_enrichment.domain.callbacks.deliveries import Delivery
from manga_enrichment.domain.requests.claims import RequestRow


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object. is_marker: it says that the object was deleted, and holds nothing."""

    key: str
    version_id: str
    is_current: bool
    is_marker: bool = False


class Erasure(Protocol):
    """Scans and deletions; to delete what is not there changes nothing. All methods raise StoreUnavailableError."""

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """All versions and delete markers of the objects under a prefix, in the order of keys."""
        ...

    def read(self, version: ObjectVersion) -> bytes | None:
        """What a version holds; None when it is a marker or gone."""
        ...

    def delete_versions(self, versions: Iterable[ObjectVersion]) -> None: ...

    def request_rows(self) -> Iterator[RequestRow]:
        """The status rows of all partners' requests, in no order."""
        ...

    def deliveries(self) -> Iterator[Delivery]:
        """All that is in the outbox, told or not, in no order."""
        ...

    def delete_rows(self, request_ids: Iterable[str]) -> None: ...

    def delete_deliveries(self, delivery_ids: Iterable[str]) -> None: ...

    def delete_entries(self, fingerprints: Iterable[str]) -> None:
        """Answers in the ledger. Claims stay: they hold no words, may stand for money, and run out by themselves."""
        ...
