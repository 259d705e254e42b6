"""SenderTable on DynamoDB: one item per sender of a quota, and one for what was learned of it.

A reader wants what others wrote seconds ago, so it reads consistently: one query a look. An item is one document, which
a reader of another version may not understand; it leaves that one out rather than fail.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from manga_enrichment.aws.dynamodb.transactions import errors_explained
from manga_enrichment.domain.operations.retention import LEARNED_QUOTA_DAYS
from manga_enrichment.gateways.senders import Learned, Sender

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LEARNED = "#learned"  # no run is called so
_KEPT = timedelta(days=LEARNED_QUOTA_DAYS)
_T = TypeVar("_T", Sender, Learned)


class DynamoDBSenders:
    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._client = client
        self._table = table

    def write(self, quota: str, sender: Sender) -> None:
        self._put(quota, sender.name, sender)

    def read(self, quota: str) -> tuple[list[Sender], Learned | None]:
        senders: list[Sender] = []
        learned: Learned | None = None
        query: Any = {
            "TableName": self._table,
            "KeyConditionExpression": "quota = :quota",
            "ExpressionAttributeValues": {":quota": {"S": quota}},
            "ConsistentRead": True,
        }
        with errors_explained():
            for page in self._client.get_paginator("query").paginate(**query):
                for item in page["Items"]:
                    if item["sender"]["S"] == _LEARNED:
                        learned = _read(Learned, item)
                    elif (sender := _read(Sender, item)) is not None:
                        senders.append(sender)
        return senders, learned

    def learn(self, quota: str, learned: Learned) -> None:
        self._put(quota, _LEARNED, learned)

    def clear(self, quota: str, sender: Sender) -> None:
        with errors_explained():
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key={"quota": {"S": quota}, "sender": {"S": sender.name}},
                    ConditionExpression="said = :said",
                    ExpressionAttributeValues={":said": {"S": _said(sender)}},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return

    def _put(self, quota: str, name: str, what: Sender | Learned) -> None:
        item: dict[str, Any] = {
            "quota": {"S": quota},
            "sender": {"S": name},
            "said": {"S": _said(what)},
            "expires_at": {"N": str(int((what.at + _KEPT).timestamp()))},
        }
        with errors_explained():
            self._client.put_item(TableName=self._table, Item=item)


def _said(what: Sender | Learned) -> str:
    """Infinite numbers are written as Python's JSON writes them."""
    return json.dumps({**asdict(what), "at": what.at.isoformat()}, sort_keys=True)


def _read(kind: type[_T], item: Mapping[str, Any]) -> _T | None:
    try:
        said = json.loads(item["said"]["S"])
        at = datetime.fromisoformat(said["at"])
        return kind(**{**{field.name: said[field.name] for field in fields(kind) if field.name in said}, "at": at})
    except (KeyError, TypeError, ValueError):
        return None
