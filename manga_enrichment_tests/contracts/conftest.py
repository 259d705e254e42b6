"""Every contract test runs twice: over the fake and, over HTTP, over the real gateway against the local stack.

Names are unique per test, so that tests share one stack without emptying it in between.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.budget import DynamoDBBudget
from manga_enrichment.aws.dynamodb.ledger import DynamoDBLedger
from manga_enrichment.aws.dynamodb.residents import DynamoDBResidents
from manga_enrichment.aws.dynamodb.status import DynamoDBStatus
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.gateways.budget import BudgetScope, BudgetStore
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.residents import ResidentTable
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment_tests.fakes import FakeClock, MemoryBudget, MemoryLedger, MemoryStatus, MemoryTables
from manga_enrichment_tests.request_fakes import MemoryResidents

NO_LIMIT = 2**53
RETENTION = timedelta(days=30)


@pytest.fixture(scope="session")
def aws_clients(local_stack: LocalStack) -> AwsClients:
    """Clients that talk to the local stack; made under its environment, which they keep."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in local_stack.environment().items():
            environment.setenv(name, value)
        clients = AwsClients()
        assert clients.s3
        assert clients.dynamodb
        assert clients.sqs
        assert clients.sns
        assert clients.cloudwatch
        assert clients.bedrock_runtime
        assert clients.credentials()
    return clients


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.stack)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def unique() -> str:
    """A prefix for names that no other test uses."""
    return uuid.uuid4().hex[:12]


@pytest.fixture
def clock() -> FakeClock:
    """Starts now, because the emulator deletes what is past its TTL by its own clock."""
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def budget(kind: str, request: pytest.FixtureRequest) -> BudgetStore:
    if kind == "fake":
        return MemoryBudget()
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    return DynamoDBBudget(clients.dynamodb, table=stack.outputs["BudgetTableName"])


@pytest.fixture
def brake_store(kind: str, unique: str, request: pytest.FixtureRequest) -> Iterator[BudgetStore]:
    """With a table of its own: there is one brake in each, and others work on the stack's."""
    if kind == "fake":
        yield MemoryBudget()
        return
    clients: AwsClients = request.getfixturevalue("aws_clients")
    table = f"brake-{unique}"
    clients.dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "counter", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "counter", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield DynamoDBBudget(clients.dynamodb, table=table)
    clients.dynamodb.delete_table(TableName=table)


@pytest.fixture
def ledger(kind: str, budget: BudgetStore, clock: FakeClock, request: pytest.FixtureRequest) -> ResultLedger:
    """Books on `budget`; keeps answers for RETENTION."""
    if isinstance(budget, MemoryBudget):
        return MemoryLedger(clock, budget, retention=RETENTION)
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    return DynamoDBLedger(
        clients.dynamodb,
        clock,
        ledger_table=stack.outputs["ResultsTableName"],
        budget_table=stack.outputs["BudgetTableName"],
        retention=RETENTION,
    )


@pytest.fixture
def tables(kind: str, request: pytest.FixtureRequest) -> ObjectStore:
    if kind == "fake":
        return MemoryTables()
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    return S3ObjectStore(clients.s3, bucket=stack.endpoints.bucket)


@pytest.fixture
def residents(kind: str, request: pytest.FixtureRequest) -> ResidentTable:
    if kind == "fake":
        return MemoryResidents()
    clients: AwsClients = request.getfixturevalue("aws_clients")
    stack: LocalStack = request.getfixturevalue("local_stack")
    return DynamoDBResidents(clients.dynamodb, table=stack.outputs["RequestStatusTableName"])


@pytest.fixture
def status(kind: str, request: pytest.FixtureRequest) -> StatusStore:
    if kind == "fake":
        return MemoryStatus()
    stack: LocalStack = request.getfixturevalue("local_stack")
    clients: AwsClients = request.getfixturevalue("aws_clients")
    return DynamoDBStatus(clients.dynamodb, table=stack.outputs["RequestStatusTableName"])


@dataclass
class Purse:
    """Tells what was booked on a spender, by the only way the contract offers: closing it."""

    store: BudgetStore
    spender: str
    counter: str

    def booked(self) -> int:
        """Micro-dollars booked so far."""
        self.store.close(self.spender)
        return self.store.spent(self.counter)[1]


@pytest.fixture
def purse(budget: BudgetStore, clock: FakeClock, unique: str) -> Purse:
    counter, spender = f"run:{unique}", f"{unique}:op"
    assert budget.reserve([BudgetScope(counter, NO_LIMIT)], spender, 1_000_000, clock.now() + timedelta(hours=1))
    return Purse(budget, spender, counter)
