"""`enrichment_costs`: the requests log of each UTC day added up, held against the budget counters.

Belongs here: the asset, its job and schedule. Stays out: the sums (`pipeline/health/daily_costs.py`), the checks
(`defs/costs/checks.py`).
"""

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from manga_enrichment.defs.shared.metadata import ROW_COUNT, markdown_table
from manga_enrichment.defs.shared.names import HEALTH_GROUP, OWNERS, PARTNER_RESULTS
from manga_enrichment.defs.shared.partitions import utc_days
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.tables import columns_shown
from manga_enrichment.defs.shared.tags import HEALTH_LANE, range_tags
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.operations.costs import COST_COLUMNS, ESTIMATES
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE
from manga_enrichment.pipeline.health.daily_costs import TABLE, days_until, write_day
from manga_enrichment.pipeline.health.left_behind import account_for_killed_runs
from manga_enrichment.pipeline.store.object_keys import costs_key

COSTS_JOB = "account_costs"
LATE_DAYS = 7
"""A killed run's last requests are logged by a later run, under the killed run's day: old days may still change."""
_LATE_HOUR = 4


def build_enrichment_costs() -> dg.AssetsDefinition:
    spec = dg.AssetSpec(
        TABLE,
        deps=[dg.AssetDep(ENRICHED_TABLE, partition_mapping=dg.AllPartitionMapping()), PARTNER_RESULTS],
        partitions_def=utc_days(),
        group_name=HEALTH_GROUP,
        description="What each run cost by analysis, model, trigger, partner: the requests log of a UTC day, summed.",
        kinds={"parquet", "s3"},
        owners=OWNERS,
        tags=HEALTH_LANE,
        metadata=columns_shown(COST_COLUMNS),
    )

    @dg.multi_asset(
        name=TABLE, specs=[spec], backfill_policy=dg.BackfillPolicy.single_run(), retry_policy=OP_RETRY_POLICY
    )
    @configuration_errors_are_final()
    def enrichment_costs(
        context: dg.AssetExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        clock: dg.ResourceParam[Clock],
    ) -> None:
        now = clock.now()
        days = days_until(now.date(), LATE_DAYS)
        found = account_for_killed_runs(tables, ledger, budget, days, now, f"costs:{context.run.run_id}")
        context.log.info(found.sentence())
        for day in context.partition_keys:
            table = write_day(tables, day)
            metadata = {**cost_metadata(table), "uri": tables.uri(costs_key(day))}
            context.add_asset_metadata(metadata, asset_key=dg.AssetKey(TABLE), partition_key=day)

    return enrichment_costs


def build_costs_job() -> Any:
    """An unresolved asset job; Dagster does not export its type."""
    return dg.define_asset_job(
        COSTS_JOB,
        selection=dg.AssetSelection.assets(TABLE),
        description="Add up what the enrichment cost by day, and hold it against the budget counters.",
        tags=HEALTH_LANE,
    )


def build_costs_schedule() -> dg.ScheduleDefinition:
    @dg.schedule(
        name=COSTS_JOB,
        job_name=COSTS_JOB,
        cron_schedule="10 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Every hour, for yesterday and today (UTC); at {_LATE_HOUR:02}:10 for the last {LATE_DAYS} days.",
    )
    def account_costs(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        now = context.scheduled_execution_time.astimezone(UTC)
        back = LATE_DAYS - 1 if now.hour == _LATE_HOUR else 1
        first = (now.date() - timedelta(days=back)).isoformat()
        yield dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H}", tags=range_tags(first, now.date().isoformat()))

    return account_costs


def cost_metadata(table: pa.Table) -> dict[str, Any]:
    """Numbers the UI plots over days, and who spent it."""
    rows = table.to_pylist()
    numbers: dict[str, Any] = {
        "cost_usd": usd(sum(row["cost_micro_usd"] for row in rows)),
        "wasted_usd": usd(sum(row["wasted_micro_usd"] for row in rows)),
        "calls": sum(row["calls"] for row in rows),
        "answered": sum(row["answered"] for row in rows),
        "throttled": sum(row["throttled"] for row in rows),
        ROW_COUNT: len(rows),
    }
    for name in ESTIMATES:
        total = sum(row[name] for row in rows)
        numbers |= {name.replace("_micro_usd", "_usd"): usd(total)} if name.endswith("_micro_usd") else {name: total}
    for column in ("analysis", "trigger"):
        for name in sorted({row[column] for row in rows}):
            numbers[f"cost_usd_{name}"] = usd(sum(row["cost_micro_usd"] for row in rows if row[column] == name))
    if rows:
        numbers["spenders"] = dg.MetadataValue.md(markdown_table(_spenders(rows)))
    return numbers


def _spenders(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By trigger, partner, analysis and model, the most expensive first. Runs are left to the table itself."""
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for row in rows:
        key = (row["trigger"], row["partner_id"] or "-", row["analysis"], row["model_id"] or "-")
        found = sums.setdefault(key, [0, 0, 0])
        for position, name in enumerate(("calls", "answered", "cost_micro_usd")):
            found[position] += row[name]
    ordered = sorted((item for item in sums.items() if item[1][0]), key=lambda item: -item[1][2])
    names = ("trigger", "partner", "analysis", "model")
    return [
        {**dict(zip(names, key, strict=True)), "calls": calls, "answered": answered, "USD": f"{usd(cost):.6f}"}
        for key, (calls, answered, cost) in ordered
    ]
