"""The check `usage_can_be_true` of `enrichment_costs`: what models say they used is possible.

Stays out: the bounds (`pipeline/engine/money/billing.py`), the other checks of costs (`checks.py`).
"""

import dagster as dg

from manga_enrichment.defs.costs.assets import LATE_DAYS
from manga_enrichment.defs.shared.metadata import markdown_table
from manga_enrichment.defs.shared.policies import store_check
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.health.daily_costs import TABLE, days_until
from manga_enrichment.pipeline.health.untrue_usage import untrue_usage

_MOST_SHOWN = 20


def build_usage_check() -> dg.AssetChecksDefinition:
    @store_check(
        asset=TABLE,
        description=f"No answer of the last {LATE_DAYS} UTC days told more tokens than it can have used.",
    )
    def usage_can_be_true(tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
        found = untrue_usage(tables, days_until(clock.now().date(), LATE_DAYS))
        booked = usd(sum(row["cost_micro_usd"] for row in found))
        metadata = {"answers": len(found), "booked_usd": booked}
        if not found:
            return dg.AssetCheckResult(passed=True, description="all usage is possible", metadata=metadata)
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(found)} answers told usage that cannot be true; {booked:.6f} USD are estimates",
            metadata={**metadata, "newest": dg.MetadataValue.md(markdown_table(found[:_MOST_SHOWN]))},
        )

    return usage_can_be_true
