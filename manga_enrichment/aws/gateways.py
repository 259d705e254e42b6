"""All gateways at once, for commands that run outside Dagster."""

from dataclasses import dataclass
from datetime import timedelta

from manga_enrichment.aws.catalog_source import catalog_source
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb_budget import DynamoDBBudget
from manga_enrichment.aws.dynamodb_ledger import DynamoDBLedger
from manga_enrichment.aws.dynamodb_outbox import DynamoDBOutbox
from manga_enrichment.aws.dynamodb_requests import DynamoDBRequests
from manga_enrichment.aws.dynamodb_status import DynamoDBStatus
from manga_enrichment.aws.erasure import AwsErasure
from manga_enrichment.aws.notify import SnsNotifier
from manga_enrichment.aws.s3_objects import S3ObjectStore
from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.catalog_source import CatalogSource
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.erasure import Erasure
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.notify import Notifier
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.settings import Settings


@dataclass(frozen=True, slots=True)
class Gateways:
    """One of each."""

    clock: Clock
    tables: ObjectStore
    ledger: ResultLedger
    budget: BudgetStore
    status: StatusStore
    catalog_source: CatalogSource
    queues: RequestQueue
    requests: RequestStore
    notifier: Notifier
    outbox: OutboxStore
    erasure: Erasure


def open_gateways(settings: Settings) -> Gateways:
    """Raises ConfigurationError when region or credentials are missing."""
    clients, clock = AwsClients(), SystemClock()
    return Gateways(
        clock=clock,
        tables=S3ObjectStore(clients.s3, bucket=settings.bucket),
        ledger=DynamoDBLedger(
            clients.dynamodb,
            clock,
            ledger_table=settings.ledger_table,
            budget_table=settings.budget_table,
            retention=timedelta(days=settings.ledger_retention_days),
        ),
        budget=DynamoDBBudget(clients.dynamodb, table=settings.budget_table),
        status=DynamoDBStatus(clients.dynamodb, table=settings.status_table),
        catalog_source=catalog_source(clients.s3, settings.catalog_uri),
        queues=SqsQueues(clients.sqs),
        requests=DynamoDBRequests(clients.dynamodb, clock, table=settings.status_table),
        notifier=SnsNotifier(clients.sns),
        outbox=DynamoDBOutbox(clients.dynamodb, table=settings.outbox_table),
        erasure=AwsErasure(
            clients.s3,
            clients.dynamodb,
            bucket=settings.bucket,
            status_table=settings.status_table,
            outbox_table=settings.outbox_table,
            ledger_table=settings.ledger_table,
        ),
    )
