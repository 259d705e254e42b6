"""OutboxStore on DynamoDB: one item per delivery, replaced only by whoever has seen its latest version.

Why not objects on S3: what is due must be found without listing all that ever waited, two ticks that overlap must not
send the same event twice, and what was delivered must go away. Here that is an index by time that only holds what is
open, a condition on the version, and the table's TTL.

A put is retried by the SDK after a lost reply and may then meet its own first try: the caller hears "another worker was
faster", leaves the delivery alone, and finds it again when the lease is over. Many at once go as a transaction, of
which each condition may fail by itself: it takes twice the write units, and a fraction of the calls and their CPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import TypeAdapter

from manga_enrichment.aws.dynamodb.transactions import chunks, condition_failed, errors_explained, transact
from manga_enrichment.domain.callbacks.deliveries import Delivery, DeliveryState
from manga_enrichment.domain.operations.retention import DELIVERED_DAYS, FAILED_DELIVERY_DAYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "by_due"
DELIVERED_KEPT = timedelta(days=DELIVERED_DAYS)
FAILED_KEPT = timedelta(days=FAILED_DELIVERY_DAYS)
TOGETHER = 10
"""Puts of a transaction: of 400 KB at most each, it carries 4 MB."""

_OPEN, _FAILED = "open", "failed"
_DELIVERY = TypeAdapter(Delivery)


class DynamoDBOutbox:
    """Safe to share between threads."""

    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, delivery: Delivery) -> bool:
        return bool(self.add_all([delivery]))

    def add_all(self, deliveries: Sequence[Delivery]) -> set[str]:
        return self._put({each.delivery_id: self._added(each) for each in deliveries})

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        return self._query("#listed = :listed AND #due <= :now", _OPEN, limit, newest_first=False, now=now)

    def replace(self, seen: Delivery, following: Delivery) -> bool:
        return bool(self.replace_all([(seen, following)]))

    def replace_all(self, changes: Sequence[tuple[Delivery, Delivery]]) -> set[str]:
        return self._put({seen.delivery_id: self._replaced(seen, following) for seen, following in changes})

    def get(self, delivery_id: str) -> Delivery | None:
        with errors_explained():
            found = self._client.get_item(
                TableName=self._table, Key={"delivery_id": {"S": delivery_id}}, ConsistentRead=True
            )
        return from_item(found["Item"]) if "Item" in found else None

    def failed(self, *, newest: int) -> list[Delivery]:
        return self._query("#listed = :listed", _FAILED, newest, newest_first=True)

    def _added(self, delivery: Delivery) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": _item(delivery),
            "ConditionExpression": "attribute_not_exists(#id) OR #listed = :failed",
            "ExpressionAttributeNames": {"#id": "delivery_id", "#listed": "listed_as"},
            "ExpressionAttributeValues": {":failed": {"S": _FAILED}},
        }

    def _replaced(self, seen: Delivery, following: Delivery) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": _item(following),
            "ConditionExpression": "#version = :version AND #created = :created",
            "ExpressionAttributeNames": {"#version": "version", "#created": "created_at"},
            "ExpressionAttributeValues": {
                ":version": {"N": str(seen.version)},
                ":created": {"S": _sortable(seen.created_at)},
            },
        }

    def _put(self, puts: Mapping[str, dict[str, Any]]) -> set[str]:
        """By delivery id; the ids of those whose condition held."""
        done: set[str] = set()
        for some in chunks(list(puts), TOGETHER):
            done.update(self._put_one(puts[some[0]], some[0]) if len(some) == 1 else self._put_some(puts, some))
        return done

    def _put_one(self, put: Any, delivery_id: str) -> set[str]:
        with errors_explained():
            try:
                self._client.put_item(**put)
            except self._client.exceptions.ConditionalCheckFailedException:
                return set()
        return {delivery_id}

    def _put_some(self, puts: Mapping[str, Any], wanted: list[str]) -> set[str]:
        while wanted:
            reasons = transact(self._client, [{"Put": puts[each]} for each in wanted])
            if reasons is None:
                break
            wanted = [each for each, reason in zip(wanted, reasons, strict=True) if not condition_failed(reason)]
        return set(wanted)

    def _query(
        self, condition: str, listed_as: str, limit: int, *, newest_first: bool, now: datetime | None = None
    ) -> list[Delivery]:
        names, values = {"#listed": "listed_as"}, {":listed": {"S": listed_as}}
        if now is not None:
            names["#due"], values[":now"] = "due_at", {"S": _sortable(now)}
        with errors_explained():
            found = self._client.query(
                TableName=self._table,
                IndexName=INDEX,
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ScanIndexForward=not newest_first,
                Limit=limit,
            )
        return [from_item(item) for item in found["Items"]]


def _item(delivery: Delivery) -> dict[str, Any]:
    """Keys and conditions as attributes, the rest as one JSON document."""
    item: dict[str, Any] = {
        "delivery_id": {"S": delivery.delivery_id},
        "request_id": {"S": delivery.request_id or "-"},
        "state": {"S": delivery.state.value},
        "due_at": {"S": _sortable(delivery.due_at)},
        "created_at": {"S": _sortable(delivery.created_at)},
        "version": {"N": str(delivery.version)},
        "document": {"S": orjson.dumps(asdict(delivery)).decode()},
    }
    if not delivery.told:
        item["listed_as"] = {"S": _OPEN}
        return item
    failed = delivery.state is DeliveryState.FAILED
    if failed:
        item["listed_as"] = {"S": _FAILED}
    ends = delivery.due_at + (FAILED_KEPT if failed else DELIVERED_KEPT)
    item["expires_at"] = {"N": str(int(ends.timestamp()))}
    return item


def from_item(item: Any) -> Delivery:
    """The delivery of an item."""
    return _DELIVERY.validate_python(orjson.loads(item["document"]["S"]))


def _sortable(moment: datetime) -> str:
    """UTC with microseconds: text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
