"""Checks of the tables: every row is sound, most titles are covered. A broken table stops `enriched_catalog`."""

from collections.abc import Mapping, Sequence

import dagster as dg

from manga_enrichment.defs.checks.severity import graded
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.gateways import TableStore
from manga_enrichment.pipeline.quality import check_rows, count_outcomes, coverage, outcome_summary
from manga_enrichment.settings import Settings


def build_quality_checks(
    analyses: Mapping[str, AnalysisType], buckets: Sequence[str], settings: Settings
) -> list[dg.AssetChecksDefinition]:
    checks = []
    for analysis in analyses.values():
        if not analysis.parts:
            checks += [_rows_are_valid(analysis, buckets), _titles_are_covered(analysis, buckets, settings)]
    return checks


def _rows_are_valid(analysis: AnalysisType, buckets: Sequence[str]) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=analysis.name,
        name="rows_are_valid",
        blocking=True,
        description="Every row fits the schema, names a title of the catalog once, and refers only to existing titles.",
    )
    def rows_are_valid(tables: dg.ResourceParam[TableStore]) -> dg.AssetCheckResult:
        report = check_rows(tables, analysis, buckets)
        return dg.AssetCheckResult(
            passed=not report.problems,
            severity=dg.AssetCheckSeverity.ERROR,
            description="; ".join(report.examples) or f"{report.rows} rows are sound",
            metadata={"rows": report.rows, "problems": sum(report.problems.values()), **report.problems},
        )

    return rows_are_valid


def _titles_are_covered(analysis: AnalysisType, buckets: Sequence[str], settings: Settings) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=analysis.name,
        name="titles_are_covered",
        description="Of the titles with enough text, the share that has an answer is at least MANGA_COVERAGE_WARN.",
    )
    def titles_are_covered(tables: dg.ResourceParam[TableStore]) -> dg.AssetCheckResult:
        counts = count_outcomes(tables, analysis.name, buckets)
        share = coverage(counts)
        return graded(
            1 - share,
            warn_above=1 - settings.coverage_warn,
            error_above=1.0,
            description=f"{share:.1%} of the titles with enough text are answered",
            metadata={"coverage": share, **outcome_summary(counts)},
        )

    return titles_are_covered
