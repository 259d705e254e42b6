"""Rows of `enrichment_costs` for what carried partners' requests: estimates, in columns of their own.

Belongs here: finding the requests of a day, by run and partner. Stays out: prices and counts
(`domain/operations/service_costs.py`), the rows of the model's bill (`daily_costs.py`).
"""

from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc

from manga_enrichment.domain.operations.service_costs import ServedRequest, estimate, load_prices
from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER
from manga_enrichment.pipeline.partner.stored.results import each_result_once
from manga_enrichment.pipeline.store.hour_groups import read_once
from manga_enrichment.pipeline.store.object_keys import partner_results_prefix

_READ = ["dagster_run_id", "partner_id", "analysis", "accepted_at", "completed_at", "by_api"]
_KEY = ["request_id", "generation", "position"]
ANALYSIS = "requests"
"""Stands for an analysis in these rows."""


def service_rows(tables: ObjectStore, day: str) -> list[dict[str, Any]]:
    """One row for each run and partner: requests submitted on that UTC day that have been answered."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in _answered(tables, day):
        groups.setdefault((row["dagster_run_id"], row["partner_id"]), []).append(row)
    return [_row(*key, rows) for key, rows in groups.items()]


def _answered(tables: ObjectStore, day: str) -> Iterator[dict[str, Any]]:
    """One row of each request; those of releases that noted no times are left out."""
    for table in read_once(tables, partner_results_prefix(day), each_result_once, _READ, _KEY):
        if "by_api" in table.column_names:
            noted = pc.field("accepted_at").is_valid() & pc.field("by_api").is_valid()
            yield from table.filter(noted & (pc.field("position") == 0)).to_pylist()


def _row(run_id: str, partner_id: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    found = estimate(map(_served, rows), load_prices())
    return {
        "dagster_run_id": run_id,
        "analysis": ANALYSIS,
        "trigger": PARTNER_TRIGGER,
        "partner_id": partner_id,
        "lane": "on_demand",
        "first_at": min(row["accepted_at"] for row in rows),
        "last_at": max(row["completed_at"] for row in rows),
        "requests": found.requests,
        "sqs_estimate_micro_usd": found.sqs_micro_usd,
        "api_estimate_micro_usd": found.api_micro_usd,
        "workflow_estimate_micro_usd": found.workflow_micro_usd,
    }


def _served(row: dict[str, Any]) -> ServedRequest:
    seconds = max(0.0, (row["completed_at"] - row["accepted_at"]).total_seconds())
    return ServedRequest(row["generation"], row["by_api"], row["analysis"] == CONVERSATION.name, seconds)
