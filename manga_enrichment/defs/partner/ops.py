"""Ops of a partner run, one per step. Thin: gateways in, step, pointers and numbers out.

Belongs here: what a step gets from Dagster and tells it. Stays out: the steps and their order
(`pipeline/partner/run_steps.py`), what their end means for the requests that the run holds (`defs/partner/runs.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg

from manga_enrichment.defs.partner.runs import PartnerRun
from manga_enrichment.defs.partner.settings import notification_policy, settle_limits
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.metadata import ROW_COUNT, invoke_metadata
from manga_enrichment.defs.shared.op_outputs import IN_MEMORY
from manga_enrichment.defs.shared.op_time import OpTime
from manga_enrichment.defs.shared.pipeline_settings import invoke_settings
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, permanent_failure, retry_if_hopeful
from manga_enrichment.defs.shared.progress import progress_of, say_done
from manga_enrichment.defs.shared.tags import quota_lane
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.gateways.senders import SenderTable
from manga_enrichment.pipeline.candidates.open_index import OpenIndex
from manga_enrichment.pipeline.dead_letters.queue import DeadLetters
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy, OutboxWriter
from manga_enrichment.pipeline.partner import run_steps
from manga_enrichment.pipeline.partner.ask import PartnerAsking
from manga_enrichment.pipeline.partner.ending.complete import Completion
from manga_enrichment.pipeline.partner.ending.settle import Settling
from manga_enrichment.pipeline.partner.ending.settle_run import SettleReport
from manga_enrichment.pipeline.partner.holding.requeue import INTERRUPTED_DELAY_SECONDS
from manga_enrichment.pipeline.partner.papers import StoredPapers
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.pipeline.partner.run_steps import Execution, Opened
from manga_enrichment.pipeline.partner.shelf import Shelf
from manga_enrichment.pipeline.store.flusher import Flusher

_RESULTS_SHOWN = 20
_handed_on = partial(dg.Out, io_manager_key=IN_MEMORY)
"""Nobody continues a partner's run: its requests are delivered again, to another one."""


class UnitConfig(dg.Config):
    """unit: key of the work unit, as the sensor wrote it: request_id:generation of its first request."""

    unit: str


def build_open_op() -> dg.OpDefinition:
    @dg.op(
        description="Take over the requests of the unit that are still its own, and hold their leases.",
        out=_handed_on(is_required=False),
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "sqs"},
    )
    def open_requests(
        context: dg.OpExecutionContext,
        config: UnitConfig,
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        requests: dg.ResourceParam[RequestStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.Output[dict[str, Any]]]:
        execution, leases = _execution(context, tables, partner_run), partner_run.leases
        with partner_run.step(context):
            opened = run_steps.open_unit(config.unit, execution, requests=requests, leases=leases, clock=clock)
        if opened.request_ids:  # else all that follows is skipped
            yield dg.Output(opened.as_dict())

    return open_requests


def asked_names(inputs: DefinitionInputs) -> list[str]:
    """Of analyses that partners may ask for, each with an invoke op of its own."""
    return [*inputs.for_partners, CONVERSATION.name]


def build_partner_plan_op(inputs: DefinitionInputs) -> dg.OpDefinition:
    given: Any = {
        "analyses": inputs.for_partners,
        "models": inputs.models,
        "bucket_count": inputs.settings.catalog_buckets,
    }

    @dg.op(
        description="Find the titles, ask the ledger, and plan the calls that are missing.",
        out={"planned": _handed_on(), **{name: _handed_on(is_required=False) for name in asked_names(inputs)}},
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "plan"},
    )
    def plan_requests(
        context: dg.OpExecutionContext,
        opened: dict[str, Any],
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.Output[dict[str, Any]]]:
        shelf = Shelf(tables, OpenIndex(tables, clock).asking, given["bucket_count"])
        planning = PartnerPlanning(tables=tables, ledger=ledger, shelf=shelf, **given)
        with partner_run.step(context):
            made = run_steps.plan_calls(Opened.from_dict(opened), _execution(context, tables, partner_run), planning)
        yield dg.Output(opened, "planned")
        for name in made.analyses():
            yield dg.Output(opened, name)

    return plan_requests


def build_partner_invoke_op(name: str, inputs: DefinitionInputs) -> dg.OpDefinition:
    @dg.op(
        name=f"invoke_{name}_for_partners",
        description=f"Ask the model what partners want to know: {name}.",
        out=_handed_on(),
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "bedrock"},
    )
    def invoke(
        context: dg.OpExecutionContext,
        opened: dict[str, Any],
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        senders: dg.ResourceParam[SenderTable],
        open_model: dg.ResourceParam[Callable[[], FoundationModel]],
        clock: dg.ResourceParam[Clock],
    ) -> dict[str, Any]:
        gateways = InvokeGateways(ledger, budget, senders, open_model, clock)
        time = OpTime.of(context, clock, inputs.settings.deadline_seconds)
        lane_settings = invoke_settings(inputs.settings, quota_lane(context.run_tags), time.left_seconds())
        settings = replace(lane_settings, policies=partner_run.policies)
        asking = _asking(inputs, tables, gateways, settings)
        with partner_run.step(context):
            stopping = partner_run.stopping(inputs.settings.grace_seconds)
            execution = _execution(context, tables, partner_run)
            report = run_steps.ask_model(name, Opened.from_dict(opened), execution, asking, stopping)
            say_done(context, report)
        if not partner_run.is_stopping:
            retry_if_hopeful(context, report, time.left_seconds())
        context.add_output_metadata(invoke_metadata(report))
        return report.as_dict()

    return invoke


def build_collect_op() -> dg.OpDefinition:
    @dg.op(
        description="What became of every item; log every request sent to the model.",
        out=_handed_on(),
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "parquet"},
    )
    def collect_answers(
        context: dg.OpExecutionContext,
        arrived: list[dict[str, Any]],
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
    ) -> dict[str, Any]:
        opened, *invoked = arrived
        with partner_run.step(context):
            run_steps.collect_answers(Opened.from_dict(opened), _execution(context, tables, partner_run), ledger)
        failures = [permanent_failure(InvokeReport.from_dict(report)) for report in invoked]
        return {**opened, "failures": [failure for failure in failures if failure]}

    return collect_answers


def build_settle_op(inputs: DefinitionInputs) -> dg.OpDefinition:
    @dg.op(
        description="Results and status, request by request, then their rows, announcements and acks.",
        out=dg.Out(dg.Nothing, is_required=False),
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "parquet"},
    )
    def settle_requests(
        context: dg.OpExecutionContext,
        collected: dict[str, Any],
        partner_run: dg.ResourceParam[PartnerRun],
        tables: dg.ResourceParam[ObjectStore],
        queues: dg.ResourceParam[RequestQueue],
        requests: dg.ResourceParam[RequestStore],
        ledger: dg.ResourceParam[ResultLedger],
        outbox: dg.ResourceParam[OutboxStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.Output[None]]:
        policy = notification_policy(inputs.settings)
        endings = partner_endings(queues, requests, tables, ledger, outbox, clock, policy)
        flusher = Flusher(tables, clock, context.run_id)
        settling = _settling(partner_run, inputs, endings, requests, tables, clock, flusher)
        with partner_run.step(context):
            opened, execution = Opened.from_dict(collected), _execution(context, tables, partner_run)
            report = run_steps.settle_requests(opened, execution, settling, partner_run.leases, partner_run.releasing)
        yield from _told(context, report, tables)
        if collected["failures"]:
            raise dg.Failure(" ".join(collected["failures"]), allow_retries=False)

    return settle_requests


def partner_endings(
    queues: RequestQueue,
    requests: RequestStore,
    tables: ObjectStore,
    ledger: ResultLedger,
    outbox: OutboxStore,
    clock: Clock,
    policy: NotificationPolicy,
) -> Completion:
    dead_letters = DeadLetters(queues=queues, requests=requests, clock=clock)
    return Completion(queues, tables, ledger, OutboxWriter(outbox, clock, policy), dead_letters)


def settle_metadata(report: SettleReport, tables: ObjectStore) -> dict[str, Any]:
    """Flat numbers, so that the UI plots them."""
    return {
        ROW_COUNT: report.items["items"],
        "requests": report.states.total(),
        **{f"requests_{name}": count for name, count in sorted(report.states.items())},
        **{name if name == "items" else f"items_{name}": count for name, count in sorted(report.items.items())},
        "cost_usd": usd(report.cost_micro_usd),
        "results": [tables.uri(key) for key in report.result_keys[:_RESULTS_SHOWN]],
    }


def _execution(context: dg.OpExecutionContext, tables: ObjectStore, partner_run: PartnerRun) -> Execution:
    papers = StoredPapers(tables, context.run_id)
    return Execution(context.run_id, tables, papers, partner_run.stored, progress_of(context), context.retry_number)


def _asking(
    inputs: DefinitionInputs, tables: ObjectStore, gateways: InvokeGateways, settings: InvokeSettings
) -> PartnerAsking:
    return PartnerAsking(
        tables=tables, gateways=gateways, settings=settings, analyses=inputs.for_partners, models=inputs.models
    )


def _settling(
    partner_run: PartnerRun,
    inputs: DefinitionInputs,
    endings: Completion,
    requests: RequestStore,
    tables: ObjectStore,
    clock: Clock,
    flusher: Flusher,
) -> Settling:
    limits = settle_limits(inputs.settings)
    if partner_run.is_stopping:
        limits = replace(limits, deferral_seconds=INTERRUPTED_DELAY_SECONDS)
    return Settling(
        requests=requests,
        tables=tables,
        clock=clock,
        endings=endings,
        releasing=partner_run.releasing,
        stored=partner_run.stored,
        limits=limits,
        flusher=flusher,
    )


def _told(context: dg.OpExecutionContext, report: SettleReport, tables: ObjectStore) -> Iterator[dg.Output[None]]:
    for request_id, reason in report.left.items():
        context.log.warning(f"request {request_id} could not be settled and comes again: {reason}")
    if report.states:
        context.add_output_metadata(settle_metadata(report, tables))
        yield dg.Output(None)
