"""OutboxStore on DynamoDB: one item per delivery, replaced only by whoever has seen its latest version.

Why not objects on S3: what is due must be found without listing all that ever waited, two ticks that overlap must not
send the same event twice, and what was delivered must go away. Here that is an index by time that only holds what is
open, a condition on the version, and the table's TTL.

A put is retried by the SDK after a lost reply and may then meet its own first try: the caller hears "another worker was
faster", leaves the delivery alone, and finds it again when the lease is over.
"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import TypeAdapter

from manga_enrichment.aws.dynamodb.transactions import errors_explained
from manga_enrichment.domain.callbacks.deliveries import Delivery, DeliveryState
from manga_enrichment.domain.operations.retention import DELIVERED_DAYS, FAILED_DELIVERY_DAYS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "by_due"
DELIVERED_KEPT = timedelta(days=DELIVERED_DAYS)
FAILED_KEPT = timedelta(days=FAILED_DELIVERY_DAYS)

_OPEN, _FAILED = "open", "failed"
_DELIVERY = TypeAdapter(Delivery)


class DynamoDBOutbox:
    """Safe to share between threads."""

    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, delivery: Delivery) -> bool:
        return self._put(
            delivery,
            "attribute_not_exists(#id) OR #listed = :failed",
            {"#id": "delivery_id", "#listed": "listed_as"},
            {":failed": {"S": _FAILED}},
        )

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        return self._query("#listed = :listed AND #due <= :now", _OPEN, limit, newest_first=False, now=now)

    def replace(self, seen: Delivery, following: Delivery) -> bool:
        return self._put(
            following,
            "#version = :version AND #created = :created",
            {"#version": "version", "#created": "created_at"},
            {":version": {"N": str(seen.version)}, ":created": {"S": _sortable(seen.created_at)}},
        )

    def get(self, delivery_id: str) -> Delivery | None:
        with errors_explained():
            found = self._client.get_item(
                TableName=self._table, Key={"delivery_id": {"S": delivery_id}}, ConsistentRead=True
            )
        return from_item(found["Item"]) if "Item" in found else None

    def failed(self, *, newest: int) -> list[Delivery]:
        return self._query("#listed = :listed", _FAILED, newest, newest_first=True)

    def _put(self, delivery: Delivery, condition: str, names: dict[str, str], values: dict[str, Any]) -> bool:
        with errors_explained():
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_item(delivery),
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

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
