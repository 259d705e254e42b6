"""Ops of the enrichment graph: plan, then per analysis invoke and write. Thin: gateways in, use case, metadata out.

Pointers travel between ops (run, buckets, numbers), never titles. An invoke op whose analysis failed for good does not
raise: what was paid for must reach the tables first, so its write op saves that and then raises.

Belongs here: what an op does with its gateways. Stays out: how ops hang together (`defs/enrichment/assets.py`), when
one is tried again (`defs/shared/policies.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from manga_enrichment.defs.enrichment.metadata import all_answers, plan_metadata, plan_sentence, write_metadata
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.metadata import invoke_metadata
from manga_enrichment.defs.shared.op_time import OpTime
from manga_enrichment.defs.shared.pipeline_settings import batch_settings, invoke_settings
from manga_enrichment.defs.shared.policies import (
    OP_RETRY_POLICY,
    configuration_errors_are_final,
    final_failure,
    permanent_failure,
    retry_if_hopeful,
)
from manga_enrichment.defs.shared.progress import progress_of, say_done
from manga_enrichment.defs.shared.run_facts import provenance_of, selected_names
from manga_enrichment.defs.shared.tags import quota_lane
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.batch_jobs import Lane, check_batch_model, choose_lane
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.senders import SenderTable
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.batch.launch import BatchGateways
from manga_enrichment.pipeline.catalog.reader import check_bucket_count
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.ask import Invoking
from manga_enrichment.pipeline.enrichment.canaries import open_canaries
from manga_enrichment.pipeline.enrichment.plan_run import Planning, PlanReport
from manga_enrichment.pipeline.enrichment.submit_batch import BatchLane
from manga_enrichment.pipeline.enrichment.write import Writing


class OfferedLane(StrEnum):
    """Lanes by the words that people write: the launchpad offers the names of members."""

    auto = Lane.AUTO
    on_demand = Lane.ON_DEMAND
    batch = Lane.BATCH


class PlanConfig(dg.Config):
    """What the launchpad offers."""

    dry_run: bool = Field(
        False, description="plan and estimate alone: nothing is asked, billed or written; the run's tags say the result"
    )
    lane: OfferedLane = Field(
        OfferedLane.auto,
        description="on_demand: a call a title, at once; batch: a batch job for every analysis with enough calls for "
        "one, at half the price, within a day; auto: batch from MANGA_BATCH_MIN_TITLES calls of an analysis on, where "
        "that is set",
    )


def build_plan_op(inputs: DefinitionInputs) -> dg.OpDefinition:
    """Raises ConfigurationError for a batch lane without a role."""
    batch = batch_settings(inputs.settings)

    @dg.op(
        description="Ask tables and ledger what is missing or outdated, and choose the cheapest calls that fill it.",
        ins={"catalog": dg.In(dg.Nothing), "candidates": dg.In(dg.Nothing)},
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "plan"},
    )
    def plan(
        context: dg.OpExecutionContext,
        config: PlanConfig,
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        status: dg.ResourceParam[StatusStore],
        clock: dg.ResourceParam[Clock],
    ) -> dict[str, Any]:
        with configuration_errors_are_final():
            check_bucket_count(tables, inputs.settings.catalog_buckets)
            planning = _planning(context, inputs, tables, ledger, status)
            report = planning.plan(context.run_id, context.partition_keys, selected_names(context), context.log.info)
            lanes = _lanes(report, Lane(config.lane), inputs, batch.min_titles)
        return _planned(context, report, lanes, provenance_of(context, clock), dry_run=config.dry_run)

    return plan


def _planning(
    context: dg.OpExecutionContext,
    inputs: DefinitionInputs,
    tables: ObjectStore,
    ledger: ResultLedger,
    status: StatusStore,
) -> Planning:
    return Planning(
        tables=tables,
        ledger=ledger,
        analyses=inputs.analyses,
        models=inputs.models,
        lane=quota_lane(context.run_tags),
        canaries=open_canaries(status, inputs.analyses),
        remembers=True,
    )


def _lanes(report: PlanReport, wish: Lane, inputs: DefinitionInputs, min_titles: int | None) -> dict[str, str]:
    """Lane by analysis. Raises ConfigurationError for a model that the batch lane refuses."""
    lanes = {name: choose_lane(wish, part.calls, min_titles) for name, part in report.analyses.items()}
    for name in (name for name, lane in lanes.items() if lane is Lane.BATCH):
        alias = inputs.models.alias_for(name, inputs.analyses[name].model_alias)
        check_batch_model(inputs.models.resolve(alias), alias)
    return {name: lane.value for name, lane in lanes.items()}


def _planned(
    context: dg.OpExecutionContext, report: PlanReport, lanes: dict[str, str], provenance: Provenance, *, dry_run: bool
) -> dict[str, Any]:
    """What the ops after it need to know."""
    said = plan_sentence(report, dry_run=dry_run)
    progress_of(context)(said)
    context.add_output_metadata({"result": said, **plan_metadata(report)})
    return {
        "provenance": asdict(provenance),
        "selected": selected_names(context),
        "dry_run": dry_run,
        "lanes": lanes,
        "plan": report.as_dict(),
    }


def build_invoke_op(analysis: AnalysisType, inputs: DefinitionInputs) -> dg.OpDefinition:
    """Raises ConfigurationError for a batch lane without a role."""
    batches = batch_settings(inputs.settings)

    @dg.op(
        name=f"invoke_{analysis.name}",
        description=f"Ask the model for what is missing. {analysis.about}",
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "bedrock"},
    )
    def invoke(
        context: dg.OpExecutionContext,
        plan: dict[str, Any],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        senders: dg.ResourceParam[SenderTable],
        open_model: dg.ResourceParam[Callable[[], FoundationModel]],
        batch: dg.ResourceParam[BatchInference],
        clock: dg.ResourceParam[Clock],
    ) -> dict[str, Any]:
        work = _Work(
            context,
            plan,
            analysis,
            inputs.models.asked_for(analysis.name, analysis.model_alias, quota_lane(context.run_tags)),
        )
        lane = BatchLane(BatchGateways(tables, ledger, budget, batch, clock), batches)
        gateways = InvokeGateways(ledger, budget, senders, open_model, clock)
        time = OpTime.of(context, clock, inputs.settings.deadline_seconds)
        on_demand = invoke_settings(inputs.settings, quota_lane(context.run_tags), time.left_seconds())
        return work.done_by(lane, Invoking(tables=tables, gateways=gateways, settings=on_demand), time)

    return invoke


@dataclass(frozen=True, slots=True)
class _Work:
    """What one invoke op is to do: the calls of one analysis over the buckets of its run."""

    context: dg.OpExecutionContext
    plan: Mapping[str, Any]
    analysis: AnalysisType
    model: ModelSpec

    def done_by(self, lane: BatchLane, invoking: Invoking, time: OpTime) -> dict[str, Any]:
        """The report, by the lane that was planned. Raises Failure or RetryRequested."""
        calls = self.plan["plan"]["analyses"].get(self.analysis.name, {}).get("actions", {}).get("ask", 0)
        if self.plan["dry_run"] or not calls:
            return InvokeReport(self.analysis.name).as_dict()
        with configuration_errors_are_final(time.left_seconds):
            is_batch = self.plan["lanes"][self.analysis.name] == Lane.BATCH.value
            report = self._submitted(lane, calls) if is_batch else self._asked(invoking, calls)
        retry_if_hopeful(self.context, report, time.left_seconds())
        self.context.add_output_metadata(invoke_metadata(report))
        return report.as_dict()

    def _submitted(self, lane: BatchLane, calls: int) -> InvokeReport:
        selected = self.plan["selected"]
        return lane.submit(*self._what(), total=calls, selected=selected, say=self.context.log.info)

    def _asked(self, invoking: Invoking, calls: int) -> InvokeReport:
        spender = f"{self.context.run_id}:{self.analysis.name}:{self.context.retry_number}"
        say = progress_of(self.context)
        report = invoking.invoke(*self._what(), spender=spender, planned=calls, say=say)
        say_done(self.context, report)
        return report

    def _what(self) -> tuple[AnalysisType, ModelSpec, Sequence[str], Provenance]:
        return self.analysis, self.model, self.context.partition_keys, Provenance(**self.plan["provenance"])


def build_write_op(analysis: AnalysisType, inputs: DefinitionInputs) -> dg.OpDefinition:
    analyses = inputs.analyses

    @dg.op(
        name=f"write_{analysis.name}",
        description=f"Bring the {analysis.name} table up to date from the ledger.",
        out=dg.Out(dg.Nothing, is_required=False),
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "parquet"},
    )
    def write(
        context: dg.AssetExecutionContext,
        plan: dict[str, Any],
        invoked: list[dict[str, Any]],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        status: dg.ResourceParam[StatusStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.Output[None]]:
        if plan["dry_run"]:
            context.log.info("dry run: nothing asked, nothing written")
            return  # without an output, so that no asset counts as materialized
        writing = Writing(tables=tables, ledger=ledger, status=status, clock=clock, analyses=analyses)
        known = partial(all_answers, status, analysis.name, inputs.buckets)
        _write_buckets(context, plan, analysis, writing, [analyses[part] for part in analysis.parts], known)
        _fail_for_good(analysis, invoked)
        yield dg.Output(None)

    return write


def _write_buckets(
    context: dg.AssetExecutionContext,
    plan: Mapping[str, Any],
    analysis: AnalysisType,
    writing: Writing,
    parts: Sequence[AnalysisType],
    known: Callable[[], dict[str, Any]],
) -> None:
    """known: of all partitions. parts: of a combined analysis; their tables are written here where the run does not
    select them."""
    provenance = Provenance(**plan["provenance"])
    for bucket in context.partition_keys:
        for part in parts:
            if part.name not in plan["selected"]:
                writing.write(part, bucket, provenance)
        write = writing.write_log if parts else writing.write
        metadata = write_metadata(write(analysis, bucket, provenance))
        context.add_asset_metadata(metadata, asset_key=dg.AssetKey(analysis.name), partition_key=bucket)
    of_all = known()
    for bucket in context.partition_keys:
        context.add_asset_metadata(of_all, asset_key=dg.AssetKey(analysis.name), partition_key=bucket)


def _fail_for_good(analysis: AnalysisType, invoked: Sequence[Mapping[str, Any]]) -> None:
    """Raises Failure when the analysis' own invoke op was stopped for good."""
    own = InvokeReport.from_dict(next(report for report in invoked if report["analysis"] == analysis.name))
    failure = permanent_failure(own)
    if failure:
        raise final_failure(failure, error_class=own.stopped_by)
