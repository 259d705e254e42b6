"""Job `ask_again`: `manga-enrichment ask-again`, for those who work in the UI.

Belongs here: run config and op. Stays out: who is asked again, and how (`pipeline/titles`).
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, cast

import dagster as dg
from pydantic import Field, create_model

from manga_enrichment.defs.shared.changes import log_changes
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.metadata import markdown_table
from manga_enrichment.defs.shared.op_time import OpTime
from manga_enrichment.defs.shared.pipeline_settings import invoke_settings
from manga_enrichment.defs.shared.policies import (
    OP_RETRY_POLICY,
    configuration_errors_are_final,
    final_failure,
    permanent_failure,
    retry_if_hopeful,
)
from manga_enrichment.defs.shared.progress import progress_of
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.operations.quota_lanes import BACKFILL
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.senders import SenderTable
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.enrichment.canaries import open_canaries
from manga_enrichment.pipeline.enrichment.wide_table import TABLE
from manga_enrichment.pipeline.titles.ask_again import AgainReport, AskingAgain
from manga_enrichment.pipeline.titles.press import AgainPlan, Pressing, Wish

AGAIN_JOB = "ask_again"
_SHOWN = 20


class AgainConfig(dg.Config):
    """Either titles or where. `_offered` makes an enum of analysis."""

    analysis: Any
    because: str = Field(description="why; stands beside the new calls. The same words ask a title once")
    by: str = Field(description="who wants it, as the team calls them")
    titles: list[str] = Field(default_factory=list, description="ids, for example MNG-C4G0F4AW")
    where: str = Field("", description="SQL: a condition on enriched_catalog, or a SELECT that gives manga_id")
    dry_run: bool = Field(True, description="say which titles these are and what it costs, and ask nothing")


def _offered(analyses: Iterable[str]) -> type[AgainConfig]:
    """With the analyses that there are, which the launchpad offers."""
    names: Any = Enum("Analysis", [(each, each) for each in analyses])  # type: ignore[misc]
    fields: dict[str, Any] = {"analysis": (names, Field(description="what is asked again"))}
    return create_model("OfferedAgainConfig", __base__=AgainConfig, **fields)


def build_ask_again_job(inputs: DefinitionInputs) -> dg.JobDefinition:
    offered = _offered(inputs.analyses)

    @dg.op(
        name="ask_titles_again",
        description="Ask about some titles again though nothing changed; their old answers stay in the ledger.",
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "bedrock"},
    )
    def ask_titles_again(
        context: dg.OpExecutionContext,
        config: offered,  # type: ignore[valid-type]
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        senders: dg.ResourceParam[SenderTable],
        status: dg.ResourceParam[StatusStore],
        open_model: dg.ResourceParam[Callable[[], FoundationModel]],
        clock: dg.ResourceParam[Clock],
    ) -> None:
        time = OpTime.of(context, clock, inputs.settings.deadline_seconds)
        gateways = InvokeGateways(ledger, budget, senders, open_model, clock)
        with configuration_errors_are_final(time.left_seconds):
            asking = _asking(context, inputs, tables, gateways, status, time.left_seconds())
            report = _asked(context, cast("AgainConfig", config), inputs, asking)
        if report is not None:
            _end(context, tables, report, time)

    @dg.job(
        name=AGAIN_JOB,
        description="Ask about some titles again though nothing changed. A dry run, unless dry_run is false.",
    )
    def ask_again() -> None:
        ask_titles_again()

    return ask_again


def _asking(
    context: dg.OpExecutionContext,
    inputs: DefinitionInputs,
    tables: ObjectStore,
    gateways: InvokeGateways,
    status: StatusStore,
    left_seconds: float,
) -> AskingAgain:
    pressing = Pressing(
        tables=tables,
        ledger=gateways.ledger,
        analyses=inputs.analyses,
        models=inputs.models,
        bucket_count=inputs.settings.catalog_buckets,
        canaries=open_canaries(status, inputs.analyses),
    )
    settings = invoke_settings(inputs.settings, BACKFILL, left_seconds)
    return AskingAgain(pressing, tables, gateways, status, settings, progress_of(context))


def _asked(
    context: dg.OpExecutionContext, config: AgainConfig, inputs: DefinitionInputs, asking: AskingAgain
) -> AgainReport | None:
    """None for a dry run. Raises ConfigurationError."""
    wish = Wish(inputs.analyses[config.analysis.value], tuple(_ids(config)), config.by, config.because)
    plan = asking.pressing.plan(wish, asking.gateways.clock.now())
    say = progress_of(context)
    if config.dry_run:
        said = f"dry run: {plan.sentence()}; nothing was asked"
        say(said)
        context.add_output_metadata({"result": said, **_metadata(plan)})
        return None
    say(plan.sentence())
    report = asking.ask(wish, context.run_id, str(context.retry_number))
    say(report.sentence())
    billed = {"billed_usd": usd(report.cost_micro_usd), "left": report.left}
    context.add_output_metadata({"result": report.sentence(), **_metadata(report.plan), **billed})
    return report


def _ids(config: AgainConfig) -> list[str]:
    if bool(config.titles) == bool(config.where.strip()):
        raise ConfigurationError("Say which titles: either titles or where")
    if config.titles:
        return list(dict.fromkeys(config.titles))
    from manga_enrichment.analysts.chosen import chosen_ids  # noqa: PLC0415 (DuckDB is heavy to load)
    from manga_enrichment.analysts.plain import QueryError  # noqa: PLC0415
    from manga_enrichment.analysts.session import open_session  # noqa: PLC0415

    try:
        return chosen_ids(open_session(), config.where)
    except QueryError as error:
        raise ConfigurationError(f"where: {error}") from error


def _metadata(plan: AgainPlan) -> dict[str, Any]:
    rows = [
        {"manga_id": each.manga_id, "title": each.title, "what": each.said, "USD": usd(each.estimated_micro_usd)}
        for each in plan.titles[:_SHOWN]
    ]
    return {
        "titles": dg.MetadataValue.md(markdown_table(rows)),
        "titles_in_all": len(plan.titles),
        "calls": plan.calls.total(),
        "estimated_usd": usd(plan.estimated_micro_usd),
    }


def _end(context: dg.OpExecutionContext, tables: ObjectStore, report: AgainReport, time: OpTime) -> None:
    """Say which tables are others now; raises Failure or RetryRequested where titles could not be asked."""
    metadata = {"because": report.plan.wish.because, "by": report.plan.wish.by}
    for bucket, names in report.tables.items():
        for name in (*names, *([] if bucket in report.unsound else [TABLE])):
            context.log_event(dg.AssetMaterialization(name, partition=bucket, metadata=metadata))
    for changes in report.changes:
        log_changes(context, tables, changes)
    for each in report.reports:
        retry_if_hopeful(context, each, time.left_seconds())
        if (failure := permanent_failure(each)) is not None:
            raise final_failure(failure, error_class=each.stopped_by)
