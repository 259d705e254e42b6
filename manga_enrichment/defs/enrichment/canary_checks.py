"""The check of a canary, which decides whether the rest of the catalog is asked.

Belongs here: the check, putting its verdict down. Stays out: the verdict (`pipeline/enrichment/canaries.py`), holding
titles back (`pipeline/enrichment/planner.py`).
"""

import dagster as dg

from manga_enrichment.defs.enrichment.analysis_checks import Check, Looking
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.severity import with_next_step
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.trials.canary import CanaryState
from manga_enrichment.pipeline.enrichment.canaries import Verdict, is_in_force, judge

CANARY_CHECK = "answers_have_not_drifted"


_MORE_TITLES = "accept it (`manga-enrichment canary accept`), or begin one over more titles"


def canary_check(analysis: AnalysisType, inputs: DefinitionInputs) -> Check:
    def look(at: Looking) -> dg.AssetCheckResult:
        canary = at.status.canary(analysis.name)
        if canary is None or not is_in_force(canary, inputs.analyses, inputs.models):
            return dg.AssetCheckResult(passed=True, description="there is no canary")
        if canary.state is not CanaryState.ASKING:
            return _result(Verdict(canary, canary.said))
        verdict = judge(canary, at.tables, inputs.buckets, inputs.analyses, inputs.models)
        if verdict.canary.state is not CanaryState.ASKING:
            at.status.judge_canary(verdict.canary)
        return _result(verdict)

    spec = dg.AssetCheckSpec(
        CANARY_CHECK,
        asset=analysis.name,
        additional_deps=list(analysis.parts),  # a combined one is judged by their tables
        description="The answers of a canary are distributed as those before it; only then is the rest asked.",
    )
    return Check(spec, look)


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
