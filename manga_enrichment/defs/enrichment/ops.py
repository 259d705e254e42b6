"""Ops of the enrichment graph: plan, then per analysis invoke and write. Thin: gateways in, use case, metadata out.

Pointers travel between ops (run, buckets, numbers), never titles. An invoke op whose analysis failed for good does not
raise: what was paid for must reach the tables first, so its write op saves that and then raises.

Belongs here: what an op does with its gateways. Stays out: how ops hang together (`defs/enrichment/assets.py`), when
one is tried again (`defs/shared/policies.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from manga_enrichment.defs.enrichment.metadata import all_answers, plan_metadata, plan_sentence, write_metadata
from manga_enrichment.defs.enrichment.run_work import RunWork
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.pipeline_settings import batch_settings
from manga_enrichment.defs.shared.policies import (
    OP_RETRY_POLICY,
    configuration_errors_are_final,
    final_failure,
    permanent_failure,
)
from manga_enrichment.defs.shared.progress import progress_of
from manga_enrichment.defs.shared.run_facts import provenance_of, selected_names
from manga_enrichment.defs.shared.tags import quota_lane
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.batch_jobs import Lane, check_batch_model, choose_lane
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.catalog.reader import check_bucket_count
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.enrichment.canaries import open_canaries
from manga_enrichment.pipeline.enrichment.plan_run import Planning, PlanReport
from manga_enrichment.runtime.garbage import rare_collections


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
        with configuration_errors_are_final(), rare_collections():
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


def build_write_op(analysis: AnalysisType, inputs: DefinitionInputs) -> dg.OpDefinition:

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
        status: dg.ResourceParam[StatusStore],
        run_work: dg.ResourceParam[RunWork],
    ) -> Iterator[dg.Output[None]]:
        if plan["dry_run"]:
            context.log.info("dry run: nothing asked, nothing written")
            return  # without an output, so that no asset counts as materialized
        known = partial(all_answers, status, analysis.name, inputs.buckets)
        with rare_collections():
            _write_buckets(context, plan, analysis, run_work, known)
        _fail_for_good(analysis, invoked)
        yield dg.Output(None)

    return write


def _write_buckets(
    context: dg.AssetExecutionContext,
    plan: Mapping[str, Any],
    analysis: AnalysisType,
    of_run: RunWork,
    known: Callable[[], dict[str, Any]],
) -> None:
    """known: of all partitions."""
    provenance = Provenance(**plan["provenance"])
    for bucket in context.partition_keys:
        report = of_run.ahead.take_written(analysis.name, bucket) or of_run.writing.write_all(
            analysis, bucket, provenance, plan["selected"]
        )
        context.add_asset_metadata(write_metadata(report), asset_key=dg.AssetKey(analysis.name), partition_key=bucket)
    of_all = known()
    for bucket in context.partition_keys:
        context.add_asset_metadata(of_all, asset_key=dg.AssetKey(analysis.name), partition_key=bucket)


def _fail_for_good(analysis: AnalysisType, invoked: Sequence[Mapping[str, Any]]) -> None:
    """Raises Failure when the analysis' own invoke op was stopped for good."""
    own = InvokeReport.from_dict(next(report for report in invoked if report["analysis"] == analysis.name))
    failure = permanent_failure(own)
    if failure:
        raise final_failure(failure, error_class=own.stopped_by)
