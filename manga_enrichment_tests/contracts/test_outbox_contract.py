"""OutboxStore: put once, found when due, replaced only by whoever saw the latest version."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.outbox import DELIVERED_KEPT, FAILED_KEPT, DynamoDBOutbox
from manga_enrichment.domain.callbacks.deliveries import (
    Channel,
    Delivery,
    anew,
    delivered,
    leased,
    new_delivery,
    not_taken,
    refused,
    told,
)
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.local.stack.cleaning import empty_tables
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.fakes import FakeClock
from manga_enrichment_tests.outbox_fakes import URL, MemoryOutbox, ended

LATER = timedelta(minutes=5)


@pytest.fixture
def outbox(kind: str, request: pytest.FixtureRequest) -> Iterator[OutboxStore]:
    """Empty: what is due is a question about all of it."""
    if kind == "fake":
        yield MemoryOutbox()
        return
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    table = stack.outputs["OutboxTableName"]
    yield DynamoDBOutbox(clients.dynamodb, table=table)
    empty_tables(stack.client("dynamodb"), [table])


@pytest.fixture
def now(clock: FakeClock) -> datetime:
    return clock.now()


def some(now: datetime, reason: str = "") -> Delivery:
    return new_delivery(ended(str(uuid.uuid4()), occurred_at=now, reason=reason), Channel.CALLBACK, URL, now)


def put(outbox: OutboxStore, seen: Delivery, *following: Delivery) -> Delivery:
    """Replace one after the other; the last one."""
    for each in following:
        assert outbox.replace(seen, each)
        seen = each
    return seen


def test_what_was_added_reads_back_and_is_added_once(outbox: OutboxStore, now: datetime) -> None:
    delivery = some(now, reason="漫画 “quoted”")
    assert outbox.add(delivery)
    assert not outbox.add(delivery)
    assert outbox.get(delivery.delivery_id) == delivery
    assert outbox.get("evt_unknown") is None


def test_adding_again_does_not_undo_what_happened(outbox: OutboxStore, now: datetime) -> None:
    delivery = some(now)
    outbox.add(delivery)
    done = put(outbox, delivery, leased(delivery, now), delivered(leased(delivery, now), now, 204))
    assert not outbox.add(delivery)
    assert outbox.get(delivery.delivery_id) == done
    over = put(outbox, done, told(done, now))
    assert not outbox.add(delivery)
    assert outbox.get(delivery.delivery_id) == over


def test_what_failed_for_good_starts_anew_when_it_is_added_again(outbox: OutboxStore, now: datetime) -> None:
    delivery = some(now)
    outbox.add(delivery)
    failed = refused(delivery, now, "no")
    outbox.replace(delivery, failed)
    assert not outbox.add(delivery)  # its end is not told yet
    outbox.replace(failed, told(failed, now))
    assert outbox.add(delivery)
    assert outbox.get(delivery.delivery_id) == delivery
    assert outbox.failed(newest=10) == []


def test_due_are_those_whose_time_has_come_the_longest_waiting_first(outbox: OutboxStore, now: datetime) -> None:
    first, second, third = (some(now + timedelta(milliseconds=offset)) for offset in (0, 1, 1000))
    for each in (second, third, first):
        outbox.add(each)
    assert outbox.due(now - timedelta(milliseconds=1), 10) == []
    assert outbox.due(now, 10) == [first]
    assert outbox.due(now + timedelta(milliseconds=1), 10) == [first, second]
    assert outbox.due(now + LATER, 10) == [first, second, third]
    assert outbox.due(now + LATER, 2) == [first, second]


def test_a_leased_one_is_due_again_after_its_lease(outbox: OutboxStore, now: datetime) -> None:
    delivery = some(now)
    outbox.add(delivery)
    held = put(outbox, delivery, leased(delivery, now))
    assert outbox.due(now, 10) == []
    assert outbox.due(held.due_at, 10) == [held]


def test_what_ended_is_looked_at_until_it_is_told(outbox: OutboxStore, now: datetime) -> None:
    delivery = some(now)
    outbox.add(delivery)
    done = put(outbox, delivery, delivered(delivery, now, 200))
    assert outbox.due(done.due_at, 10) == [done]
    put(outbox, done, told(done, now))
    assert outbox.due(now + timedelta(days=9), 10) == []


def test_the_failed_are_listed_latest_first(outbox: OutboxStore, now: datetime) -> None:
    ends = []
    for minutes in (1, 3, 2):
        delivery = some(now)
        outbox.add(delivery)
        failed = not_taken(delivery, now, status=410, problem="gone", jitter=0.5)
        ends.append(put(outbox, delivery, failed, told(failed, now + timedelta(minutes=minutes))))
    assert outbox.failed(newest=10) == [ends[1], ends[2], ends[0]]
    assert outbox.failed(newest=1) == [ends[1]]
    assert outbox.due(now + timedelta(days=9), 10) == []


def test_only_one_of_many_workers_gets_a_delivery(outbox: OutboxStore, now: datetime) -> None:
    delivery = some(now)
    outbox.add(delivery)
    with ThreadPoolExecutor(8) as workers:
        won = list(workers.map(lambda _: outbox.replace(delivery, leased(delivery, now)), range(8)))
    assert won.count(True) == 1


def test_of_many_that_are_added_each_is_judged_by_itself(outbox: OutboxStore, now: datetime) -> None:
    known, anew_ = some(now), some(now)
    fresh = [some(now) for _ in range(11)]
    outbox.add(known)
    outbox.add(anew_)
    failed = put(outbox, anew_, refused(anew_, now, "no"))
    put(outbox, failed, told(failed, now))
    put_now = outbox.add_all([fresh[0], known, anew_, *fresh[1:]])
    assert put_now == {each.delivery_id for each in (*fresh, anew_)}
    assert [outbox.get(each.delivery_id) for each in (known, anew_, *fresh)] == [known, anew_, *fresh]
    assert outbox.add_all([*fresh, known]) == set()
    assert outbox.add_all([]) == set()


def test_of_many_that_are_replaced_each_is_judged_by_itself(outbox: OutboxStore, now: datetime) -> None:
    there = [some(now) for _ in range(12)]
    outbox.add_all(there)
    taken = put(outbox, there[3], leased(there[3], now))
    unknown = some(now)
    changes = [(each, leased(each, now)) for each in (*there, unknown)]
    replaced = outbox.replace_all(changes)
    assert replaced == {each.delivery_id for each in there if each is not there[3]}
    assert outbox.get(there[3].delivery_id) == taken
    assert outbox.get(there[0].delivery_id) == leased(there[0], now)
    assert outbox.get(unknown.delivery_id) is None
    assert outbox.replace_all(changes) == set()


def test_of_many_workers_with_the_same_ten_each_is_had_by_one(outbox: OutboxStore, now: datetime) -> None:
    there = [some(now) for _ in range(10)]
    outbox.add_all(there)
    changes = [(each, leased(each, now)) for each in there]
    with ThreadPoolExecutor(4) as workers:
        won = list(workers.map(lambda _: outbox.replace_all(changes), range(4)))
    assert sorted(name for names in won for name in names) == sorted(each.delivery_id for each in there)


def test_a_version_that_is_no_longer_there_cannot_be_replaced(outbox: OutboxStore, now: datetime) -> None:
    delivery = some(now)
    assert not outbox.replace(delivery, leased(delivery, now))
    outbox.add(delivery)
    held = put(outbox, delivery, leased(delivery, now))
    assert not outbox.replace(delivery, delivered(delivery, now))
    assert outbox.get(delivery.delivery_id) == held


def test_a_delivery_that_started_anew_is_another_one_to_an_old_worker(outbox: OutboxStore, now: datetime) -> None:
    delivery = some(now)
    outbox.add(delivery)
    failed = put(outbox, delivery, refused(delivery, now, "no"))
    put(outbox, failed, told(failed, now))
    anew = new_delivery(
        ended(delivery.request_id, occurred_at=now), Channel.CALLBACK, URL, now + timedelta(microseconds=1)
    )
    assert anew.delivery_id == delivery.delivery_id
    assert outbox.add(anew)
    assert not outbox.replace(delivery, leased(delivery, now))


def test_items_forget_themselves_after_their_end_only(
    local_stack: LocalStack, aws_clients: AwsClients, clock: FakeClock
) -> None:
    now = clock.now()
    table = local_stack.outputs["OutboxTableName"]
    outbox = DynamoDBOutbox(aws_clients.dynamodb, table=table)

    def expiry(delivery: Delivery) -> str | None:
        found = aws_clients.dynamodb.get_item(
            TableName=table, Key={"delivery_id": {"S": delivery.delivery_id}}, ConsistentRead=True
        )
        return found["Item"].get("expires_at", {}).get("N")

    for end, kept in ((delivered, DELIVERED_KEPT), (None, FAILED_KEPT)):
        delivery = some(now)
        outbox.add(delivery)
        done = put(outbox, delivery, end(delivery, now) if end else refused(delivery, now, "no"))
        assert expiry(done) is None
        over = put(outbox, done, told(done, now))
        assert expiry(over) == str(int((now + kept).timestamp()))
    empty_tables(local_stack.client("dynamodb"), [table])


def test_an_unreachable_table_is_said_so(
    aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    outbox = DynamoDBOutbox(AwsClients().dynamodb, table="manga-fm-outbox")
    with pytest.raises(StoreUnavailableError):
        outbox.due(clock.now(), 1)


def test_a_failed_delivery_that_starts_anew_is_due_and_failed_no_more(outbox: OutboxStore, now: datetime) -> None:
    fresh = some(now)
    outbox.add(fresh)
    gave_up = put(outbox, fresh, refused(fresh, now, "gone"), told(refused(fresh, now, "gone"), now))
    assert [each.delivery_id for each in outbox.failed(newest=10)] == [fresh.delivery_id]
    assert outbox.replace(gave_up, anew(gave_up, now))
    assert outbox.failed(newest=10) == []
    assert [each.delivery_id for each in outbox.due(now, 10)] == [fresh.delivery_id]
    assert not outbox.replace(gave_up, anew(gave_up, now)), "a second person was as fast"
