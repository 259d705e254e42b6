"""ResultLedger on DynamoDB: answers and claims in one table, keyed by fingerprint."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from manga_enrichment.aws.ledger_items import claim_item, entry_from_item, entry_item, epoch_ms, storable
from manga_enrichment.aws.transactions import MAX_ITEMS, batch_get, chunks, condition_failed, transact
from manga_enrichment.domain.outcomes.answers import ClaimResult, LedgerEntry
from manga_enrichment.gateways.clock import Clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_BYTES = 1_500_000  # a transaction may carry 4 MB, and on the wire each kanji of three bytes becomes six
_BYTES_BESIDE_ENTRY = 1_000  # of an item's other attributes, and of its condition


class DynamoDBLedger:
    """Transactions of up to 90 items instead of one put a title: a fraction of the CPU per title (benchmarks/).

    Exact when a put is sent again after a lost reply: what is already there, word for word, is not booked twice. One
    case errs on the safe side: an answer that came second is booked once more when the reply to its booking was lost.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        clock: Clock,
        *,
        ledger_table: str,
        budget_table: str,
        retention: timedelta,
    ) -> None:
        self._client = client
        self._clock = clock
        self._table = ledger_table
        self._budget_table = budget_table
        self._retention = retention

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        now = self._clock.now()
        items = batch_get(self._client, self._table, "fingerprint", list(dict.fromkeys(fingerprints)))
        entries = (entry_from_item(item, now) for item in items)
        return {entry.fingerprint: entry for entry in entries if entry is not None}

    def claim_many(self, fingerprints: Sequence[str], owner: str, now: datetime, until: datetime) -> ClaimResult:
        granted: set[str] = set()
        answered: dict[str, LedgerEntry] = {}
        contended: set[str] = set()
        for chunk in chunks(list(dict.fromkeys(fingerprints)), MAX_ITEMS):
            wanted = chunk
            while wanted:
                reasons = transact(self._client, [self._claim(each, owner, now, until) for each in wanted])
                refused = _refused(wanted, reasons)
                for fingerprint, item in refused.items():
                    entry = entry_from_item(item, now)
                    if entry is None:
                        contended.add(fingerprint)
                    else:
                        answered[fingerprint] = entry
                if reasons is None:
                    granted.update(wanted)
                    break
                wanted = [fingerprint for fingerprint in wanted if fingerprint not in refused]
        return ClaimResult(frozenset(granted), answered, frozenset(contended))

    def put_many(self, entries: Sequence[LedgerEntry], spender: str) -> dict[str, LedgerEntry]:
        stands: dict[str, LedgerEntry] = {}
        for chunk in self._by_size(entries):
            stands.update(self._put_chunk(chunk, spender))
        return stands

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        for chunk in chunks(list(dict.fromkeys(fingerprints)), MAX_ITEMS):
            wanted = chunk
            while wanted:
                reasons = transact(self._client, [self._release(fingerprint, owner) for fingerprint in wanted])
                if reasons is None:
                    break
                refused = _refused(wanted, reasons)
                wanted = [fingerprint for fingerprint in wanted if fingerprint not in refused]

    def _put_chunk(self, chunk: dict[str, tuple[LedgerEntry, dict[str, Any]]], spender: str) -> dict[str, LedgerEntry]:
        """One transaction: the answers and their cost, so that a kill can not part the two."""
        stands = {fingerprint: entry for fingerprint, (entry, _) in chunk.items()}
        wanted = list(chunk)
        cost = sum(entry.cost_micro_usd for entry in stands.values())
        while wanted or cost:
            actions = [self._put(chunk[fingerprint][1]) for fingerprint in wanted]
            reasons = transact(self._client, [*actions, self._spend(spender, cost)] if cost else actions)
            if reasons is None:
                break
            refused = _refused(wanted, reasons)
            for fingerprint, item in refused.items():
                entry = chunk[fingerprint][0]
                stands[fingerprint] = there = entry_from_item(item, self._clock.now()) or entry
                if there == entry:  # an earlier try of this very put went through, cost and all
                    cost -= entry.cost_micro_usd
            wanted = [fingerprint for fingerprint in wanted if fingerprint not in refused]
        return stands

    def _by_size(self, entries: Sequence[LedgerEntry]) -> Iterator[dict[str, tuple[LedgerEntry, dict[str, Any]]]]:
        """Chunks for one transaction each: few enough, small enough, no fingerprint twice."""
        chunk: dict[str, tuple[LedgerEntry, dict[str, Any]]] = {}
        size = 0
        for entry in map(storable, entries):
            item = entry_item(entry, self._retention)
            item_bytes = len(item["entry"]["S"].encode()) + _BYTES_BESIDE_ENTRY
            if len(chunk) == MAX_ITEMS or (chunk and size + item_bytes > _MAX_BYTES) or entry.fingerprint in chunk:
                yield chunk
                chunk, size = {}, 0
            chunk[entry.fingerprint] = (entry, item)
            size += item_bytes
        if chunk:
            yield chunk

    def _claim(self, fingerprint: str, owner: str, now: datetime, until: datetime) -> dict[str, Any]:
        return self._conditional_put(
            claim_item(fingerprint, owner, until),
            "attribute_not_exists(fingerprint) OR claim_owner = :owner OR claim_until_ms < :now"
            " OR (attribute_exists(entry) AND expires_at <= :now_seconds)",
            {
                ":owner": {"S": owner},
                ":now": {"N": epoch_ms(now)},
                ":now_seconds": {"N": str(int(now.timestamp()))},
            },
        )

    def _put(self, item: dict[str, Any]) -> dict[str, Any]:
        return self._conditional_put(
            item,
            "attribute_not_exists(entry) OR expires_at <= :now_seconds",
            {":now_seconds": {"N": str(int(self._clock.now().timestamp()))}},
        )

    def _conditional_put(self, item: dict[str, Any], condition: str, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": condition,
                "ExpressionAttributeValues": values,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _release(self, fingerprint: str, owner: str) -> dict[str, Any]:
        return {
            "Delete": {
                "TableName": self._table,
                "Key": {"fingerprint": {"S": fingerprint}},
                "ConditionExpression": "claim_owner = :owner",
                "ExpressionAttributeValues": {":owner": {"S": owner}},
            }
        }

    def _spend(self, spender: str, cost_micro_usd: int) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._budget_table,
                "Key": {"counter": {"S": spender}},
                "UpdateExpression": "ADD spent :cost",
                "ExpressionAttributeValues": {":cost": {"N": str(cost_micro_usd)}},
            }
        }


def _refused(wanted: Sequence[str], reasons: Sequence[dict[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """The item that stood in the way, by fingerprint; the reasons may go on beyond the fingerprints."""
    pairs = zip(wanted, reasons or (), strict=False)
    return {fingerprint: reason.get("Item", {}) for fingerprint, reason in pairs if condition_failed(reason)}
