"""BudgetStore on DynamoDB: caps that many processes share, exact even when one of them is killed.

Two kinds of items in one table. A *counter* (a day, a run, a partner's day) holds `committed` and `spent`
micro-dollars and the names of its open `spenders`. A *spender* (one op execution) holds what it `reserved`, what it
`spent`, its lease and its counters; closed, also what it `settled`: the part of `spent` that its counters know.
Only counters are shared; they change once per block of calls, not per call. A third kind is there once or not at all:
the *brake*, with why and since when.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from manga_enrichment.aws.dynamodb.ledger_items import epoch_ms
from manga_enrichment.aws.dynamodb.transactions import condition_failed, errors_explained, transact
from manga_enrichment.domain.operations.retention import BUDGET_DAYS
from manga_enrichment.gateways.budget import SPENDER_LINGER, Brake, BudgetScope
from manga_enrichment.gateways.errors import SpenderClosedError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RETENTION_SECONDS = BUDGET_DAYS * 24 * 3600
_LINGER_MS = int(SPENDER_LINGER.total_seconds() * 1000)
_BRAKE = "brake"


class DynamoDBBudget:
    def __init__(self, client: "DynamoDBClient", *, table: str, check_clock: Callable[[], None] = lambda: None) -> None:
        """check_clock: raises ConfigurationError while this machine's clock is too far off to judge leases."""
        self._check_clock = check_clock
        self._client = client
        self._table = table

    def reserve(
        self, scopes: Sequence[BudgetScope], spender: str, amount_micro_usd: int, lease_until: datetime
    ) -> bool:
        self._check_clock()
        if any(scope.limit_micro_usd < amount_micro_usd for scope in scopes):
            return False
        counters = [self._add_to_counter(scope, spender, amount_micro_usd, lease_until) for scope in scopes]
        lease = self._update(
            spender,
            "ADD reserved :amount, counters :counters SET lease_until_ms = :lease, expires_at = :expires",
            {
                ":amount": _number(amount_micro_usd),
                ":counters": {"SS": [scope.counter for scope in scopes]},
                ":lease": {"N": epoch_ms(lease_until)},
                ":expires": _expiry(lease_until),
            },
            condition="attribute_not_exists(settled)",
        )
        reasons = transact(self._client, [*counters, lease])
        if reasons is not None and condition_failed(reasons[-1]):
            raise SpenderClosedError(f"{spender} was taken for dead and closed")
        return reasons is None

    def spend(self, spender: str, amount_micro_usd: int) -> None:
        transact(self._client, [self._update(spender, "ADD spent :amount", {":amount": _number(amount_micro_usd)})])

    def book_once(self, name: str, counters: Sequence[str], amount_micro_usd: int, now: datetime) -> None:
        """The name becomes a spender that has spent and is settled: its item is what makes the second time nothing."""
        values = {":amount": _number(amount_micro_usd), ":expires": _expiry(now)}
        spent = "SET spent = :amount, settled = :amount, expires_at = :expires"
        known = "ADD committed :amount, spent :amount SET expires_at = :expires"
        once = self._update(name, spent, values, condition="attribute_not_exists(settled)")
        transact(self._client, [once, *(self._update(counter, known, values) for counter in counters)])

    def renew(self, spender: str, lease_until: datetime) -> None:
        values = {":lease": {"N": epoch_ms(lease_until)}}
        condition = "attribute_exists(reserved) AND attribute_not_exists(settled)"
        transact(self._client, [self._update(spender, "SET lease_until_ms = :lease", values, condition=condition)])

    def close(self, spender: str) -> None:
        self._close(spender, lease_before_ms=None)

    def abandoned(self, counters: Sequence[str], now: datetime) -> list[str]:
        leases = {each: self._item(each).get("lease_until_ms") for each in self._spenders(counters)}
        return [name for name, lease in leases.items() if lease is not None and int(lease["N"]) < int(epoch_ms(now))]

    def close_abandoned(self, counters: Sequence[str], now: datetime, swept: Collection[str] = ()) -> list[str]:
        before_ms = int(epoch_ms(now))
        spenders = self._spenders(counters)
        return [each for each in spenders if self._close(each, lease_before_ms=before_ms, is_swept=each in swept)]

    def _spenders(self, counters: Sequence[str]) -> list[str]:
        """Names that these counters have, each once."""
        found = [self._item(counter) for counter in counters]
        self._check_clock()  # after the first answer, which told the time
        return list(dict.fromkeys(name for item in found for name in item.get("spenders", {}).get("SS", [])))

    def _close(self, spender: str, *, lease_before_ms: int | None, is_swept: bool = False) -> bool:
        """Whether it was closed by this call. lease_before_ms: only when its lease ended before."""
        while True:
            item = self._item(spender)
            over_ms = None if lease_before_ms is None else lease_before_ms - _value(item, "lease_until_ms")
            stays = over_ms is not None and (over_ms <= _LINGER_MS or not is_swept)
            is_settled = "settled" in item and _value(item, "settled") == _value(item, "spent")
            if not item or (over_ms is not None and over_ms <= 0) or (is_settled and (stays or over_ms is None)):
                return False
            counters = item.get("counters", {}).get("SS", [])
            settlements = [self._settle_counter(counter, spender, item, stays=stays) for counter in counters]
            if transact(self._client, [*settlements, self._settle_spender(spender, item)]) is None:
                return not is_settled  # else it spent, reserved or renewed meanwhile: read again

    def spent(self, counter: str) -> tuple[int, int]:
        item = self._item(counter)
        return _value(item, "committed"), _value(item, "spent")

    def brake(self) -> Brake | None:
        return _brake(self._item(_BRAKE))

    def put_brake_on(self, brake: Brake) -> Brake:
        item = {"counter": {"S": _BRAKE}, "because": {"S": brake.because}, "since": {"S": brake.since.isoformat()}}
        put = {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(because)"}
        while transact(self._client, [{"Put": put}]) is not None:
            standing = self.brake()
            if standing is not None:  # else it was taken off between the two
                return standing
        return brake

    def take_brake_off(self) -> Brake | None:
        with errors_explained():
            response = self._client.delete_item(
                TableName=self._table, Key={"counter": {"S": _BRAKE}}, ReturnValues="ALL_OLD"
            )
        return _brake(response.get("Attributes", {}))

    def _add_to_counter(
        self, scope: BudgetScope, spender: str, amount_micro_usd: int, lease_until: datetime
    ) -> dict[str, Any]:
        return self._update(
            scope.counter,
            "ADD committed :amount, spenders :spender SET expires_at = :expires",
            {
                ":amount": _number(amount_micro_usd),
                ":spender": {"SS": [spender]},
                ":room": _number(scope.limit_micro_usd - amount_micro_usd),
                ":expires": _expiry(lease_until),
            },
            condition="attribute_not_exists(committed) OR committed <= :room",
        )

    def _settle_counter(self, counter: str, spender: str, item: dict[str, Any], *, stays: bool) -> dict[str, Any]:
        """Spent money for reserved money; for a spender that spent after its close, the rest of it.

        stays: among the counter's spenders, to be looked at again.
        """
        spent, settled = _value(item, "spent"), _value(item, "settled")
        known = settled if "settled" in item else _value(item, "reserved")
        return self._update(
            counter,
            "ADD committed :more, spent :spent" + ("" if stays else " DELETE spenders :spender"),
            {
                ":more": _number(spent - known),
                ":spent": _number(spent - settled),
                **({} if stays else {":spender": {"SS": [spender]}}),
            },
        )

    def _settle_spender(self, spender: str, item: dict[str, Any]) -> dict[str, Any]:
        """Only if the item is still what was read: that is what makes closing exact, and twice the same as once."""
        names = ("reserved", "spent", "settled", "lease_until_ms")
        seen = [name for name in names if name in item]
        unseen = [name for name in names if name not in item]
        return self._update(
            spender,
            "SET settled = :now_settled",
            {":now_settled": _number(_value(item, "spent")), **{f":{name}": item[name] for name in seen}},
            condition=" AND ".join(
                [f"{name} = :{name}" for name in seen] + [f"attribute_not_exists({name})" for name in unseen]
            ),
        )

    def _update(
        self, counter: str, expression: str, values: dict[str, Any], *, condition: str | None = None
    ) -> dict[str, Any]:
        update: dict[str, Any] = {
            "TableName": self._table,
            "Key": {"counter": {"S": counter}},
            "UpdateExpression": expression,
            "ExpressionAttributeValues": values,
        }
        if condition:
            update["ConditionExpression"] = condition
        return {"Update": update}

    def _item(self, counter: str) -> dict[str, Any]:
        with errors_explained():
            response = self._client.get_item(
                TableName=self._table, Key={"counter": {"S": counter}}, ConsistentRead=True
            )
        return dict(response.get("Item", {}))


def _brake(item: Mapping[str, Any]) -> Brake | None:
    return Brake(item["because"]["S"], datetime.fromisoformat(item["since"]["S"])) if item else None


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def _expiry(lease_until: datetime) -> dict[str, str]:
    return _number(int(lease_until.timestamp()) + _RETENTION_SECONDS)


def _value(item: dict[str, Any], name: str) -> int:
    return int(item.get(name, {"N": "0"})["N"])
