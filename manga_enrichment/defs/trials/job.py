"""Job `trial`: `manga-enrichment trial`, for those who work in the UI.

Belongs here: run config and op. Stays out: the trial (`pipeline/trials/run.py`).
"""

from collections.abc import Callable, Iterable
from enum import Enum
from types import GenericAlias
from typing import Any, cast

import dagster as dg
from pydantic import Field, create_model

from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.op_time import OpTime
from manga_enrichment.defs.shared.pipeline_settings import invoke_settings
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.progress import progress_of
from manga_enrichment.defs.shared.tags import TRIAL_LANE
from manga_enrichment.domain.models.usage import micro_usd_from_usd, usd
from manga_enrichment.domain.operations.quota_lanes import BACKFILL
from manga_enrichment.domain.trials.documents import entered
from manga_enrichment.domain.trials.report import TrialReport
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.senders import SenderTable
from manga_enrichment.pipeline.catalog.reader import check_bucket_count
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.labels.store import labelled
from manga_enrichment.pipeline.trials.run import TrialQuestion, Trials

TRIAL_JOB = "trial"
_DOCUMENT = "candidate.toml"


class TrialConfig(dg.Config):
    """models and candidate: at least one contender in all. `_offered` makes enums of analysis and models."""

    analysis: Any
    models: list[Any]
    candidate: str = Field("", description="text of a document (TOML) of the analysis, with another prompt or model")
    titles: int = Field(200, ge=1, le=10_000, description="titles to ask about, drawn from the catalog")
    seed: int = Field(1, description="the same seed draws the same titles")
    cap_usd: float = Field(1.0, ge=0, description="what it may cost at most, within the caps of the day")
    dry_run: bool = Field(False, description="say what it would ask and cost, and ask nothing")


def _offered(inputs: DefinitionInputs) -> type[TrialConfig]:
    """With the analyses and models that there are, which the launchpad offers."""
    aliases = GenericAlias(list, (_enum("ModelAlias", sorted(inputs.models.aliases)),))
    fields: dict[str, Any] = {
        "analysis": (_enum("Analysis", inputs.analyses), Field(description="the analysis that is tried")),
        "models": (aliases, Field(default_factory=list, description="models that are asked by today's document")),
    }
    return create_model("OfferedTrialConfig", __base__=TrialConfig, **fields)


def _enum(name: str, values: Iterable[str]) -> Any:
    return Enum(name, [(value, value) for value in values])


def build_trial_job(inputs: DefinitionInputs) -> dg.JobDefinition:
    offered = _offered(inputs)

    @dg.op(
        name="try_candidates",
        description="Ask a sample under other prompts and models; compare with today's answers.",
        retry_policy=OP_RETRY_POLICY,
        tags={"kind": "bedrock"},
    )
    def try_candidates(
        context: dg.OpExecutionContext,
        config: offered,  # type: ignore[valid-type]
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        senders: dg.ResourceParam[SenderTable],
        open_model: dg.ResourceParam[Callable[[], FoundationModel]],
        clock: dg.ResourceParam[Clock],
    ) -> None:
        time = OpTime.of(context, clock, inputs.settings.deadline_seconds)
        gateways = InvokeGateways(ledger, budget, senders, open_model, clock)
        with configuration_errors_are_final(time.left_seconds):
            _try(context, cast("TrialConfig", config), inputs, tables, gateways, time.left_seconds())

    @dg.job(
        name=TRIAL_JOB,
        description="Try prompts and models on a sample before they are paid for; its answers stay in the ledger.",
        tags=TRIAL_LANE,
    )
    def trial() -> None:
        try_candidates()

    return trial


def _try(
    context: dg.OpExecutionContext,
    wish: TrialConfig,
    inputs: DefinitionInputs,
    tables: ObjectStore,
    gateways: InvokeGateways,
    left_seconds: float,
) -> None:
    buckets = inputs.settings.catalog_buckets
    check_bucket_count(tables, buckets)
    settings = invoke_settings(inputs.settings, BACKFILL, left_seconds)
    say = progress_of(context)
    trials = Trials(tables, gateways, settings, inputs.analyses, buckets, say)
    question = _question(wish, inputs, tables)
    planned = trials.plan(question)
    if wish.dry_run:
        say(f"dry run: {planned.sentence()}")
        context.add_output_metadata({"result": planned.sentence()})
    else:
        say(planned.sentence())
        report = trials.run(question, planned, f"{context.run_id}:{context.retry_number}")
        say(f"tried on {report.titles:,} titles, {usd(report.billed_micro_usd):.4f} USD billed")
        context.add_output_metadata(_metadata(report, tables))


def _question(config: TrialConfig, inputs: DefinitionInputs, tables: ObjectStore) -> TrialQuestion:
    """Truth is what the store of labels has. Raises ConfigurationError."""
    documents = {_DOCUMENT: config.candidate} if config.candidate.strip() else {}
    analysis = inputs.analyses[config.analysis.value]
    models = [each.value for each in config.models]
    today, contenders = entered(analysis, inputs.analyses, inputs.models, documents, models)
    truth = labelled(tables, analysis.parts or [analysis.name])
    cap = micro_usd_from_usd(config.cap_usd)
    return TrialQuestion(today, contenders, config.titles, config.seed, cap, truth, truth_is_given=False)


def _metadata(report: TrialReport, tables: ObjectStore) -> dict[str, Any]:
    from manga_enrichment.pipeline.trials.keeping import keep_report  # noqa: PLC0415 (its charts are heavy to load)
    from manga_enrichment.pipeline.trials.page import trial_summary  # noqa: PLC0415

    return {
        "summary": dg.MetadataValue.md(trial_summary(report)),
        "page": keep_report(tables, report),
        "billed_usd": usd(report.billed_micro_usd),
        "estimated_usd": usd(report.estimated_micro_usd),
        "is_complete": not report.stopped,
    }
