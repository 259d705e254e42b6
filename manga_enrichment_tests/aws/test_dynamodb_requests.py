"""DynamoDBRequests: what partners see in the table, and replies that get lost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.request_items import from_item, to_item
from manga_enrichment.aws.dynamodb.requests import DynamoDBRequests
from manga_enrichment.domain.requests.claims import AlreadyLive, Claimed
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.request_rows import make_row


@pytest.fixture
def client(aws_environment: dict[str, str]) -> Any:
    return AwsClients().dynamodb


@pytest.fixture
def table(local_stack: LocalStack) -> str:
    return local_stack.outputs["RequestStatusTableName"]


class RepeatsWrites:
    """A client whose SDK lost the first reply to each put and update and sent it again."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_item(self, **request: Any) -> Any:
        self._client.put_item(**request)
        return self._client.put_item(**request)

    def update_item(self, **request: Any) -> Any:
        self._client.update_item(**request)
        return self._client.update_item(**request)


def test_partners_read_plain_names_and_units(client: Any, table: str) -> None:
    clock = FakeClock()
    store = DynamoDBRequests(client, clock, table=table, retention=timedelta(days=10))
    row = make_row(clock, cost_micro_usd=12_345, counts={"succeeded": 7})
    store.claim(row, clock.now())
    item = client.get_item(TableName=table, Key={"request_id": {"S": row.request_id}})["Item"]
    assert item["status"] == {"S": "received"}
    assert item["cost_usd"] == {"N": "0.012345"}
    assert item["counts"] == {"M": {"succeeded": {"N": "7"}}}
    assert item["submitted_at"] == {"S": "2026-01-15T03:00:00.000000+00:00"}
    assert item["expires_at"] == {"N": str(int((clock.now() + timedelta(days=10)).timestamp()))}
    assert "result_key" not in item


def test_a_claim_whose_reply_got_lost_is_still_the_claimants(client: Any, table: str) -> None:
    clock = FakeClock()
    repeats: Any = RepeatsWrites(client)
    store = DynamoDBRequests(repeats, clock, table=table)
    row = make_row(clock)
    for generation in (1, 2):
        decision = store.claim(replace(row, lease_until=clock.now() + timedelta(minutes=1)), clock.now())
        assert isinstance(decision, Claimed)
        assert decision.row.generation == generation
        assert isinstance(store.claim(row, clock.now()), AlreadyLive)
        clock.advance(61)


def test_an_update_whose_reply_got_lost_counts_once(client: Any, table: str) -> None:
    clock = FakeClock()
    repeats: Any = RepeatsWrites(client)
    store = DynamoDBRequests(repeats, clock, table=table)
    row = make_row(clock, owner="sensor")
    store.claim(row, clock.now())
    moved = store.update(row.request_id, "sensor", 1, RequestState.QUEUED, new_owner="run")
    assert (moved.state, moved.owner) == (RequestState.QUEUED, "run")


def test_a_row_survives_the_way_into_an_item_and_back() -> None:
    clock = FakeClock()
    for micro_usd in (0, 1, 999_999, 10**6, 123_456_789_012_345):
        row = make_row(clock, cost_micro_usd=micro_usd, partner_id="", reopened=True, reason="理由")
        assert from_item(to_item(row)) == row


def test_a_row_of_an_older_release_reads_without_its_times() -> None:
    clock = FakeClock()
    now = clock.now()
    row = make_row(clock, accepted_at=now, claimed_at=now, completed_at=now, model_seconds=2.5)
    item = to_item(row)
    assert from_item(item) == row
    for name in ("accepted_at", "claimed_at", "completed_at", "model_seconds"):
        del item[name]
    old = from_item(item)
    assert (old.accepted_at, old.claimed_at, old.completed_at, old.model_seconds) == (None, None, None, 0)
    assert "accepted_at" not in to_item(old)
