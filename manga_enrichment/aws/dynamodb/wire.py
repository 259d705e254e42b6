"""Transactions on the wire, made in one go.

Belongs here: the body of a TransactWriteItems request. Stays out: what is in a transaction (`transactions.py` and who
calls it); signing, retries and errors, which stay the SDK's.

An action is already what DynamoDB's JSON says. The SDK would walk all of its values twice all the same, to copy them
and to look for names of resources in them, which is two thirds of its CPU for a transaction of many items.
"""

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_ITEMS = "TransactItems"
_SET_ASIDE = "manga_enrichment_transact_items"


def send_transactions_whole(client: "DynamoDBClient") -> None:
    """From now on the client takes transactions as they are. Values of type B have no JSON and raise TypeError."""
    events: Any = client.meta.events  # its stubs know no handler that returns anything
    events.register("provide-client-params.dynamodb.TransactWriteItems", _set_aside)
    events.register("before-call.dynamodb.TransactWriteItems", _put_in)


def _set_aside(params: dict[str, Any], context: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
    context[_SET_ASIDE] = params[_ITEMS]
    return {**params, _ITEMS: []}


def _put_in(params: dict[str, Any], context: dict[str, Any], **_kwargs: object) -> None:
    """params: of the HTTP request. Beside the items its body has the token that makes a retry count once."""
    document = orjson.loads(params["body"])
    params["body"] = orjson.dumps({**document, _ITEMS: context.pop(_SET_ASIDE)})
