"""Ops of a partner run. Thin: gateways in, use case, pointers and numbers out.

    open -> plan -> invoke_<analysis>, one per analysis that something is asked of -> collect -> settle

Pointers travel between ops: the unit's key and request ids, never a request. Each body runs inside `partner_run.step`,
which says what its end means for the requests that the run holds.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import dagster as dg

from manga_enrichment.defs.enrichment.ops import invoke_metadata, retry_if_hopeful
from manga_enrichment.defs.partner.runs import INTERRUPTED_DELAY_SECONDS, PartnerRun
from manga_enrichment.defs.shared.policies import BEDROCK_POOL, OP_RETRY_POLICY, permanent_failure
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.dead_letters.queue import DeadLetters
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy, OutboxWriter
from manga_enrichment.pipeline.partner.ask import TRIGGER, PartnerAsking
from manga_enrichment.pipeline.partner.collect import PartnerCollecting, read_collected
from manga_enrichment.pipeline.partner.complete import Completion
from manga_enrichment.pipeline.partner.plan import read_partner_plan
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.pipeline.partner.run_steps import SettleReport, settle_all, stored_requests, take_over
from manga_enrichment.pipeline.partner.settle import SettleLimits, Settling
from manga_enrichment.pipeline.partner.stored_units import read_unit
from manga_enrichment.pipeline.partner.work_units import UnitRequest


@dataclass(frozen=True, slots=True)
class PartnerSettings:
    """What the ops need of the settings."""

    invoke: InvokeSettings
    settle: SettleLimits
    notification: NotificationPolicy
    bucket_count: int
    grace_seconds: float


class UnitConfig(dg.Config):
    """unit: key of the work unit, as the sensor wrote it: request_id:generation of its first request."""

    unit: str


def build_open_op() -> dg.OpDefinition:
    @dg.op(
        name="open_requests",
        description="Take over the requests of the unit that are still its own, and hold their leases.",
        out=dg.Out(is_required=False),
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "sqs"},
    )
    def open_unit(
        context: dg.OpExecutionContext,
        config: UnitConfig,
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        requests: dg.ResourceParam[RequestStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.Output[dict[str, Any]]]:
        with partner_run.step(context):
            unit = read_unit(tables, config.unit)
            taken = take_over(unit, context.run_id, requests=requests, leases=partner_run.leases, clock=clock)
        context.log.info(f"{len(taken)} of {len(unit.requests)} requests from {unit.queue}")
        if taken:
            provenance = Provenance(context.run_id, clock.now().date().isoformat(), TRIGGER)
            ids = [request.request_id for request in taken]
            yield dg.Output({"unit": config.unit, "provenance": asdict(provenance), "requests": ids})

    return open_unit


def build_partner_plan_op(
    analyses: Mapping[str, AnalysisType], models: ModelCatalog, settings: PartnerSettings
) -> dg.OpDefinition:
    names = [*analyses, CONVERSATION.name]

    @dg.op(
        name="plan_requests",
        description="Find the titles, ask the ledger, and plan the calls that are missing.",
        out={"planned": dg.Out(), **{name: dg.Out(is_required=False) for name in names}},
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "plan"},
    )
    def plan(
        context: dg.OpExecutionContext,
        opened: dict[str, Any],
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
    ) -> Iterator[dg.Output[dict[str, Any]]]:
        planning = PartnerPlanning(
            tables=tables, ledger=ledger, analyses=analyses, models=models, bucket_count=settings.bucket_count
        )
        with partner_run.step(context):
            made = planning.plan(context.run_id, stored_requests(partner_run.stored, opened_requests(tables, opened)))
        context.log.info(f"{len(made.calls)} calls for {sum(map(len, made.items.values()))} different items")
        yield dg.Output(opened, "planned")
        for name in made.analyses():
            yield dg.Output(opened, name)

    return plan


def build_partner_invoke_op(
    name: str, analyses: Mapping[str, AnalysisType], models: ModelCatalog, settings: PartnerSettings
) -> dg.OpDefinition:
    @dg.op(
        name=f"invoke_{name}_for_partners",
        description=f"Ask the model what partners want to know: {name}.",
        retry_policy=OP_RETRY_POLICY,
        pool=BEDROCK_POOL,
        tags={"kind": "bedrock"},
    )
    def invoke(
        context: dg.OpExecutionContext,
        opened: dict[str, Any],
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        open_model: dg.ResourceParam[Callable[[], FoundationModel]],
        clock: dg.ResourceParam[Clock],
    ) -> dict[str, Any]:
        gateways = InvokeGateways(ledger, budget, open_model, clock)
        asking = PartnerAsking(
            tables=tables, gateways=gateways, settings=settings.invoke, analyses=analyses, models=models
        )
        with partner_run.step(context):
            report = asking.ask(
                name,
                read_partner_plan(tables, context.run_id).calls,
                Provenance(**opened["provenance"]),
                partner_run.stopping(settings.grace_seconds),
                spender=f"{context.run_id}:{name}:{context.retry_number}",
                say=context.log.info,
            )
        if not partner_run.is_stopping:
            retry_if_hopeful(context, report)
        context.add_output_metadata(invoke_metadata(report))
        return report.as_dict()

    return invoke


def build_collect_op() -> dg.OpDefinition:
    @dg.op(
        name="collect_answers",
        description="What became of every item; log every request sent to the model.",
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "parquet"},
    )
    def collect(
        context: dg.OpExecutionContext,
        arrived: list[dict[str, Any]],
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
    ) -> dict[str, Any]:
        opened, *invoked = arrived
        with partner_run.step(context):
            plan = read_partner_plan(tables, context.run_id)
            taken = opened_requests(tables, opened)
            redelivered = [request.request_id for request in taken if request.generation > 1]
            collecting = PartnerCollecting(tables, ledger)
            bodies = stored_requests(partner_run.stored, taken)
            collecting.collect(Provenance(**opened["provenance"]), plan, bodies, redelivered)
        failures = [permanent_failure(InvokeReport.from_dict(report)) for report in invoked]
        return {**opened, "failures": [failure for failure in failures if failure]}

    return collect


def build_settle_op(settings: PartnerSettings) -> dg.OpDefinition:
    @dg.op(
        name="settle_requests",
        description="Results, status, announcement, ack: in this order, request by request.",
        out=dg.Out(dg.Nothing, is_required=False),
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "parquet"},
    )
    def settle(
        context: dg.OpExecutionContext,
        collected: dict[str, Any],
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        queues: dg.ResourceParam[RequestQueue],
        requests: dg.ResourceParam[RequestStore],
        outbox: dg.ResourceParam[OutboxStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.Output[None]]:
        limits = settings.settle
        if partner_run.is_stopping:
            limits = replace(limits, deferral_seconds=INTERRUPTED_DELAY_SECONDS)
        settling = Settling(
            requests=requests,
            tables=tables,
            clock=clock,
            endings=partner_endings(queues, requests, tables, outbox, clock, settings.notification),
            releasing=partner_run.releasing,
            stored=partner_run.stored,
            limits=limits,
        )
        with partner_run.step(context):
            report = settle_all(
                opened_requests(tables, collected),
                read_collected(tables, context.run_id),
                context.run_id,
                settling=settling,
                releasing=partner_run.releasing,
                leases=partner_run.leases,
            )
        for request_id, reason in report.left.items():
            context.log.warning(f"request {request_id} could not be settled and comes again: {reason}")
        if report.states:
            context.add_output_metadata(settle_metadata(report, tables))
            yield dg.Output(None)
        if collected["failures"]:
            raise dg.Failure(" ".join(collected["failures"]), allow_retries=False)

    return settle


def opened_requests(tables: ObjectStore, opened: Mapping[str, Any]) -> list[UnitRequest]:
    """The unit's requests that this run took over."""
    return [each for each in read_unit(tables, opened["unit"]).requests if each.request_id in opened["requests"]]


def partner_endings(
    queues: RequestQueue,
    requests: RequestStore,
    tables: ObjectStore,
    outbox: OutboxStore,
    clock: Clock,
    policy: NotificationPolicy,
) -> Completion:
    dead_letters = DeadLetters(queues=queues, requests=requests, clock=clock)
    return Completion(queues, tables, OutboxWriter(outbox, clock, policy), dead_letters)


def settle_metadata(report: SettleReport, tables: ObjectStore) -> dict[str, Any]:
    """Flat numbers, so that the UI plots them."""
    return {
        "requests": report.states.total(),
        **{f"requests_{name}": count for name, count in sorted(report.states.items())},
        **{name if name == "items" else f"items_{name}": count for name, count in sorted(report.items.items())},
        "cost_usd": usd(report.cost_micro_usd),
        "results": [tables.uri(key) for key in report.result_keys[:20]],
    }
