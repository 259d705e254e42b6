"""Ops of the enrichment graph: plan, then per analysis invoke and write. Thin: gateways in, use case, metadata out.

Pointers travel between ops (run, buckets, numbers), never titles. An invoke op whose analysis failed for good does not
raise: what was paid for must reach the tables first, so its write op saves that and then raises.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.metadata import plan_metadata, write_metadata
from manga_enrichment.defs.shared.policies import BEDROCK_POOL, OP_RETRY_POLICY, permanent_failure, retry_rule
from manga_enrichment.defs.shared.run_facts import provenance_of, selected_names
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import Lane, check_batch_model, choose_lane, parse_lane
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import ModelError
from manga_enrichment.gateways.batch import BatchInference
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.batch.launch import BatchGateways
from manga_enrichment.pipeline.catalog.reader import check_bucket_count
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.ask import Invoking
from manga_enrichment.pipeline.enrichment.plan_run import Planning, PlanReport
from manga_enrichment.pipeline.enrichment.submit_batch import BatchLane, BatchSettings
from manga_enrichment.pipeline.enrichment.write import Writing


class PlanConfig(dg.Config):
    """dry_run: plan and estimate only; nothing is asked, billed or written.

    lane: on_demand; batch for every analysis with enough calls for a job; auto: batch from MANGA_BATCH_MIN_TITLES
    calls of an analysis on, where that is set.
    """

    dry_run: bool = False
    lane: str = "auto"


def build_plan_op(
    analyses: Mapping[str, AnalysisType],
    models: ModelCatalog,
    bucket_count: int,
    batch_settings: BatchSettings,
    first_calls: int,
) -> dg.OpDefinition:
    @dg.op(
        name="plan",
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
        clock: dg.ResourceParam[Clock],
    ) -> dict[str, Any]:
        with configuration_errors_are_final():
            check_bucket_count(tables, bucket_count)
            planning = Planning(tables=tables, ledger=ledger, analyses=analyses, models=models, first_calls=first_calls)
            report = planning.plan(context.run_id, context.partition_keys, selected_names(context), context.log.info)
            lanes = _lanes(report, parse_lane(config.lane), analyses, models, batch_settings)
        context.log.info(
            f"{report.titles} titles, {report.calls} calls, about {report.estimated_micro_usd / 1e6:.4f} USD"
        )
        context.add_output_metadata(plan_metadata(report))
        return {
            "provenance": asdict(provenance_of(context, clock)),
            "selected": selected_names(context),
            "dry_run": config.dry_run,
            "lanes": lanes,
            "plan": report.as_dict(),
        }

    return plan


def _lanes(
    report: PlanReport,
    wish: Lane,
    analyses: Mapping[str, AnalysisType],
    models: ModelCatalog,
    settings: BatchSettings,
) -> dict[str, str]:
    """Lane by analysis. Raises ConfigurationError for a model that the batch lane refuses."""
    lanes = {name: choose_lane(wish, part.calls, settings.min_titles) for name, part in report.analyses.items()}
    for name in (name for name, lane in lanes.items() if lane is Lane.BATCH):
        check_batch_model(models.resolve(analyses[name].model_alias), analyses[name].model_alias)
    return {name: lane.value for name, lane in lanes.items()}


def build_invoke_op(
    analysis: AnalysisType, models: ModelCatalog, settings: InvokeSettings, batch_settings: BatchSettings
) -> dg.OpDefinition:
    @dg.op(
        name=f"invoke_{analysis.name}",
        description=f"Ask the model for what is missing: {analysis.description}",
        retry_policy=OP_RETRY_POLICY,
        pool=BEDROCK_POOL,
        tags={"kind": "bedrock"},
    )
    def invoke(
        context: dg.OpExecutionContext,
        plan: dict[str, Any],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        open_model: dg.ResourceParam[Callable[[], FoundationModel]],
        batch: dg.ResourceParam[BatchInference],
        clock: dg.ResourceParam[Clock],
    ) -> dict[str, Any]:
        calls = plan["plan"]["analyses"].get(analysis.name, {}).get("actions", {}).get("ask", 0)
        if plan["dry_run"] or not calls:
            return InvokeReport(analysis.name).as_dict()
        model, provenance = models.resolve(analysis.model_alias), Provenance(**plan["provenance"])
        buckets, say = context.partition_keys, context.log.info
        with configuration_errors_are_final():
            if plan["lanes"][analysis.name] == Lane.BATCH.value:
                lane = BatchLane(BatchGateways(tables, ledger, budget, batch, clock), batch_settings)
                report = lane.submit(
                    analysis, model, buckets, provenance, total=calls, selected=plan["selected"], say=say
                )
            else:
                gateways = InvokeGateways(ledger, budget, open_model, clock)
                invoking = Invoking(tables=tables, gateways=gateways, settings=settings)
                spender = f"{context.run_id}:{analysis.name}:{context.retry_number}"
                report = invoking.invoke(analysis, model, buckets, provenance, spender=spender, say=say)
        retry_if_hopeful(context, report)
        context.add_output_metadata(invoke_metadata(report))
        return report.as_dict()

    return invoke


def build_write_op(
    analysis: AnalysisType, analyses: Mapping[str, AnalysisType], *, is_combined: bool
) -> dg.OpDefinition:
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
        provenance = Provenance(**plan["provenance"])
        for bucket in context.partition_keys:
            if is_combined:
                for name in analysis.parts:
                    if name not in plan["selected"]:
                        writing.write(analyses[name], bucket, provenance)
                report = writing.write_log(analysis, bucket, provenance)
            else:
                report = writing.write(analysis, bucket, provenance)
            context.add_asset_metadata(
                write_metadata(report), asset_key=dg.AssetKey(analysis.name), partition_key=bucket
            )
        own = InvokeReport.from_dict(next(r for r in invoked if r["analysis"] == analysis.name))
        failure = permanent_failure(own)
        if failure:
            raise dg.Failure(failure, metadata={"error_class": own.stopped_by}, allow_retries=False)
        yield dg.Output(None)

    return write


def retry_if_hopeful(context: dg.OpExecutionContext, report: InvokeReport) -> None:
    """Raises RetryRequested when another try of the op may do better."""
    rule = retry_rule(report)
    if rule is not None and context.retry_number < rule.tries - 1:
        jitter = random.Random(f"{context.run_id}{context.retry_number}").random()  # noqa: S311
        context.log.warning(f"{report.analysis}: {report.error_classes} of {report.titles} titles; trying the op again")
        raise dg.RetryRequested(
            max_retries=rule.tries - 1, seconds_to_wait=rule.wait_seconds(context.retry_number, jitter)
        )


def invoke_metadata(report: InvokeReport) -> dict[str, Any]:
    """Its numbers, without those that say nothing."""
    values = report.as_dict()
    values["cost_usd"] = values.pop("cost_micro_usd") / 1e6
    return {name: value for name, value in values.items() if value not in ("", {}, None)}


class configuration_errors_are_final:  # noqa: N801 (reads as a sentence after `with`)
    """Turn what is wrong or away into a Failure with the sentence as its description.

    A ConfigurationError nothing retries; a model or a store that is away may come back, so the op's policy decides.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ConfigurationError | ModelError | StoreUnavailableError):
            raise dg.Failure(str(error), allow_retries=not isinstance(error, ConfigurationError)) from error
