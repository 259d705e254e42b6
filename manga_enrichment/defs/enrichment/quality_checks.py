"""Checks of the tables: every row is sound, most titles are covered. A broken table stops `enriched_catalog`.

They look at the buckets of their run: others may be waiting for a run of their own that brings them up to date.
"""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.policies import store_check
from manga_enrichment.defs.shared.severity import graded_below, with_next_step
from manga_enrichment.defs.shared.tags import buckets_of_run
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.next_steps import NEXT_STEPS, by_class, counted, next_step
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.health.table_quality import (
    QualityReport,
    check_given_up,
    check_references,
    check_rows,
    count_deferred,
    count_missing,
    count_outcomes,
    coverage,
    outcome_summary,
    refers_to_titles,
)


def build_quality_checks(inputs: DefinitionInputs) -> list[dg.AssetChecksDefinition]:
    checks, buckets = [], inputs.buckets
    for analysis in inputs.analyses.values():
        if not analysis.parts:
            checks += [
                _rows_are_valid(analysis, buckets),
                _titles_are_covered(analysis, buckets, inputs.settings.coverage_warn),
                _budget_sufficed(analysis, buckets),
                _no_title_was_given_up(analysis, buckets),
            ]
        if refers_to_titles(analysis):
            checks.append(_referenced_titles_exist(analysis, buckets))
    return checks


def _rows_are_valid(analysis: AnalysisType, buckets: Sequence[str]) -> dg.AssetChecksDefinition:
    @store_check(
        asset=analysis.name,
        name="rows_are_valid",
        blocking=True,
        description="Every row fits the schema, names a title of the catalog once, and has only values that are known.",
    )
    def rows_are_valid(
        context: dg.AssetCheckExecutionContext, tables: dg.ResourceParam[ObjectStore]
    ) -> dg.AssetCheckResult:
        report = check_rows(tables, analysis, buckets_of_run(context.run.tags, buckets))
        return _result(report, dg.AssetCheckSeverity.ERROR, "materialize these buckets of this analysis again")

    return rows_are_valid


def _referenced_titles_exist(analysis: AnalysisType, buckets: Sequence[str]) -> dg.AssetChecksDefinition:
    @store_check(
        asset=analysis.name,
        name="referenced_titles_exist",
        description="Titles that a row names are in the catalog; a row that names one that left is due to be renewed.",
    )
    def referenced_titles_exist(
        context: dg.AssetCheckExecutionContext, tables: dg.ResourceParam[ObjectStore]
    ) -> dg.AssetCheckResult:
        report = check_references(tables, analysis, buckets_of_run(context.run.tags, buckets), buckets)
        return _result(report, dg.AssetCheckSeverity.WARN, "nothing: the next run asks for lists that name who left")

    return referenced_titles_exist


def _result(report: QualityReport, severity: dg.AssetCheckSeverity, next_step: str) -> dg.AssetCheckResult:
    result = dg.AssetCheckResult(
        passed=not report.problems,
        severity=severity,
        description="; ".join(report.examples) or f"{report.rows} rows are sound",
        metadata={"rows": report.rows, "problems": sum(report.problems.values()), **report.problems},
    )
    return with_next_step(result, next_step)


def _titles_are_covered(
    analysis: AnalysisType, buckets: Sequence[str], coverage_warn: float
) -> dg.AssetChecksDefinition:
    @store_check(
        asset=analysis.name,
        name="titles_are_covered",
        description="Of the titles with enough text, the share that has an answer is at least MANGA_COVERAGE_WARN.",
    )
    def titles_are_covered(
        context: dg.AssetCheckExecutionContext, tables: dg.ResourceParam[ObjectStore]
    ) -> dg.AssetCheckResult:
        own = buckets_of_run(context.run.tags, buckets)
        counts = count_outcomes(tables, analysis.name, own)
        share, missing = coverage(counts), count_missing(tables, analysis.name, own)
        why = f": {counted(by_class(missing))}" if missing else ""
        return graded_below(
            share,
            warn_below=coverage_warn,
            description=f"{share:.1%} of the titles with enough text are answered{why}",
            next_step=_next_step(missing),
            metadata={"coverage": share, **outcome_summary(counts)},
        )

    return titles_are_covered


def _next_step(missing: Counter[tuple[str, bool]]) -> str:
    """Of what most answers are missing for."""
    if not missing:
        return ""
    (error_class, transient), _count = missing.most_common(1)[0]
    return next_step(error_class, asked_again=transient)


def _budget_sufficed(analysis: AnalysisType, buckets: Sequence[str]) -> dg.AssetChecksDefinition:
    @store_check(
        asset=analysis.name,
        name="budget_sufficed",
        description="No title was left for the next run because a budget was spent.",
    )
    def budget_sufficed(
        context: dg.AssetCheckExecutionContext, tables: dg.ResourceParam[ObjectStore]
    ) -> dg.AssetCheckResult:
        left = count_deferred(tables, analysis.name, buckets_of_run(context.run.tags, buckets))
        unfunded = left[ErrorClass.BUDGET.value]
        said = f"{unfunded} titles are left for the next run: a MANGA_BUDGET_USD_... is spent"
        result = dg.AssetCheckResult(
            passed=not unfunded,
            severity=dg.AssetCheckSeverity.WARN,
            description=said if unfunded else "no title was left for want of money",
            metadata={"left_by_budget": unfunded, **{f"left_{name}": count for name, count in sorted(left.items())}},
        )
        return with_next_step(result, NEXT_STEPS[ErrorClass.BUDGET])

    return budget_sufficed


def _no_title_was_given_up(analysis: AnalysisType, buckets: Sequence[str]) -> dg.AssetChecksDefinition:
    @store_check(
        asset=analysis.name,
        name="no_title_was_given_up",
        description="No title is asked no more because what the model gave was no answer in three runs.",
    )
    def no_title_was_given_up(
        context: dg.AssetCheckExecutionContext, tables: dg.ResourceParam[ObjectStore]
    ) -> dg.AssetCheckResult:
        report = check_given_up(tables, analysis.name, buckets_of_run(context.run.tags, buckets))
        return _result(report, dg.AssetCheckSeverity.WARN, NEXT_STEPS[ErrorClass.UNANSWERABLE])

    return no_title_was_given_up
