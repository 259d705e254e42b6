"""ResultLedger on DynamoDB: answers and claims in one table, keyed by fingerprint."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from manga_enrichment.aws.dynamodb.ledger_items import (
    abandoned_claim,
    at_stake_micro_usd,
    claim_item,
    entry_from_item,
    entry_item,
    epoch_ms,
    is_abandoned,
    storable,
    with_lost,
)
from manga_enrichment.aws.dynamodb.transactions import (
    MAX_ITEMS,
    batch_get,
    chunks,
    condition_failed,
    errors_explained,
    transact,
)
from manga_enrichment.domain.outcomes.answers import AbandonedClaim, Asked, ClaimResult, LedgerEntry
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import NOTHING_SAID

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MAX_BYTES = 1_500_000  # a transaction may carry 4 MB, and on the wire each kanji of three bytes becomes six
_BYTES_BESIDE_ENTRY = 1_000  # of an item's other attributes, and of its condition

_MOST_VALUES = 90  # of the 100 that IN takes


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
        check_clock: Callable[[], None] = lambda: None,
    ) -> None:
        """check_clock: raises ConfigurationError while this machine's clock is too far off to claim anything."""
        self._client = client
        self._clock = clock
        self._table = ledger_table
        self._budget_table = budget_table
        self._retention = retention
        self._check_clock = check_clock

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        now = self._clock.now()
        items = batch_get(self._client, self._table, "fingerprint", list(dict.fromkeys(fingerprints)))
        entries = (entry_from_item(item, now) for item in items)
        return {entry.fingerprint: entry for entry in entries if entry is not None}

    def claim_many(
        self,
        at_stake: Mapping[str, int],
        owner: str,
        now: datetime,
        until: datetime,
        asked: Mapping[str, Asked] = NOTHING_SAID,
    ) -> ClaimResult:
        self._check_clock()
        claimed = _Claimed()
        for chunk in chunks(list(at_stake), MAX_ITEMS):
            claims = {each: claim_item(each, owner, until, at_stake[each], asked.get(each)) for each in chunk}
            self._claim_chunk(claims, now, claimed)
        return claimed.result()

    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        stands: dict[str, LedgerEntry] = {}
        for chunk in self._by_size(entries):
            stands.update(self._put_chunk(chunk, spender))
        return stands

    def left_behind(self, run_ids: Collection[str], now: datetime) -> Iterator[LedgerEntry | AbandonedClaim]:
        for runs in chunks(sorted(run_ids), _MOST_VALUES):
            names = {f":run{number}": {"S": run_id} for number, run_id in enumerate(runs)}
            pages = self._client.get_paginator("scan").paginate(
                TableName=self._table,
                ConsistentRead=True,
                FilterExpression=f"run_id IN ({', '.join(names)}) OR claim_until_ms < :now",
                ExpressionAttributeValues={**names, ":now": {"N": epoch_ms(now)}},
            )
            with errors_explained():
                for page in pages:
                    found = (entry_from_item(item, now) or abandoned_claim(item, now) for item in page["Items"])
                    yield from (each for each in found if each is not None)

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        for chunk in chunks(list(dict.fromkeys(fingerprints)), MAX_ITEMS):
            wanted = chunk
            while wanted:
                reasons = transact(self._client, [self._release(fingerprint, owner) for fingerprint in wanted])
                if reasons is None:
                    break
                refused = _refused(wanted, reasons)
                wanted = [fingerprint for fingerprint in wanted if fingerprint not in refused]

    def _claim_chunk(self, claims: Mapping[str, dict[str, Any]], now: datetime, claimed: "_Claimed") -> None:
        """Most find nothing in their place, which is a short condition; what stands there says which comes next."""
        puts = {each: self._claim(item) for each, item in claims.items()}
        while puts:
            wanted = list(puts)
            reasons = transact(self._client, list(puts.values()))
            if reasons is None:
                claimed.granted.update(wanted)
                return
            for fingerprint, item in _refused(wanted, reasons).items():
                del puts[fingerprint]
                claimed.lost.pop(fingerprint, None)
                entry = entry_from_item(item, now)
                if is_abandoned(item, now):
                    if lost := at_stake_micro_usd(item):
                        claimed.lost[fingerprint] = lost
                    puts[fingerprint] = self._take_over(item, with_lost(claims[fingerprint], item, lost))
                elif entry is None and "entry" in item:  # past its time, or doubtful
                    puts[fingerprint] = self._replace(item, claims[fingerprint])
                else:
                    claimed.refuse(fingerprint, entry)

    def _put_chunk(
        self, chunk: dict[str, tuple[LedgerEntry, dict[str, Any]]], spender: str | None
    ) -> dict[str, LedgerEntry]:
        """One transaction: the answers and their cost, so that a kill can not part the two."""
        stands = {fingerprint: entry for fingerprint, (entry, _) in chunk.items()}
        puts = {fingerprint: self._put(item) for fingerprint, (_, item) in chunk.items()}
        cost = sum(entry.cost_micro_usd for entry in stands.values())
        while puts or (cost and spender is not None):
            spending = [self._spend(spender, cost)] if cost and spender is not None else []
            reasons = transact(self._client, [*puts.values(), *spending])
            if reasons is None:
                break
            for fingerprint, item in _refused(list(puts), reasons).items():
                entry, own_item = chunk[fingerprint]
                there = entry_from_item(item, self._clock.now())
                if there is None:  # past its time, or doubtful
                    puts[fingerprint] = self._replace(item, own_item)
                    continue
                del puts[fingerprint]
                stands[fingerprint] = there
                if there == entry:  # an earlier try of this very put went through, cost and all
                    cost -= entry.cost_micro_usd
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

    def _claim(self, claim: dict[str, Any]) -> dict[str, Any]:
        return self._conditional_put(
            claim, "attribute_not_exists(fingerprint) OR claim_owner = :owner", {":owner": claim["claim_owner"]}
        )

    def _take_over(self, abandoned: Mapping[str, Any], claim: dict[str, Any]) -> dict[str, Any]:
        """Only the claim that was read: its owner may be alive after all and renew it, or another be faster."""
        return self._conditional_put(
            claim,
            "claim_owner = :owner AND claim_until_ms = :until",
            {":owner": abandoned["claim_owner"], ":until": abandoned["claim_until_ms"]},
        )

    def _replace(self, there: Mapping[str, Any], item: dict[str, Any]) -> dict[str, Any]:
        """Only the very entry that was read: another may have been faster."""
        return self._conditional_put(
            item,
            "attribute_exists(entry) AND run_id = :run AND created_at = :created",
            {":run": there["run_id"], ":created": there["created_at"]},
        )

    def _put(self, item: dict[str, Any]) -> dict[str, Any]:
        return self._conditional_put(item, "attribute_not_exists(entry)", {})

    def _conditional_put(self, item: dict[str, Any], condition: str, values: dict[str, Any]) -> dict[str, Any]:
        put = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {"Put": {**put, "ExpressionAttributeValues": values} if values else put}

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


@dataclass(slots=True)
class _Claimed:
    """A `ClaimResult` in the making."""

    granted: set[str] = field(default_factory=set)
    answered: dict[str, LedgerEntry] = field(default_factory=dict)
    contended: set[str] = field(default_factory=set)
    lost: dict[str, int] = field(default_factory=dict)

    def refuse(self, fingerprint: str, entry: LedgerEntry | None) -> None:
        if entry is None:
            self.contended.add(fingerprint)
        else:
            self.answered[fingerprint] = entry

    def result(self) -> ClaimResult:
        return ClaimResult(frozenset(self.granted), self.answered, frozenset(self.contended), self.lost)


def _refused(wanted: Sequence[str], reasons: Sequence[dict[str, Any]] | None) -> dict[str, dict[str, Any]]:
    """The item that stood in the way, by fingerprint; the reasons may go on beyond the fingerprints."""
    pairs = zip(wanted, reasons or (), strict=False)
    return {fingerprint: reason.get("Item", {}) for fingerprint, reason in pairs if condition_failed(reason)}
