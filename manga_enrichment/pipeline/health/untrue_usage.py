"""Usage that could not be true: requests that are booked at their estimate instead.

Belongs here: finding them in the requests log. Stays out: the bounds (`pipeline/engine/money/billing.py`).
"""

from collections.abc import Iterable
from typing import Any

import pyarrow.compute as pc

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.money.billing import ESTIMATED
from manga_enrichment.pipeline.log.read import read_log

_SHOWN = ("started_at", "manga_id", "analysis", "model_id", "message", "cost_micro_usd", "dagster_run_id")


def untrue_usage(objects: ObjectStore, days: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of these UTC days, newest first."""
    found: list[dict[str, Any]] = []
    for rows in (rows for day in days for rows in read_log(objects, day, _SHOWN)):
        found += rows.filter(pc.starts_with(pc.field("message"), ESTIMATED)).to_pylist()
    return sorted(found, key=lambda row: row["started_at"], reverse=True)
