"""The check of a canary, which decides whether the rest of the catalog is asked.

Belongs here: the check, putting its verdict down. Stays out: the verdict (`pipeline/enrichment/canaries.py`), holding
titles back (`pipeline/enrichment/planner.py`).
"""

import dagster as dg

from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.policies import store_check
from manga_enrichment.defs.shared.severity import with_next_step
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.trials.canary import CanaryState
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.status import StatusStore
from manga_enrichment.pipeline.enrichment.canaries import Verdict, is_in_force, judge

CANARY_CHECK = "answers_have_not_drifted"


_MORE_TITLES = "accept it (`manga-enrichment canary accept`), or begin one over more titles"


def build_canary_checks(inputs: DefinitionInputs) -> list[dg.AssetChecksDefinition]:
    return [_answers_have_not_drifted(analysis, inputs) for analysis in inputs.analyses.values()]


def _answers_have_not_drifted(analysis: AnalysisType, inputs: DefinitionInputs) -> dg.AssetChecksDefinition:
    @store_check(
        asset=analysis.name,
        name=CANARY_CHECK,
        additional_deps=list(analysis.parts),  # a combined one is judged by their tables
        description="The answers of a canary are distributed as those before it; only then is the rest asked.",
    )
    def answers_have_not_drifted(
        tables: dg.ResourceParam[ObjectStore], status: dg.ResourceParam[StatusStore]
    ) -> dg.AssetCheckResult:
        canary = status.canary(analysis.name)
        if canary is None or not is_in_force(canary, inputs.analyses, inputs.models):
            return dg.AssetCheckResult(passed=True, description="there is no canary")
        if canary.state is not CanaryState.ASKING:
            return _result(Verdict(canary, canary.said))
        verdict = judge(canary, tables, inputs.buckets, inputs.analyses, inputs.models)
        if verdict.canary.state is not CanaryState.ASKING:
            status.judge_canary(verdict.canary)
        return _result(verdict)

    return answers_have_not_drifted


def _result(verdict: Verdict) -> dg.AssetCheckResult:
    canary = verdict.canary
    has_failed = canary.state is CanaryState.FAILED
    lines = [
        f"| {table} | {each.what} | {each.test} | {each.effect:.3f} | {each.p_value:.3g} | {each.said} |"
        for table, each in verdict.findings
    ]
    head = ["| table | what | test | effect | p (Holm) | |", "|---|---|---|---|---|---|"]
    result = dg.AssetCheckResult(
        passed=not has_failed and not verdict.is_too_small,
        severity=dg.AssetCheckSeverity.ERROR if has_failed else dg.AssetCheckSeverity.WARN,
        description=f"stopped, nothing further is asked: {verdict.said}" if has_failed else verdict.said,
        metadata={
            "state": canary.state.value,
            "percent": canary.percent,
            "version": canary.version,
            "model": canary.model_id,
            **({"tests": dg.MetadataValue.md("\n".join([*head, *lines]))} if lines else {}),
        },
    )
    step = "take the change back, or accept it (`manga-enrichment canary accept`)" if has_failed else _MORE_TITLES
    return with_next_step(result, step)
