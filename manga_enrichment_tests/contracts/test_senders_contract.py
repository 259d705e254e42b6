"""SenderTable: everybody sees at once what everybody wrote last, and what was learned of a quota stays."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.senders import DynamoDBSenders
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.senders import Learned, Sender, SenderTable
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.fakes import FakeClock, MemorySenders


@pytest.fixture
def senders(kind: str, request: pytest.FixtureRequest) -> SenderTable:
    if kind == "fake":
        return MemorySenders()
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    return DynamoDBSenders(clients.dynamodb, table=stack.outputs["SendersTableName"])


def sender(name: str, clock: FakeClock) -> Sender:
    return Sender(
        name=name,
        lane="urgent",
        weight=16.0,
        total=12.5,
        demand=math.inf,
        quiet_seconds=math.inf,
        is_guess=True,
        at=clock.now(),
    )


def test_a_quota_that_nobody_used_has_no_senders_and_nothing_learned(senders: SenderTable, unique: str) -> None:
    assert senders.read(unique) == ([], None)


def test_what_a_sender_wrote_is_read_at_once_and_equal(senders: SenderTable, clock: FakeClock, unique: str) -> None:
    one, other = sender("one", clock), replace(sender("other", clock), demand=0.25, quiet_seconds=3.5)
    senders.write(unique, one)
    senders.write(unique, other)
    assert sorted(senders.read(unique)[0], key=lambda each: each.name) == [one, other]


def test_the_last_word_of_a_sender_counts(senders: SenderTable, clock: FakeClock, unique: str) -> None:
    senders.write(unique, sender("one", clock))
    last = replace(sender("one", clock), at=clock.now() + timedelta(seconds=3))
    senders.write(unique, last)
    assert senders.read(unique) == ([last], None)


def test_quotas_of_other_models_stay_apart(senders: SenderTable, clock: FakeClock, unique: str) -> None:
    senders.write(f"{unique}-a", sender("one", clock))
    senders.learn(f"{unique}-a", Learned(99.5, clock.now()))
    assert senders.read(f"{unique}-b") == ([], None)


def test_what_was_learned_last_is_kept_beside_the_senders(senders: SenderTable, clock: FakeClock, unique: str) -> None:
    senders.write(unique, sender("one", clock))
    senders.learn(unique, Learned(50.0, clock.now() - timedelta(hours=1)))
    learned = Learned(99.5, clock.now(), is_limit=False)
    senders.learn(unique, learned)
    assert senders.read(unique) == ([sender("one", clock)], learned)


def test_an_old_item_is_cleared_unless_it_was_written_again(
    senders: SenderTable, clock: FakeClock, unique: str
) -> None:
    old = sender("one", clock)
    senders.write(unique, old)
    again = replace(old, at=old.at + timedelta(seconds=3))
    senders.write(unique, again)
    senders.clear(unique, old)
    assert senders.read(unique) == ([again], None)
    senders.clear(unique, again)
    senders.clear(unique, again)
    assert senders.read(unique) == ([], None)


def test_more_senders_than_fit_into_one_page_are_all_read(senders: SenderTable, clock: FakeClock, unique: str) -> None:
    names = [f"{number:03}{'x' * 900}" for number in range(40)]
    for name in names:
        senders.write(unique, sender(name, clock))
    assert sorted(each.name for each in senders.read(unique)[0]) == names


@pytest.mark.stack
def test_an_item_of_another_version_is_left_out(local_stack: LocalStack, aws_clients: AwsClients, unique: str) -> None:
    table = local_stack.outputs["SendersTableName"]
    for name, said in (("newer", '{"at": "2026-01-01T00:00:00+00:00", "pace": 1}'), ("broken", "[")):
        item = {"quota": {"S": unique}, "sender": {"S": name}, "said": {"S": said}}
        aws_clients.dynamodb.put_item(TableName=table, Item=item)
    assert DynamoDBSenders(aws_clients.dynamodb, table=table).read(unique) == ([], None)


@pytest.mark.stack
def test_what_was_learned_before_it_said_of_what_is_read_as_a_limit(
    local_stack: LocalStack, aws_clients: AwsClients, unique: str
) -> None:
    said = '{"at": "2026-01-01T00:00:00+00:00", "rate": 12.5}'
    item = {"quota": {"S": unique}, "sender": {"S": "#learned"}, "said": {"S": said}}
    table = local_stack.outputs["SendersTableName"]
    aws_clients.dynamodb.put_item(TableName=table, Item=item)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert DynamoDBSenders(aws_clients.dynamodb, table=table).read(unique) == ([], Learned(12.5, at, is_limit=True))


@pytest.mark.stack
def test_a_table_that_is_not_there_is_a_wrong_setting(aws_clients: AwsClients, unique: str) -> None:
    with pytest.raises(ConfigurationError, match="MANGA_SENDERS_TABLE"):
        DynamoDBSenders(aws_clients.dynamodb, table=f"no-{unique}").read(unique)
