"""Resources: each makes one gateway. Values come from `settings.py`; nothing connects before a run needs it."""

from collections.abc import Callable
from datetime import timedelta

import dagster as dg

from manga_enrichment.aws.bedrock import BedrockModel
from manga_enrichment.aws.bedrock_batch import BedrockBatch
from manga_enrichment.aws.catalog_source import catalog_source
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb_budget import DynamoDBBudget
from manga_enrichment.aws.dynamodb_ledger import DynamoDBLedger
from manga_enrichment.aws.dynamodb_outbox import DynamoDBOutbox
from manga_enrichment.aws.dynamodb_requests import DynamoDBRequests
from manga_enrichment.aws.dynamodb_status import DynamoDBStatus
from manga_enrichment.aws.metrics import CloudWatchMetrics, CloudWatchQueueAges
from manga_enrichment.aws.notify import SnsNotifier
from manga_enrichment.aws.s3_objects import S3ObjectStore
from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.catalog_source import CatalogSource
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.metrics import MetricSink, QueueAges
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.notify import Notifier
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.settings import Settings


class ClockResource(dg.ConfigurableResource[Clock]):
    def create_resource(self, context: dg.InitResourceContext) -> Clock:
        return SystemClock()


class AwsResource(dg.ConfigurableResource[AwsClients]):
    """Clients shared by the gateways of a run; endpoint, region and credentials are boto3's own business."""

    def create_resource(self, context: dg.InitResourceContext) -> AwsClients:
        return AwsClients()


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    aws: dg.ResourceDependency[AwsClients]
    bucket: str

    def create_resource(self, context: dg.InitResourceContext) -> ObjectStore:
        return S3ObjectStore(self.aws.s3, bucket=self.bucket)


class ResultLedgerResource(dg.ConfigurableResource[ResultLedger]):
    aws: dg.ResourceDependency[AwsClients]
    clock: dg.ResourceDependency[Clock]
    ledger_table: str
    budget_table: str
    retention_days: int

    def create_resource(self, context: dg.InitResourceContext) -> ResultLedger:
        return DynamoDBLedger(
            self.aws.dynamodb,
            self.clock,
            ledger_table=self.ledger_table,
            budget_table=self.budget_table,
            retention=timedelta(days=self.retention_days),
        )


class BudgetStoreResource(dg.ConfigurableResource[BudgetStore]):
    aws: dg.ResourceDependency[AwsClients]
    budget_table: str

    def create_resource(self, context: dg.InitResourceContext) -> BudgetStore:
        return DynamoDBBudget(self.aws.dynamodb, table=self.budget_table)


class StatusStoreResource(dg.ConfigurableResource[StatusStore]):
    aws: dg.ResourceDependency[AwsClients]
    status_table: str

    def create_resource(self, context: dg.InitResourceContext) -> StatusStore:
        return DynamoDBStatus(self.aws.dynamodb, table=self.status_table)


class RequestQueueResource(dg.ConfigurableResource[RequestQueue]):
    aws: dg.ResourceDependency[AwsClients]

    def create_resource(self, context: dg.InitResourceContext) -> RequestQueue:
        return SqsQueues(self.aws.sqs)


class RequestStoreResource(dg.ConfigurableResource[RequestStore]):
    aws: dg.ResourceDependency[AwsClients]
    clock: dg.ResourceDependency[Clock]
    status_table: str

    def create_resource(self, context: dg.InitResourceContext) -> RequestStore:
        return DynamoDBRequests(self.aws.dynamodb, self.clock, table=self.status_table)


class OutboxStoreResource(dg.ConfigurableResource[OutboxStore]):
    aws: dg.ResourceDependency[AwsClients]
    outbox_table: str

    def create_resource(self, context: dg.InitResourceContext) -> OutboxStore:
        return DynamoDBOutbox(self.aws.dynamodb, table=self.outbox_table)


class NotifierResource(dg.ConfigurableResource[Notifier]):
    aws: dg.ResourceDependency[AwsClients]

    def create_resource(self, context: dg.InitResourceContext) -> Notifier:
        return SnsNotifier(self.aws.sns)


class MetricSinkResource(dg.ConfigurableResource[MetricSink]):
    aws: dg.ResourceDependency[AwsClients]

    def create_resource(self, context: dg.InitResourceContext) -> MetricSink:
        return CloudWatchMetrics(self.aws.cloudwatch)


class QueueAgesResource(dg.ConfigurableResource[QueueAges]):
    aws: dg.ResourceDependency[AwsClients]
    clock: dg.ResourceDependency[Clock]

    def create_resource(self, context: dg.InitResourceContext) -> QueueAges:
        return CloudWatchQueueAges(self.aws.cloudwatch, self.clock)


class CatalogSourceResource(dg.ConfigurableResource[CatalogSource]):
    aws: dg.ResourceDependency[AwsClients]
    uri: str

    def create_resource(self, context: dg.InitResourceContext) -> CatalogSource:
        return catalog_source(self.aws.s3, self.uri)


class FoundationModelResource(dg.ConfigurableResource[Callable[[], FoundationModel]]):
    """Makes a *factory*: a model belongs to one event loop, and each op execution has its own."""

    aws: dg.ResourceDependency[AwsClients]
    concurrency: int
    call_timeout_seconds: float

    def create_resource(self, context: dg.InitResourceContext) -> Callable[[], FoundationModel]:
        clients = self.aws

        def open_model() -> FoundationModel:
            return BedrockModel(clients, concurrency=self.concurrency, call_timeout_seconds=self.call_timeout_seconds)

        return open_model


class BatchInferenceResource(dg.ConfigurableResource[BatchInference]):
    aws: dg.ResourceDependency[AwsClients]
    bucket: str
    role_arn: str

    def create_resource(self, context: dg.InitResourceContext) -> BatchInference:
        return BedrockBatch(self.aws, bucket=self.bucket, role_arn=self.role_arn)


def build_resources(settings: Settings) -> dict[str, object]:
    """Resource key -> resource, for `dg.Definitions`."""
    aws, clock = AwsResource(), ClockResource()
    return {
        "clock": clock,
        "tables": ObjectStoreResource(aws=aws, bucket=settings.bucket),
        "ledger": ResultLedgerResource(
            aws=aws,
            clock=clock,
            ledger_table=settings.ledger_table,
            budget_table=settings.budget_table,
            retention_days=settings.ledger_retention_days,
        ),
        "budget": BudgetStoreResource(aws=aws, budget_table=settings.budget_table),
        "batch": BatchInferenceResource(aws=aws, bucket=settings.bucket, role_arn=settings.batch_role_arn),
        "status": StatusStoreResource(aws=aws, status_table=settings.status_table),
        "queues": RequestQueueResource(aws=aws),
        "requests": RequestStoreResource(aws=aws, clock=clock, status_table=settings.status_table),
        "notifier": NotifierResource(aws=aws),
        "metric_sink": MetricSinkResource(aws=aws),
        "queue_ages": QueueAgesResource(aws=aws, clock=clock),
        "outbox": OutboxStoreResource(aws=aws, outbox_table=settings.outbox_table),
        "catalog_source": CatalogSourceResource(aws=aws, uri=settings.catalog_uri),
        "open_model": FoundationModelResource(
            aws=aws, concurrency=settings.concurrency, call_timeout_seconds=settings.call_timeout_seconds
        ),
    }
