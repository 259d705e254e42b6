"""A transaction that is sent whole is the one that the SDK would make, and the same when it is sent again."""

from io import BytesIO
from typing import Any

import boto3
import orjson
import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders
from urllib3 import HTTPResponse

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.transactions import transact

ITEM = {
    "fingerprint": {"S": "ひ-\N{GRINNING FACE}"},
    "cost": {"N": "12"},
    "names": {"SS": ["a", "b"]},
    "deep": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}, {"S": 'quoted "words"\n'}]}}},
}
ACTIONS: list[dict[str, Any]] = [
    {
        "Put": {
            "TableName": "fm",
            "Item": ITEM,
            "ConditionExpression": "attribute_not_exists(fingerprint) OR claim_owner = :owner",
            "ExpressionAttributeValues": {":owner": {"S": "me"}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    },
    {"Delete": {"TableName": "fm", "Key": {"fingerprint": {"S": "x"}}}},
    {
        "Update": {
            "TableName": "arn:aws:dynamodb:ap-northeast-1:111122223333:table/budget",
            "Key": {"counter": {"S": "day"}},
            "UpdateExpression": "ADD spent :cost",
            "ExpressionAttributeValues": {":cost": {"N": "5"}},
        }
    },
]


class Wire:
    """Answers what a client sends with these statuses, one after the other, and keeps it."""

    def __init__(self, client: Any, *statuses: int) -> None:
        self.requests: list[Any] = []
        self._statuses = list(statuses)
        client.meta.events.register("before-send.dynamodb", self._answer)

    def _answer(self, request: Any, **_kwargs: Any) -> AWSResponse:
        self.requests.append(request)
        raw = HTTPResponse(BytesIO(b"{}"), preload_content=False)
        return AWSResponse(request.url, self._statuses.pop(0), HTTPHeaders(), raw)

    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request.body) for request in self.requests]


@pytest.fixture
def client() -> Any:
    return AwsClients().dynamodb


def test_the_body_is_the_one_that_the_sdk_makes(client: Any) -> None:
    sdk: Any = boto3.client("dynamodb")
    theirs, ours = Wire(sdk, 200), Wire(client, 200)
    sdk.transact_write_items(TransactItems=ACTIONS)
    assert transact(client, ACTIONS) is None
    (expected,), (body,) = theirs.bodies(), ours.bodies()
    assert body.pop("ClientRequestToken") != expected.pop("ClientRequestToken")
    assert body == expected == {"TransactItems": ACTIONS}


def test_headers_and_signature_are_those_of_that_body(client: Any) -> None:
    wire = Wire(client, 200)
    transact(client, ACTIONS)
    (request,) = wire.requests
    assert int(request.headers["Content-Length"]) == len(request.body)
    assert request.headers["X-Amz-Target"] == b"DynamoDB_20120810.TransactWriteItems"
    assert "Signature=" in str(request.headers["Authorization"])


@pytest.mark.slow  # the SDK waits up to a second before it tries again
def test_sent_again_after_a_lost_reply_it_is_the_same_with_the_same_token(client: Any) -> None:
    wire = Wire(client, 500, 200)
    assert transact(client, ACTIONS) is None
    first, second = wire.bodies()
    assert first == second
    assert first["ClientRequestToken"]


def test_two_transactions_of_one_client_have_nothing_of_each_other(client: Any) -> None:
    wire = Wire(client, 200, 200)
    transact(client, ACTIONS[:1])
    transact(client, ACTIONS[1:])
    first, second = wire.bodies()
    assert (first["TransactItems"], second["TransactItems"]) == (ACTIONS[:1], ACTIONS[1:])
    assert first["ClientRequestToken"] != second["ClientRequestToken"]


def test_bytes_are_refused_rather_than_sent_as_something_else(client: Any) -> None:
    wire = Wire(client)
    with pytest.raises(TypeError):
        transact(client, [{"Put": {"TableName": "fm", "Item": {"fingerprint": {"B": b"raw"}}}}])
    assert wire.requests == []
