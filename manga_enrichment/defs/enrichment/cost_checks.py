"""Checks of one run's money and failures, and of the models' last days.

Belongs here: grading what a run did. Stays out: whole days (`defs/costs/checks.py`).
"""

from collections.abc import Mapping

import dagster as dg

from manga_enrichment.defs.enrichment.analysis_checks import Check, Looking
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.severity import graded
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.outcomes.next_steps import counted, next_step
from manga_enrichment.pipeline.enrichment.wide_table import TABLE
from manga_enrichment.pipeline.health.run_costs import RunCosts
from manga_enrichment.settings import Settings

END_OF_LIFE_DAYS = 90


def cost_checks(inputs: DefinitionInputs) -> list[Check]:
    """On `enriched_catalog`, so that they see the whole run."""
    return [_cost_per_run_within_limits(inputs.settings), _error_rate_within_limits(inputs)]


def _cost_per_run_within_limits(settings: Settings) -> Check:
    def look(at: Looking) -> dg.AssetCheckResult:
        costs = at.costs
        return graded(
            usd(costs.cost_micro_usd),
            warn_above=settings.cost_per_run_usd_warn,
            error_above=settings.cost_per_run_usd_error,
            description=f"{usd(costs.cost_micro_usd):.6f} USD for {costs.calls} calls",
            next_step="look at what it asked and why (metadata of the op plan); MANGA_BUDGET_USD_PER_RUN is a cap",
            metadata={
                "cost_usd": usd(costs.cost_micro_usd),
                "calls": costs.calls,
                "run_id": costs.run_id,
                **{f"cost_usd_{name}": usd(amount) for name, amount in costs.cost_by_analysis.items()},
            },
        )

    said = "Cost of the whole run, against the settings' limits."
    return Check(dg.AssetCheckSpec("cost_per_run_within_limits", asset=TABLE, description=said), look)


def _error_rate_within_limits(inputs: DefinitionInputs) -> Check:
    settings = inputs.settings

    def look(at: Looking) -> dg.AssetCheckResult:
        costs = at.costs
        return graded(
            costs.error_rate,
            warn_above=settings.error_rate_warn,
            error_above=settings.error_rate_error,
            description=f"{costs.failed} of {costs.titles} asked titles failed{_classes(costs)}",
            next_step=_next_step(costs, inputs.analyses),
            metadata={
                "error_rate": costs.error_rate,
                "failed": costs.failed,
                "titles": costs.titles,
                **{f"failed_{name}": count for name, count in costs.failed_by_class.items()},
            },
        )

    said = "Share of the asked titles that failed in the run."
    return Check(dg.AssetCheckSpec("error_rate_within_limits", asset=TABLE, description=said), look)


def _classes(costs: RunCosts) -> str:
    return f": {counted(costs.failed_by_class)}" if costs.failed else ""


def _next_step(costs: RunCosts, analyses: Mapping[str, AnalysisType]) -> str:
    """Of what most of them failed by. Parts of a combined analysis that failed are asked each by itself."""
    if not costs.failed:
        return ""
    (error_class, analysis), _count = costs.failed_by.most_common(1)[0]
    in_parts = analysis in analyses and bool(analyses[analysis].parts)
    return next_step(error_class, asked_again=in_parts)


def model_check(analysis: AnalysisType, models: ModelCatalog) -> Check:
    def look(at: Looking) -> dg.AssetCheckResult:
        model = models.asked_for(analysis.name, analysis.model_alias)
        today = at.clock.now().date()
        gone = model.ends_within(0, today)
        end = model.end_of_life.isoformat() if model.end_of_life else "no date announced"
        return dg.AssetCheckResult(
            passed=not model.ends_within(END_OF_LIFE_DAYS, today),
            severity=dg.AssetCheckSeverity.ERROR if gone else dg.AssetCheckSeverity.WARN,
            description=f"{model.model_id}: end of life {end}; another model is set with MANGA_MODEL_ALIASES",
            metadata={"model_id": model.model_id, "end_of_life": end},
        )

    spec = dg.AssetCheckSpec(
        "model_is_not_ending",
        asset=analysis.name,
        description=f"The model is sold for at least {END_OF_LIFE_DAYS} more days (ERROR when it is gone).",
    )
    return Check(spec, look)
