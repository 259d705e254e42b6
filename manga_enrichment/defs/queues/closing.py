"""`dead_requests`: requests whose runs ended without a word and whose message is a dead letter, or lost, end as failed.

Belongs here: the asset, made with the looks at the queues (`defs/queues/assets.py`). Stays out: what is done
(`pipeline/health/dead_requests.py`, `pipeline/health/lost_messages.py`).
"""

from uuid import uuid4

import dagster as dg

from manga_enrichment.defs.partner.ops import partner_endings
from manga_enrichment.defs.partner.settings import clock_skew, notification_policy
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.names import HEALTH_GROUP, OWNERS
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.tags import HEALTH_LANE
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.health.dead_requests import DeadRequests, Fate
from manga_enrichment.pipeline.health.lost_calls import LostCalls
from manga_enrichment.pipeline.health.lost_messages import LostMessages
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.settings import request_policy

DEAD_REQUESTS_ASSET = "dead_requests"


def build_dead_requests(inputs: DefinitionInputs) -> dg.AssetsDefinition:
    @dg.asset(
        name=DEAD_REQUESTS_ASSET,
        group_name=HEALTH_GROUP,
        description="Requests whose message is a dead letter without an end: sent again, or booked, failed and told.",
        kinds={"sqs"},
        owners=OWNERS,
        tags=HEALTH_LANE,
        retry_policy=OP_RETRY_POLICY,
    )
    def dead_requests(
        queues: dg.ResourceParam[RequestQueue],
        requests: dg.ResourceParam[RequestStore],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        outbox: dg.ResourceParam[OutboxStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult[None]:
        with configuration_errors_are_final():
            dead = _dead_requests(inputs, queues, requests, tables, ledger, budget, outbox, clock)
            fates = dead.close_all()
            lost = LostMessages(queues, requests, clock, clock_skew(inputs.settings), _new_owner).close_all()
        return dg.MaterializeResult(metadata={**{fate.value: fates[fate] for fate in Fate}, "message_lost": lost})

    return dead_requests


def _new_owner() -> str:
    return uuid4().hex


def _dead_requests(
    inputs: DefinitionInputs,
    queues: RequestQueue,
    requests: RequestStore,
    tables: ObjectStore,
    ledger: ResultLedger,
    budget: BudgetStore,
    outbox: OutboxStore,
    clock: Clock,
) -> DeadRequests:
    return DeadRequests(
        queues=queues,
        requests=requests,
        tables=tables,
        ledger=ledger,
        budget=budget,
        clock=clock,
        planning=_planning(inputs, tables, ledger),
        lost_calls=_lost_calls(inputs, tables, ledger, budget, clock),
        endings=partner_endings(queues, requests, tables, ledger, outbox, clock, notification_policy(inputs.settings)),
        policy=request_policy(inputs.settings, inputs.known),
    )


def _planning(inputs: DefinitionInputs, tables: ObjectStore, ledger: ResultLedger) -> PartnerPlanning:
    return PartnerPlanning(
        tables=tables,
        ledger=ledger,
        analyses=inputs.for_partners,
        models=inputs.models,
        bucket_count=inputs.settings.catalog_buckets,
    )


def _lost_calls(
    inputs: DefinitionInputs, tables: ObjectStore, ledger: ResultLedger, budget: BudgetStore, clock: Clock
) -> LostCalls:
    return LostCalls(
        tables=tables,
        ledger=ledger,
        budget=budget,
        clock=clock,
        clock_skew=clock_skew(inputs.settings),
        new_owner=_new_owner,
        analyses=inputs.for_partners,
        models=inputs.models,
    )
