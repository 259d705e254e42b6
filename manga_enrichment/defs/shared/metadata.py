"""Reports as asset metadata: numbers the UI can plot, previews people can read."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.text.shown import inert
from manga_enrichment.pipeline.enrichment.plan_run import PlanReport
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.enrichment.write import WriteReport

_CELL_CHARACTERS = 80
_PLAN_ACTIONS = (Action.ASK, Action.USE_LEDGER, Action.INSUFFICIENT, Action.FAILED_BEFORE, Action.PENDING)


def plan_metadata(report: PlanReport) -> dict[str, Any]:
    lines = [
        "| analysis | calls | from ledger | too little text | failed before | in a batch job | estimate USD |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, plan in sorted(report.analyses.items()):
        numbers = [plan.actions.get(action.value, 0) for action in _PLAN_ACTIONS]
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} | {usd(plan.estimated_micro_usd):.6f} |")
    return {
        "titles": report.titles,
        "calls": report.calls,
        "estimated_cost_usd": usd(report.estimated_micro_usd),
        "plan": dg.MetadataValue.md("\n".join(lines)),
    }


def write_metadata(report: WriteReport) -> dict[str, Any]:
    """Flat numbers per partition, a preview table, and where the table is."""
    numbers = report.numbers
    metadata: dict[str, Any] = {
        "titles": sum(report.outcomes.values()),
        "dagster/row_count": report.rows,
        "new_rows": report.new_rows,
        "calls": numbers.calls,
        "cached": numbers.cached,
        "input_tokens": numbers.input_tokens,
        "output_tokens": numbers.output_tokens,
        "cost_usd": usd(numbers.cost_micro_usd),
        "latency_p50_ms": numbers.latency_p50_ms,
        "latency_p95_ms": numbers.latency_p95_ms,
        **{f"outcome_{name}": count for name, count in sorted(report.outcomes.items())},
        **{f"failed_{name}": count for name, count in sorted(report.error_classes.items())},
    }
    if report.uri:
        metadata["uri"] = report.uri
    if report.preview:
        metadata["preview"] = dg.MetadataValue.md(markdown_table(report.preview))
    return metadata


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows under the names of the first. No text in a cell is rendered, whatever it says."""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    """Numbers as they are; text may be a partner's or a model's."""
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return inert(text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…")
