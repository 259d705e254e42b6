"""What is changed of partners' policies, as items of the status table.

Belongs here: the item. Stays out: what may be changed (`domain/requests/policies.py`).
"""

import json
from collections.abc import Mapping
from typing import Any

from manga_enrichment.aws.dynamodb.transactions import errors_explained


class DynamoDBPolicies:
    def __init__(self, client: Any, *, table: str) -> None:
        self._client = client
        self._table = table

    def changes(self, partner_id: str) -> dict[str, Any]:
        with errors_explained():
            answer = self._client.get_item(TableName=self._table, Key=_key(partner_id), ConsistentRead=True)
        item = answer.get("Item")
        found: dict[str, Any] = json.loads(item["changes"]["S"]) if item else {}
        return found

    def change(self, partner_id: str, changes: Mapping[str, Any]) -> None:
        with errors_explained():
            if changes:
                item = {**_key(partner_id), "changes": {"S": json.dumps(dict(changes), sort_keys=True)}}
                self._client.put_item(TableName=self._table, Item=item)
            else:
                self._client.delete_item(TableName=self._table, Key=_key(partner_id))


def _key(partner_id: str) -> dict[str, Any]:
    """No request has such an id."""
    return {"request_id": {"S": f"policy:{partner_id}"}}
