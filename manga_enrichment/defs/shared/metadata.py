"""Metadata of assets, checks and ops that more than one room writes: tables for people, numbers of calls.

Belongs here: forms. Stays out: what one room alone shows (beside its assets).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from manga_enrichment.domain.text.shown import inert
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport

ROW_COUNT = "dagster/row_count"
"""Dagster's own name: the UI shows it beside a table."""
_CELL_CHARACTERS = 80


def invoke_metadata(report: InvokeReport) -> dict[str, Any]:
    """Its numbers, without those that say nothing."""
    values = report.as_dict()
    values["cost_usd"] = values.pop("cost_micro_usd") / 1e6
    return {name: value for name, value in values.items() if value not in ("", {}, None)}


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
