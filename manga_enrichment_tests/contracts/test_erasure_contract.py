"""Erasure: every version is seen, what is deleted leaves nothing, and everything else stays."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.ledger import DynamoDBLedger
from manga_enrichment.aws.dynamodb.outbox import DynamoDBOutbox
from manga_enrichment.aws.dynamodb.requests import DynamoDBRequests
from manga_enrichment.aws.dynamodb.status import DynamoDBStatus
from manga_enrichment.aws.erasure import AwsErasure
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.domain.callbacks.deliveries import Channel, new_delivery
from manga_enrichment.gateways.erasure import Erasure, ObjectVersion
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.gateways.status import PartitionStatus
from manga_enrichment.local.stack.cleaning import empty_tables
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.contracts.entries import make_entry
from manga_enrichment_tests.erasure_fakes import MemoryErasure
from manga_enrichment_tests.fakes import FakeClock, MemoryBudget, MemoryLedger
from manga_enrichment_tests.outbox_fakes import URL, MemoryOutbox, ended
from manga_enrichment_tests.request_fakes import MemoryRequests
from manga_enrichment_tests.request_rows import make_row
from manga_enrichment_tests.versioned_tables import VersionedTables


@dataclass
class Stores:
    """An erasure, and the everyday gateways over the same data."""

    erasure: Erasure
    tables: ObjectStore
    requests: RequestStore
    outbox: OutboxStore
    ledger: ResultLedger


@pytest.fixture
def stores(kind: str, clock: FakeClock, request: pytest.FixtureRequest) -> Iterator[Stores]:
    if kind == "fake":
        tables, requests, outbox = VersionedTables(clock), MemoryRequests(clock), MemoryOutbox()
        ledger = MemoryLedger(clock, MemoryBudget())
        yield Stores(MemoryErasure(tables, requests, outbox, ledger), tables, requests, outbox, ledger)
        return
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    names = {name: stack.outputs[f"{name}TableName"] for name in ("Results", "RequestStatus", "Budget", "Outbox")}
    yield Stores(
        AwsErasure(
            clients.s3,
            clients.dynamodb,
            bucket=stack.endpoints.bucket,
            status_table=names["RequestStatus"],
            outbox_table=names["Outbox"],
            ledger_table=names["Results"],
        ),
        S3ObjectStore(clients.s3, bucket=stack.endpoints.bucket),
        DynamoDBRequests(clients.dynamodb, clock, table=names["RequestStatus"]),
        DynamoDBOutbox(clients.dynamodb, table=names["Outbox"]),
        DynamoDBLedger(
            clients.dynamodb,
            clock,
            ledger_table=names["Results"],
            budget_table=names["Budget"],
            retention=timedelta(days=730),
        ),
    )
    empty_tables(stack.client("dynamodb"), [names["Outbox"]])


def test_every_version_of_the_objects_under_a_prefix_is_seen_and_can_be_read(stores: Stores, unique: str) -> None:
    for text in ("first", "second"):
        stores.tables.write_text(f"{unique}/a", text, content_type="text/plain")
    stores.tables.write_text(f"{unique}/b", "other", content_type="text/plain")
    found = list(stores.erasure.versions(f"{unique}/"))
    assert [version.key.rpartition("/")[2] for version in found] == ["a", "a", "b"]
    said = {stores.erasure.read(version): version.is_current for version in found}
    assert said == {b"first": False, b"second": True, b"other": True}
    assert list(stores.erasure.versions(f"{unique}-nothing/")) == []


def test_a_deleted_version_is_gone_and_what_stood_under_it_shows_again(stores: Stores, unique: str) -> None:
    for text in ("first", "second"):
        stores.tables.write_text(f"{unique}/a", text, content_type="text/plain")
    (current,) = (version for version in stores.erasure.versions(f"{unique}/") if version.is_current)
    stores.erasure.delete_versions([current])
    assert stores.tables.read_text(f"{unique}/a") == "first"
    assert stores.erasure.read(current) is None
    stores.erasure.delete_versions(list(stores.erasure.versions(f"{unique}/")))
    assert list(stores.erasure.versions(f"{unique}/")) == []
    assert stores.tables.read_text(f"{unique}/a") is None
    stores.erasure.delete_versions([current])  # once more changes nothing


def test_delete_markers_are_seen_and_go(stores: Stores, unique: str, request: pytest.FixtureRequest) -> None:
    key = f"{unique}/hidden"
    stores.tables.write_text(key, "still here", content_type="text/plain")
    if isinstance(stores.tables, VersionedTables):
        stores.tables.hide(key)
    else:
        stack: LocalStack = request.getfixturevalue("local_stack")
        stack.client("s3").delete_object(Bucket=stack.endpoints.bucket, Key=key)
    found = list(stores.erasure.versions(key))
    assert sorted((version.is_marker, version.is_current) for version in found) == [(False, False), (True, True)]
    assert {stores.erasure.read(version) for version in found} == {None, b"still here"}
    stores.erasure.delete_versions(found)
    assert list(stores.erasure.versions(key)) == []


def test_many_versions_go_in_one_call(stores: Stores, unique: str) -> None:
    for number in range(30):
        stores.tables.write_json(f"{unique}/many", {"number": number})
    found = list(stores.erasure.versions(f"{unique}/"))
    assert len(found) == 30
    stores.erasure.delete_versions(iter(found))
    assert list(stores.erasure.versions(f"{unique}/")) == []


def test_rows_of_requests_are_seen_and_go_and_those_of_partitions_are_none(
    stores: Stores, clock: FakeClock, request: pytest.FixtureRequest
) -> None:
    rows = [make_row(clock, request_id=str(uuid.uuid4())) for _ in range(30)]
    for row in rows:
        stores.requests.claim(row, clock.now())
    if isinstance(stores.requests, DynamoDBRequests):
        clients: AwsClients = request.getfixturevalue("aws_clients")
        stack: LocalStack = request.getfixturevalue("local_stack")
        status = DynamoDBStatus(clients.dynamodb, table=stack.outputs["RequestStatusTableName"])
        status.put_partition(PartitionStatus("reading_level", "0", "completed", "run", "manual", clock.now(), {}, 0))
    mine = {row.request_id for row in rows}
    found = {row.request_id: row for row in stores.erasure.request_rows() if row.request_id in mine}
    assert found == {row.request_id: replace(row, generation=1) for row in rows}
    stores.erasure.delete_rows([row.request_id for row in rows[1:]])
    assert {row.request_id for row in stores.erasure.request_rows()} & mine == {rows[0].request_id}
    stores.erasure.delete_rows(mine)
    assert stores.requests.get(rows[0].request_id) is None


def test_deliveries_are_seen_and_go(stores: Stores, clock: FakeClock) -> None:
    made = [
        new_delivery(ended(str(uuid.uuid4()), occurred_at=clock.now()), Channel.CALLBACK, URL, clock.now())
        for _ in range(3)
    ]
    for each in made:
        stores.outbox.add(each)
    key = {each.delivery_id: each for each in stores.erasure.deliveries()}
    assert key == {each.delivery_id: each for each in made}
    stores.erasure.delete_deliveries([each.delivery_id for each in made[1:]])
    assert [each.delivery_id for each in stores.erasure.deliveries()] == [made[0].delivery_id]


def test_answers_go_and_claims_stay_with_what_they_stand_for(stores: Stores, clock: FakeClock, unique: str) -> None:
    answered = [make_entry(f"{unique}-{number}", clock.now()) for number in range(3)]
    stores.ledger.put_many(answered, f"{unique}-spender")
    later = clock.now() + timedelta(hours=1)
    stores.ledger.claim_many({f"{unique}-open": 7}, "a", clock.now(), later)
    stores.erasure.delete_entries([answered[0].fingerprint, answered[1].fingerprint, f"{unique}-open", "never-there"])
    left = stores.ledger.get_many([each.fingerprint for each in answered])
    assert set(left) == {answered[2].fingerprint}
    taken_over = stores.ledger.claim_many({f"{unique}-open": 7}, "b", later + timedelta(seconds=1), later)
    assert taken_over.lost == {f"{unique}-open": 7}


def test_a_version_that_is_no_more_holds_nothing(stores: Stores, unique: str) -> None:
    stores.tables.write_json(f"{unique}/a", {})
    (version,) = stores.erasure.versions(f"{unique}/")
    assert stores.erasure.read(ObjectVersion(f"{unique}/b", version.version_id, is_current=True)) is None
