"""`docs/tables.md`, generated from what the Parquet schemas are made from; a test holds file and code together."""

from collections.abc import Iterable, Sequence

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.candidates import CANDIDATE_COLUMNS
from manga_enrichment.domain.catalog_columns import CATALOG_COLUMNS, REJECT_COLUMNS
from manga_enrichment.domain.columns import Column, ColumnType, ListOf, StructOf
from manga_enrichment.domain.costs import COST_COLUMNS
from manga_enrichment.domain.partner_results import PARTNER_RESULT_COLUMNS
from manga_enrichment.domain.queue_observations import QUEUE_OBSERVATION_COLUMNS
from manga_enrichment.domain.table_columns import OUTCOME_COLUMNS, REQUEST_COLUMNS, analysis_columns
from manga_enrichment.pipeline.enriched import TABLE, enriched_columns

_HEAD = """# Tables

Parquet on S3, zstd, sorted by `manga_id`, one object per table and bucket, each replaced whole: a reader sees the old
version or the new one, never half. The partition key is in the path, not in the file. All times are UTC. Generated with
`manga-enrichment table-docs`.
"""


def tables_markdown(analyses: Sequence[AnalysisType]) -> str:
    """The whole document."""
    singles = [analysis for analysis in analyses if not analysis.parts]
    bucketed = "enrichment/{}/bucket=<b>/part.parquet"
    sections = [
        _section(TABLE, "One wide row per title; what most analysts want.", bucketed, enriched_columns(singles)),
        *(_section(a.name, a.description, bucketed, analysis_columns(a)) for a in singles),
        _section("catalog", "The titles as imported and cleaned.", bucketed, CATALOG_COLUMNS),
        _section(
            "catalog_rejects", "Rows of the source that are no titles.", "enrichment/{}/part.parquet", REJECT_COLUMNS
        ),
        _section("similar_candidates", "Titles a model may name as similar.", bucketed, CANDIDATE_COLUMNS),
        _section(
            "outcomes",
            "Every title accounted for, per analysis: answered, too little text, left for the next run, failed.",
            "enrichment/{}/analysis=<a>/bucket=<b>/part.parquet",
            OUTCOME_COLUMNS,
        ),
        _section(
            "requests",
            "Append-only log of every request to a model, and of titles decided without one. Costs add up here.",
            "enrichment/{}/run_date=<d>/<run>-<analysis>-<b>.parquet",
            REQUEST_COLUMNS,
        ),
        _section(
            "partner_results",
            "What partners got, item by item: one object per request, under the UTC day it was submitted.",
            "enrichment/{}/date=<d>/<request_id>.parquet",
            PARTNER_RESULT_COLUMNS,
        ),
        _section(
            "enrichment_costs",
            "The requests log of a UTC day added up: one row per run, analysis, model, trigger, partner and lane.",
            "enrichment/{}/date=<d>/part.parquet",
            COST_COLUMNS,
        ),
        _section(
            "queue_observations",
            "How full the queues were, one row per queue every 5 minutes: one object per UTC day.",
            "enrichment/{}/date=<d>/part.parquet",
            QUEUE_OBSERVATION_COLUMNS,
        ),
    ]
    return "\n".join([_HEAD, *sections])


def _section(name: str, description: str, path: str, columns: Iterable[Column]) -> str:
    lines = [
        f"## {name}",
        "",
        description,
        "",
        f"`{path.format(name)}`",
        "",
        "| column | type | meaning |",
        "|---|---|---|",
    ]
    for column in columns:
        null = "" if column.nullable else ", never null"
        lines.append(f"| {column.name} | {type_name(column.type)}{null} | {column.doc.replace('|', '¦')} |")
    return "\n".join([*lines, ""])


def type_name(column_type: ColumnType) -> str:
    """As people read it: list<string>, struct<genre string, confidence float64>."""
    if isinstance(column_type, ListOf):
        return f"list<{type_name(column_type.item)}>"
    if isinstance(column_type, StructOf):
        return f"struct<{', '.join(f'{name} {kind}' for name, kind in column_type.fields)}>"
    return column_type
