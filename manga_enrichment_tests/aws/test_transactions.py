"""How DynamoDB says no, and what is made of it. Replies are botocore's own stubs: the emulator never conflicts."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from manga_enrichment.aws.dynamodb.ledger import DynamoDBLedger
from manga_enrichment.aws.dynamodb.transactions import batch_get, chunks, transact
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment_tests.contracts.conftest import RETENTION
from manga_enrichment_tests.fakes import FakeClock

ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})
ACTIONS = [{"Delete": {"TableName": "t", "Key": {"fingerprint": {"S": name}}}} for name in ("a", "b")]


@pytest.fixture
def client() -> Any:
    return boto3.client("dynamodb")


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def cancel(stub: Stubber, *codes: str) -> None:
    reasons = [{"Code": code, "Item": {"fingerprint": {"S": "x"}}} for code in codes]
    stub.add_client_error(
        "transact_write_items", "TransactionCanceledException", modeled_fields={"CancellationReasons": reasons}
    )


def keys(*names: str) -> list[dict[str, Any]]:
    return [{"fingerprint": {"S": name}} for name in names]


def test_a_conflict_is_tried_again(client: Any, stub: Stubber) -> None:
    cancel(stub, "TransactionConflict", "None")
    cancel(stub, "None", "ThrottlingError")
    stub.add_response("transact_write_items", {})
    pauses: list[float] = []
    assert transact(client, ACTIONS, sleep=pauses.append) is None
    assert len(pauses) == 2


def test_a_failed_condition_is_an_answer_even_beside_a_conflict(client: Any, stub: Stubber) -> None:
    cancel(stub, "TransactionConflict", "ConditionalCheckFailed")
    reasons = transact(client, ACTIONS)
    assert reasons is not None
    assert [reason["Code"] for reason in reasons] == ["TransactionConflict", "ConditionalCheckFailed"]


def test_endless_conflicts_make_the_ledger_unavailable(client: Any, stub: Stubber) -> None:
    for _ in range(12):
        cancel(stub, "TransactionConflict", "TransactionConflict")
    pauses: list[float] = []
    with pytest.raises(StoreUnavailableError, match="kept cancelling"):
        transact(client, ACTIONS, sleep=pauses.append)
    assert len(pauses) == 12
    assert all(0 <= pause <= 1 for pause in pauses)


def test_a_failing_service_makes_the_ledger_unavailable(client: Any, stub: Stubber) -> None:
    stub.add_client_error("transact_write_items", "InternalServerError", "try later")
    with pytest.raises(StoreUnavailableError, match="try later"):
        transact(client, ACTIONS)


def test_a_missing_table_is_a_wrong_setting(client: Any, stub: Stubber) -> None:
    stub.add_client_error("transact_write_items", "ResourceNotFoundException")
    with pytest.raises(ConfigurationError, match=r"deploy infra/storage.yaml or correct MANGA_LEDGER_TABLE"):
        transact(client, ACTIONS)


def test_an_unreachable_ledger_is_unavailable_and_says_where_it_was_looked_for() -> None:
    client = boto3.client("dynamodb", config=ONE_ATTEMPT)
    ledger = DynamoDBLedger(client, FakeClock(), ledger_table="t", budget_table="b", retention=RETENTION)
    with pytest.raises(StoreUnavailableError, match=r"cannot be reached at http://127.0.0.1:9.*AWS_ENDPOINT_URL"):
        ledger.get_many(["a"])


def test_keys_left_over_by_a_batch_read_are_read_again(client: Any, stub: Stubber) -> None:
    left = {"t": {"Keys": keys("b"), "ConsistentRead": True}}
    asked = {"t": {"Keys": keys("a", "b"), "ConsistentRead": True}}
    stub.add_response(
        "batch_get_item", {"Responses": {"t": keys("a")}, "UnprocessedKeys": left}, {"RequestItems": asked}
    )
    stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left}, {"RequestItems": left})
    stub.add_response("batch_get_item", {"Responses": {"t": keys("b")}}, {"RequestItems": left})
    pauses: list[float] = []
    assert list(batch_get(client, "t", "fingerprint", ["a", "b"], sleep=pauses.append)) == keys("a", "b")
    assert len(pauses) == 1, "only where nothing came"


def test_keys_that_are_never_read_make_the_ledger_unavailable(client: Any, stub: Stubber) -> None:
    for _ in range(12):
        stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": {"t": {"Keys": keys("a")}}})
    with pytest.raises(StoreUnavailableError, match="unprocessed"):
        list(batch_get(client, "t", "fingerprint", ["a"], sleep=lambda _seconds: None))


def test_chunks_have_the_size_asked_for() -> None:
    assert list(chunks([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
    assert list(chunks([], 2)) == []
