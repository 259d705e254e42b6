"""What a plan and a written table say of themselves in the UI: numbers it can plot, previews people can read.

Belongs here: reports of plan and write as metadata. Stays out: forms that others use too (`defs/shared/metadata.py`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.metadata import ROW_COUNT, markdown_table
from manga_enrichment.defs.shared.tables import preview_of
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.status import PartitionStatus, StatusStore
from manga_enrichment.pipeline.enrichment.plan_run import PlanReport
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.enrichment.write import WriteReport

_PLAN_ACTIONS = (Action.ASK, Action.USE_LEDGER, Action.INSUFFICIENT, Action.FAILED_BEFORE, Action.PENDING)


def plan_sentence(report: PlanReport, *, dry_run: bool) -> str:
    """The result of a dry run; of any other, what it is about to do."""
    what = f"{report.calls:,} calls about {report.titles:,} titles, about {usd(report.estimated_micro_usd):.4f} USD"
    by_name = {name: plan.calls for name, plan in sorted(report.analyses.items()) if plan.calls}
    of = f" ({', '.join(f'{name} {calls:,}' for name, calls in by_name.items())})" if by_name else ""
    return f"dry run: would make {what}{of}; nothing was asked" if dry_run else f"planned: {what}{of}"


def plan_metadata(report: PlanReport) -> dict[str, Any]:
    lines = [
        "| analysis | calls | from ledger | too little text | failed before | in a batch job | estimate USD |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, plan in sorted(report.analyses.items()):
        numbers = [plan.actions.get(action.value, 0) for action in _PLAN_ACTIONS]
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} | {usd(plan.estimated_micro_usd):.6f} |")
    return {
        "plan": dg.MetadataValue.md("\n".join(lines)),
        "titles": report.titles,
        "calls": report.calls,
        "estimated_cost_usd": usd(report.estimated_micro_usd),
    }


def write_metadata(report: WriteReport) -> dict[str, Any]:
    """Flat numbers per partition, a preview table, and where the table is."""
    numbers = report.numbers
    metadata: dict[str, Any] = {
        "titles": sum(report.outcomes.values()),
        ROW_COUNT: report.rows,
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
    return metadata | preview_of(report.preview)


def all_answers(status: StatusStore, analysis: str, buckets: Sequence[str]) -> dict[str, Any]:
    """buckets: all of them. Titles with an answer that counts today, and all titles; other runs may be writing, too.

    Nothing while the status table does not answer: the tables matter more.
    """
    try:
        counts = [state.counts for state in status.partitions(analysis, buckets)]
    except StoreUnavailableError:
        return {}
    return {
        "answered_in_all_partitions": sum(each.get(Outcome.SUCCEEDED.value, 0) for each in counts),
        "titles_in_all_partitions": sum(sum(each.values()) for each in counts),
    }


def partition_metadata(states: Sequence[PartitionStatus]) -> dict[str, Any]:
    """How the last work on one bucket ended, by analysis, as the status table has it; nothing when it has none."""
    rows = [
        {
            "analysis": state.analysis,
            "status": state.status,
            "titles": ", ".join(f"{count} {name}" for name, count in sorted(state.counts.items())),
            "USD": f"{usd(state.cost_micro_usd):.6f}",
            "error class": state.error_class or "-",
            "trigger": state.trigger,
            "updated": state.updated_at.isoformat(timespec="seconds"),
            "run": state.run_id,
        }
        for state in states
    ]
    return {"partitions": dg.MetadataValue.md(markdown_table(rows))} if rows else {}
