"""Checks of the tables: every row is sound, most titles are covered. A broken table stops `enriched_catalog`.

They look at the buckets of their run: others may be waiting for a run of their own that brings them up to date.

Belongs here: what holds of an analysis' table and outcomes, and how bad it is if not. Stays out: the op that looks
(`defs/enrichment/analysis_checks.py`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import dagster as dg

from manga_enrichment.defs.enrichment.analysis_checks import Check, Looking
from manga_enrichment.defs.shared.severity import graded_below, with_next_step
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.next_steps import NEXT_STEPS, by_class, counted, next_step
from manga_enrichment.pipeline.health.table_quality import (
    QualityReport,
    check_references,
    check_rows,
    coverage,
    outcome_summary,
    refers_to_titles,
)


def quality_checks(analysis: AnalysisType, buckets: Sequence[str], coverage_warn: float) -> Iterator[Check]:
    """buckets: all of them. A combined analysis has no table, so there is nothing to check."""
    if not analysis.parts:
        yield _rows_are_valid(analysis)
        yield _titles_are_covered(analysis, coverage_warn)
        yield _budget_sufficed(analysis)
        yield _no_title_was_given_up(analysis)
    if refers_to_titles(analysis):
        yield _referenced_titles_exist(analysis, buckets)


def _rows_are_valid(analysis: AnalysisType) -> Check:
    said = "Every row fits the schema, names a title of the catalog once, and has only values that are known."

    def look(at: Looking) -> dg.AssetCheckResult:
        report = check_rows(at.tables, analysis, at.buckets, at.ids)
        return _result(report, dg.AssetCheckSeverity.ERROR, "materialize these buckets of this analysis again")

    return Check(
        dg.AssetCheckSpec("rows_are_valid", asset=analysis.name, description=said, blocking=True),
        look,
    )


def _referenced_titles_exist(analysis: AnalysisType, buckets: Sequence[str]) -> Check:
    said = "Titles that a row names are in the catalog; a row that names one that left is due to be renewed."

    def look(at: Looking) -> dg.AssetCheckResult:
        report = check_references(at.tables, analysis, at.buckets, buckets, at.ids)
        return _result(report, dg.AssetCheckSeverity.WARN, "nothing: the next run asks for lists that name who left")

    return Check(dg.AssetCheckSpec("referenced_titles_exist", asset=analysis.name, description=said), look)


def _result(report: QualityReport, severity: dg.AssetCheckSeverity, next_step: str) -> dg.AssetCheckResult:
    result = dg.AssetCheckResult(
        passed=not report.problems,
        severity=severity,
        description="; ".join(report.examples) or f"{report.rows} rows are sound",
        metadata={"rows": report.rows, "problems": sum(report.problems.values()), **report.problems},
    )
    return with_next_step(result, next_step)


def _titles_are_covered(analysis: AnalysisType, coverage_warn: float) -> Check:
    said = "Of the titles with enough text, the share that has an answer is at least MANGA_COVERAGE_WARN."

    def look(at: Looking) -> dg.AssetCheckResult:
        counts, missing = at.outcomes.standings, at.outcomes.missing
        share = coverage(counts)
        why = f": {counted(by_class(missing))}" if missing else ""
        return graded_below(
            share,
            warn_below=coverage_warn,
            description=f"{share:.1%} of the titles with enough text are answered{why}",
            next_step=_next_step(missing),
            metadata={"coverage": share, **outcome_summary(counts)},
        )

    return Check(dg.AssetCheckSpec("titles_are_covered", asset=analysis.name, description=said), look)


def _next_step(missing: Counter[tuple[str, bool]]) -> str:
    """Of what most answers are missing for."""
    if not missing:
        return ""
    (error_class, transient), _count = missing.most_common(1)[0]
    return next_step(error_class, asked_again=transient)


def _budget_sufficed(analysis: AnalysisType) -> Check:
    def look(at: Looking) -> dg.AssetCheckResult:
        left = at.outcomes.deferred
        unfunded = left[ErrorClass.BUDGET.value]
        said = f"{unfunded} titles are left for the next run: a MANGA_BUDGET_USD_... is spent"
        result = dg.AssetCheckResult(
            passed=not unfunded,
            severity=dg.AssetCheckSeverity.WARN,
            description=said if unfunded else "no title was left for want of money",
            metadata={"left_by_budget": unfunded, **{f"left_{name}": count for name, count in sorted(left.items())}},
        )
        return with_next_step(result, NEXT_STEPS[ErrorClass.BUDGET])

    said = "No title was left for the next run because a budget was spent."
    return Check(dg.AssetCheckSpec("budget_sufficed", asset=analysis.name, description=said), look)


def _no_title_was_given_up(analysis: AnalysisType) -> Check:
    said = "No title is asked no more because what the model gave was no answer in three runs."

    def look(at: Looking) -> dg.AssetCheckResult:
        report = at.outcomes.check_given_up()
        return _result(report, dg.AssetCheckSeverity.WARN, NEXT_STEPS[ErrorClass.UNANSWERABLE])

    return Check(dg.AssetCheckSpec("no_title_was_given_up", asset=analysis.name, description=said), look)
