"""The requests log of a day added up, and held against the budget counters.

Belongs here: the table `enrichment_costs`, reading it back, reconciling. Stays out: what is unusual
(`domain/operations/costs.py`).

A run's requests are logged, and its spend is counted, under the UTC day on which the run began; so both sides of the
reconciliation mean the same day, also for a run that passes midnight.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.operations.costs import (
    CATALOG,
    COST_COLUMNS,
    COST_KEYS,
    ESTIMATES,
    CallKind,
    Reconciliation,
    RunCost,
)
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.money.budget import day_counter, partner_counter
from manga_enrichment.pipeline.health.service_costs import service_rows
from manga_enrichment.pipeline.log.arrears import settle_arrears
from manga_enrichment.pipeline.log.read import read_log
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import costs_key

TABLE = "enrichment_costs"
SCHEMA = arrow_schema(COST_COLUMNS)

_READ = [
    *COST_KEYS,
    *("attempt", "status", "error_class", "maybe_billed", "cost_micro_usd", "started_at"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
]
_NOT_THE_CATALOG = ("partner", "trial")
AT_ONCE = 50
"""Parts whose sums are held."""
_NO_CALLS = {column.name: 0 for column in COST_COLUMNS if column.type == "int64"}
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def days_until(last: date, count: int) -> list[str]:
    """The `count` UTC days that end with `last`, as they stand in keys, oldest first."""
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(count))]


def write_day(tables: ObjectStore, day: str) -> pa.Table:
    """Add up the log of one UTC day and store the sums; the same log gives the same object. Returns the table.

    Beside them stand rows for what carried partners' requests, with estimates alone.
    """
    services = pa.Table.from_pylist([{**_NO_CALLS, **row} for row in service_rows(tables, day)], schema=SCHEMA)
    table = _ordered(pa.concat_tables([sum_log(_sent(tables, day)), services]))
    if table.num_rows or tables.read(costs_key(day)) is not None:
        tables.write(costs_key(day), table)
    return table


def read_days(tables: ObjectStore, days: Iterable[str]) -> dict[str, pa.Table]:
    """Day -> its sums, for days that have a table."""
    stored = {day: tables.read(costs_key(day)) for day in days}
    return {day: _of_any_release(found.table) for day, found in stored.items() if found is not None}


def sum_log(parts: Iterable[pa.Table]) -> pa.Table:
    """Tables of sent requests -> one row per run, analysis, model, trigger, partner and lane.

    Each part is summed on its own first, so that memory does not hold a whole day of a large catalog, and some parts at
    a time, since a table of one row takes 30 kB, and a day may have thousands.
    """
    total, waiting = SCHEMA.empty_table(), list[pa.Table]()
    for part in parts:
        waiting.append(_summed(_with_counts(part)))
        if len(waiting) == AT_ONCE:
            total = _summed(pa.concat_tables([total, *waiting]))
            waiting.clear()
    return _ordered(_summed(pa.concat_tables([total, *waiting])))


def runs_by_kind(days: Iterable[pa.Table]) -> dict[CallKind, list[RunCost]]:
    """By what can be compared one entry per run, the one that sent something last first."""
    rows: dict[CallKind, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in (row for table in days for row in table.to_pylist() if row["calls"]):
        asked_by = row["trigger"] if row["trigger"] in _NOT_THE_CATALOG else CATALOG
        kind = CallKind(row["analysis"], row["model_id"] or "?", row["lane"], asked_by)
        rows[kind][row["dagster_run_id"]].append(row)
    return {
        kind: sorted((RunCost.of(*each) for each in runs.items()), key=lambda run: run.last_at, reverse=True)
        for kind, runs in rows.items()
    }


def reconcile(
    tables: ObjectStore, ledger: ResultLedger, budget: BudgetStore, days: Sequence[str], now: datetime
) -> list[Reconciliation]:
    """Every day's counter and those of its partners beside the stored sums.

    What runs could not book, and what killed ones had set aside, is settled first. Raises StoreUnavailableError.
    """
    settle_arrears(tables, ledger, budget, now)
    found = []
    sums = read_days(tables, days)
    for day in days:
        rows = sums[day].to_pylist() if day in sums else []
        logged: dict[str, int] = {day_counter(day): sum(row["cost_micro_usd"] for row in rows)}
        for row in rows:
            if row["partner_id"]:
                counter = partner_counter(row["partner_id"], day)
                logged[counter] = logged.get(counter, 0) + row["cost_micro_usd"]
        budget.close_abandoned([day_counter(day)], now - MOST_CLOCK_SKEW)
        for counter, amount in logged.items():
            committed, spent = budget.spent(counter)
            found.append(Reconciliation(day, counter, amount, spent, committed))
    return found


def _ordered(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in COST_KEYS]).combine_chunks()


def _of_any_release(table: pa.Table) -> pa.Table:
    """Releases before 0.3.0 estimated nothing."""
    for name in ESTIMATES:
        if name not in table.column_names:
            table = table.append_column(name, pa.array([0] * table.num_rows, pa.int64()))
    return table.select(SCHEMA.names).cast(SCHEMA)


def _sent(tables: ObjectStore, day: str) -> Iterator[pa.Table]:
    for rows in read_log(tables, day, _READ):
        yield rows.filter(pc.field("attempt") > 0)


def _with_counts(sent: pa.Table) -> pa.Table:
    """Requests as rows of sums: one each."""
    cost, tokens = sent.column("cost_micro_usd"), _sum_columns(sent, _TOKENS)
    status, error_class = sent.column("status"), sent.column("error_class")
    is_last = pc.not_equal(status, "retried")
    counts: dict[str, Any] = {
        "calls": pc.is_valid(status),
        "titles": is_last,
        "answered": pc.equal(status, Outcome.SUCCEEDED.value),
        "failed": pc.equal(status, Outcome.FAILED.value),
        "throttled": pc.fill_null(pc.equal(error_class, ErrorClass.THROTTLED.value), fill_value=False),
        "unpriced_calls": pc.and_(pc.greater(tokens, 0), pc.equal(cost, 0)),
    }
    columns: dict[str, Any] = {name: sent.column(name) for name in (*COST_KEYS, *_TOKENS, "cost_micro_usd")}
    columns |= {name: pc.cast(values, pa.int64()) for name, values in counts.items()}
    columns["wasted_micro_usd"] = pc.if_else(pc.is_valid(error_class), cost, 0)
    columns["maybe_billed_micro_usd"] = pc.if_else(sent.column("maybe_billed"), cost, 0)
    columns |= {name: pa.array([0] * sent.num_rows, pa.int64()) for name in ESTIMATES}
    columns["first_at"] = columns["last_at"] = sent.column("started_at")
    return pa.table({name: columns[name] for name in SCHEMA.names})


def _sum_columns(table: pa.Table, names: Sequence[str]) -> Any:
    total = table.column(names[0])
    for name in names[1:]:
        total = pc.add(total, table.column(name))
    return total


def _summed(rows: pa.Table) -> pa.Table:
    how = {"first_at": "min", "last_at": "max"}
    measures = [(name, how.get(name, "sum")) for name in SCHEMA.names if name not in COST_KEYS]
    grouped = rows.group_by(list(COST_KEYS), use_threads=False).aggregate(measures)
    columns = {name: grouped.column(name) for name in COST_KEYS}
    columns |= {name: grouped.column(f"{name}_{function}") for name, function in measures}
    return pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA)
