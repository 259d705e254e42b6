"""The composition root: how each gateway of production is made from settings, clients and clock.

Belongs here: which class stands behind which gateway, and which settings it gets. Stays out: what Dagster needs to hand
them to ops (`defs/shared/resources.py`), use cases made of several gateways (where they are used).
"""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property

from manga_enrichment.aws.bedrock.batch import BedrockBatch
from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.budget import DynamoDBBudget
from manga_enrichment.aws.dynamodb.ledger import DynamoDBLedger
from manga_enrichment.aws.dynamodb.outbox import DynamoDBOutbox
from manga_enrichment.aws.dynamodb.requests import DynamoDBRequests
from manga_enrichment.aws.dynamodb.residents import DynamoDBResidents
from manga_enrichment.aws.dynamodb.senders import DynamoDBSenders
from manga_enrichment.aws.dynamodb.status import DynamoDBStatus
from manga_enrichment.aws.erasure import AwsErasure
from manga_enrichment.aws.metrics import CloudWatchMetrics, CloudWatchQueueAges
from manga_enrichment.aws.outbound.callbacks import HttpsCallbacks
from manga_enrichment.aws.outbound.mail import SesMailer
from manga_enrichment.aws.outbound.notify import SnsNotifier
from manga_enrichment.aws.s3.catalog_source import catalog_source
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.aws.service_usage import CloudWatchServiceUsage
from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.catalog_source import CatalogSource
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.erasure import Erasure
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.metrics import MetricSink, QueueAges
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.notify import CallbackSender, Notifier
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.gateways.residents import ResidentTable
from manga_enrichment.gateways.senders import SenderTable
from manga_enrichment.gateways.service_usage import ServiceUsage
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.settings import Settings


class Gateways:
    """One of each, made when first used; Dagster's resource keys are names of these.

    Each raises ConfigurationError when region or credentials are missing.
    """

    def __init__(self, settings: Settings, clients: AwsClients, clock: Clock) -> None:
        self._settings = settings
        self._clients = clients
        self.clock = clock

    @cached_property
    def tables(self) -> ObjectStore:
        return S3ObjectStore(self._clients.s3, bucket=self._settings.bucket)

    @cached_property
    def ledger(self) -> ResultLedger:
        return DynamoDBLedger(
            self._clients.dynamodb,
            self.clock,
            ledger_table=self._settings.ledger_table,
            budget_table=self._settings.budget_table,
            retention=timedelta(days=self._settings.ledger_retention_days),
            check_clock=self._check_clock,
        )

    @cached_property
    def budget(self) -> BudgetStore:
        return DynamoDBBudget(self._clients.dynamodb, table=self._settings.budget_table, check_clock=self._check_clock)

    @cached_property
    def senders(self) -> SenderTable:
        return DynamoDBSenders(self._clients.dynamodb, table=self._settings.senders_table)

    def _check_clock(self) -> None:
        self._clients.clock_skew.check(timedelta(seconds=self._settings.clock_skew_seconds))

    @cached_property
    def status(self) -> StatusStore:
        return DynamoDBStatus(self._clients.dynamodb, table=self._settings.status_table)

    @cached_property
    def requests(self) -> RequestStore:
        return DynamoDBRequests(
            self._clients.dynamodb, self.clock, table=self._settings.status_table, check_clock=self._check_clock
        )

    @cached_property
    def residents(self) -> ResidentTable:
        return DynamoDBResidents(self._clients.dynamodb, table=self._settings.status_table)

    @cached_property
    def outbox(self) -> OutboxStore:
        return DynamoDBOutbox(self._clients.dynamodb, table=self._settings.outbox_table)

    @cached_property
    def queues(self) -> RequestQueue:
        return SqsQueues(self._clients.sqs, stage=self._settings.stage)

    @cached_property
    def notifier(self) -> Notifier:
        return SnsNotifier(self._clients.sns)

    @cached_property
    def mailer(self) -> SesMailer:
        return SesMailer(self._clients.ses, self._settings.email_from, self._settings.stage)

    @cached_property
    def callbacks(self) -> CallbackSender:
        return HttpsCallbacks(allow_loopback=self._settings.callback_allow_loopback)

    @cached_property
    def metric_sink(self) -> MetricSink:
        return CloudWatchMetrics(self._clients.cloudwatch, self._settings.stage)

    @cached_property
    def queue_ages(self) -> QueueAges:
        return CloudWatchQueueAges(self._clients.cloudwatch, self.clock, self._settings.stage)

    @cached_property
    def service_usage(self) -> ServiceUsage:
        return CloudWatchServiceUsage(self._clients.cloudwatch)

    @cached_property
    def catalog_source(self) -> CatalogSource:
        return catalog_source(self._clients.s3, self._settings.catalog_uri)

    @cached_property
    def batch(self) -> BatchInference:
        settings = self._settings
        return BedrockBatch(
            self._clients, bucket=settings.bucket, role_arn=settings.batch_role_arn, stage=settings.stage
        )

    @cached_property
    def erasure(self) -> Erasure:
        return AwsErasure(
            self._clients.s3,
            self._clients.dynamodb,
            bucket=self._settings.bucket,
            status_table=self._settings.status_table,
            outbox_table=self._settings.outbox_table,
            ledger_table=self._settings.ledger_table,
        )

    @property
    def open_model(self) -> Callable[[], FoundationModel]:
        """A *factory*: a model belongs to one event loop, and each op execution has its own."""
        clients, settings = self._clients, self._settings

        def open_model() -> FoundationModel:
            return BedrockModel(
                clients, concurrency=settings.concurrency, call_timeout_seconds=settings.call_timeout_seconds
            )

        return open_model


def open_gateways(settings: Settings, *, is_brief: bool = False) -> Gateways:
    """Those of this process. is_brief: for a tick. Raises ConfigurationError for a profile that does not exist."""
    return Gateways(settings, AwsClients(is_brief=is_brief), SystemClock())
