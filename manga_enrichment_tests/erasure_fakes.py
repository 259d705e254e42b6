"""Erasure over the fakes of tables, status rows, outbox and ledger."""

from collections.abc import Iterable, Iterator

from manga_enrichment.domain.callbacks.deliveries import Delivery
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.gateways.erasure import ObjectVersion
from manga_enrichment_tests.fakes import MemoryLedger
from manga_enrichment_tests.outbox_fakes import MemoryOutbox
from manga_enrichment_tests.request_fakes import MemoryRequests
from manga_enrichment_tests.versioned_tables import VersionedTables


class MemoryErasure:
    """Erasure."""

    def __init__(
        self, tables: VersionedTables, requests: MemoryRequests, outbox: MemoryOutbox, ledger: MemoryLedger
    ) -> None:
        self._tables = tables
        self._requests = requests
        self._outbox = outbox
        self._ledger = ledger

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        for key in sorted(self._tables.versions):
            if key.startswith(prefix):
                kept = list(self._tables.versions[key])
                for each in reversed(kept):
                    yield ObjectVersion(key, each.version_id, each is kept[-1], each.body is None)

    def read(self, version: ObjectVersion) -> bytes | None:
        kept = self._tables.versions.get(version.key, ())
        return next((each.body for each in kept if each.version_id == version.version_id), None)

    def delete_versions(self, versions: Iterable[ObjectVersion]) -> None:
        for each in versions:
            self._tables.drop(each.key, each.version_id)

    def request_rows(self) -> Iterator[RequestRow]:
        return iter(list(self._requests.rows.values()))

    def deliveries(self) -> Iterator[Delivery]:
        return iter(list(self._outbox.deliveries.values()))

    def delete_rows(self, request_ids: Iterable[str]) -> None:
        for each in request_ids:
            self._requests.rows.pop(each, None)

    def delete_deliveries(self, delivery_ids: Iterable[str]) -> None:
        for each in delivery_ids:
            self._outbox.deliveries.pop(each, None)

    def delete_entries(self, fingerprints: Iterable[str]) -> None:
        for each in fingerprints:
            self._ledger.forget(each)
