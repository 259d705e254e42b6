"""Reading the requests log: one run's requests summed up.

Belongs here: which objects belong to a run, sums over them. Stays out: writing the log
(`pipeline/log/append.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow.compute as pc

from manga_enrichment.domain.outcomes.next_steps import by_class
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.log.read import read_log
from manga_enrichment.pipeline.store.object_keys import requests_prefix

_KINDS = ["analysis", "status", "error_class"]
_COLUMNS = [*_KINDS, "attempt", "cost_micro_usd", "dagster_run_id"]


@dataclass(slots=True)
class RunCosts:
    """One run: attempts at calls, titles that got a final word after being asked, what it cost.

    failed_by: titles by error class and analysis.
    """

    run_id: str = ""
    calls: int = 0
    titles: int = 0
    failed: int = 0
    cost_micro_usd: int = 0
    cost_by_analysis: Counter[str] = field(default_factory=Counter)
    failed_by: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def failed_by_class(self) -> Counter[str]:
        return by_class(self.failed_by)

    @property
    def error_rate(self) -> float:
        return self.failed / self.titles if self.titles else 0.0


def run_costs(tables: ObjectStore, run_id: str, days: Iterable[str]) -> RunCosts:
    """Sums over what the log has of this run under these UTC days: a run is logged under the one it began on."""
    costs = RunCosts(run_id)
    known = list(days)
    own = [key for day in known for key in tables.list_keys(f"{requests_prefix(day)}{run_id}-")]
    parts = (found.table for key in own if (found := tables.read(key, _COLUMNS)) is not None)
    if not own:  # a partner run's rows lie with those of others
        parts = (rows for day in known for rows in read_log(tables, day, _COLUMNS))
    for part in parts:
        sent = part.filter((pc.field("attempt") > 0) & (pc.field("dagster_run_id") == run_id))
        kinds = sent.group_by(_KINDS).aggregate([([], "count_all"), ("cost_micro_usd", "sum")])
        for kind in kinds.to_pylist():
            _add(costs, kind, kind["count_all"], kind["cost_micro_usd_sum"])
    return costs


def _add(costs: RunCosts, kind: Mapping[str, str], rows: int, cost_micro_usd: int) -> None:
    costs.calls += rows
    costs.cost_micro_usd += cost_micro_usd
    costs.cost_by_analysis[kind["analysis"]] += cost_micro_usd
    if kind["status"] != "retried":
        costs.titles += rows
        if kind["status"] == Outcome.FAILED.value:
            costs.failed += rows
            costs.failed_by[kind["error_class"], kind["analysis"]] += rows


def latest_run(tables: ObjectStore, days: Sequence[str]) -> str | None:
    """The run of the last of these days with a log that sent or decided something last; None when there is no log."""
    newest: tuple[datetime, str] | None = None
    day = next((day for day in reversed(days) if tables.list_keys(requests_prefix(day))), None)
    for rows in read_log(tables, day, ["started_at", "dagster_run_id"]) if day else ():
        if rows.num_rows:
            [last] = rows.take(pc.select_k_unstable(rows, 1, [("started_at", "descending")])).to_pylist()
            newest = max(newest or (last["started_at"], ""), (last["started_at"], last["dagster_run_id"]))
    return newest[1] if newest else None
