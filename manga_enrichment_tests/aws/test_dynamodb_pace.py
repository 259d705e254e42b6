"""A queue's pace is one item that is written seldom, and nothing depends on it."""

import uuid
from datetime import datetime
from typing import Any

import pytest

from manga_enrichment.aws.dynamodb.pace import DynamoDBPace
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pace(local_stack: LocalStack, clock: FakeClock) -> DynamoDBPace:
    return DynamoDBPace(local_stack.client("dynamodb"), clock, table=local_stack.outputs["RequestStatusTableName"])


def item(stack: LocalStack, queue: str) -> dict[str, Any]:
    key = {"request_id": {"S": f"pace:{queue}"}}
    found = stack.client("dynamodb").get_item(TableName=stack.outputs["RequestStatusTableName"], Key=key)["Item"]
    return dict(found)


def test_a_process_writes_once_in_ten_seconds_and_loses_nothing(
    pace: DynamoDBPace, clock: FakeClock, local_stack: LocalStack
) -> None:
    queue = str(uuid.uuid4())
    pace.note(queue, 4.0)
    for _ in range(50):
        pace.note(queue, 8.0)
    assert float(item(local_stack, queue)["seconds"]["N"]) == 4.0
    clock.advance(10)
    pace.note(queue, 8.0)
    found = item(local_stack, queue)
    assert float(found["seconds"]["N"]) == pytest.approx(8.0, abs=0.1), "all 51 count"
    assert datetime.fromisoformat(found["measured_at"]["S"]) == clock.now()
    assert int(found["expires_at"]["N"]) == int(clock.now().timestamp()) + 7 * 86_400


def test_another_process_goes_on_from_what_is_there(
    pace: DynamoDBPace, clock: FakeClock, local_stack: LocalStack
) -> None:
    queue, table = str(uuid.uuid4()), local_stack.outputs["RequestStatusTableName"]
    pace.note(queue, 10.0)
    DynamoDBPace(local_stack.client("dynamodb"), clock, table=table).note(queue, 20.0)
    assert float(item(local_stack, queue)["seconds"]["N"]) == pytest.approx(11.0)


def test_a_table_that_is_not_there_is_no_fault_of_the_request(local_stack: LocalStack, clock: FakeClock) -> None:
    aws = DynamoDBPace(local_stack.client("dynamodb"), clock, table="no-such-table")
    aws.note("manga-fm-normal", 1.0)
    aws.note("manga-fm-normal", 2.0)
