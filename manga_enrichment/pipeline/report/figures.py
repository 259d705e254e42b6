"""A report's own figures, kept from day to day, so that the next can say what changed.

Belongs here: which figures, by UTC day, and keeping them. Stays out: how a change is shown (`page.py`).

Figures of money and calls are taken from `enrichment_costs` for any day that it has; the others are known of days on
which the asset was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import report_figures_key

KEPT_DAYS = 60
History = Mapping[str, Mapping[str, float]]
"""UTC day -> name -> figure."""


@dataclass(frozen=True, slots=True)
class Change:
    """A figure less what it was; None where nobody knows what it was."""

    since_yesterday: float | None
    since_last_week: float | None


def read_history(tables: ObjectStore) -> History:
    stored = tables.read_json(report_figures_key())
    return stored["days"] if stored else {}


def keep_figures(tables: ObjectStore, today: date, figures: Mapping[str, float]) -> None:
    """Under today, in place of what an earlier report of the day said; days beyond KEPT_DAYS are dropped.

    Raises WriteConflictError where two are made at once; what tries again finds the other's.
    """
    stored = tables.read_document(report_figures_key())
    days = {**(stored.document["days"] if stored else {}), today.isoformat(): dict(figures)}
    kept = {day: days[day] for day in sorted(days)[-KEPT_DAYS:]}
    etag = stored.etag if stored else None
    tables.write_json(report_figures_key(), {"days": kept}, expected_etag=etag, new=stored is None)


def change_of(name: str, now: float, history: History, today: date) -> Change:
    """history: with the figures that the costs know of (`with_costs`)."""

    def since(days: int) -> float | None:
        before = history.get((today - timedelta(days=days)).isoformat(), {}).get(name)
        return None if before is None else now - before

    return Change(since(1), since(7))


def with_costs(history: History, costs: Sequence[Mapping[str, Any]]) -> History:
    """costs: rows of `enrichment_costs` with `day`."""
    days = {row["day"] for row in costs}
    return {**history, **{day: {**history.get(day, {}), **cost_figures(costs, day)} for day in days}}


def cost_figures(costs: Sequence[Mapping[str, Any]], day: str) -> dict[str, float]:
    """Of one day; a rate is left out where nothing was asked."""
    rows = [row for row in costs if row["day"] == day]
    sums = {name: sum(row[name] for row in rows) for name in ("cost_micro_usd", "calls", "answered", "throttled")}
    found: dict[str, float] = {"spent": sums["cost_micro_usd"], "calls": sums["calls"]}
    if sums["answered"]:
        found["per_thousand"] = sums["cost_micro_usd"] * 1_000 // sums["answered"]
    if sums["calls"]:
        found["throttled"] = sums["throttled"] / sums["calls"]
    return found
