"""Check `books_match_the_service` of `enrichment_costs`: the requests log against what Bedrock counts itself.

Belongs here: which hours are looked at, and grading. Stays out: what may be expected of the service
(`domain/operations/service_books.py`).

A run logs its calls when it ends. So hours in which a run was under way that still is are left to a later look.

The same hours are looked at many times, so a warning is given once, until there is something new to warn of. An error
stays one.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.metadata import markdown_table
from manga_enrichment.defs.shared.policies import store_check
from manga_enrichment.defs.shared.run_facts import GOING_ON
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.operations.service_books import HOUR, LAG, Difference, closed_hours
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import MetricsForbiddenError, MetricsUnavailableError
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.service_usage import ServiceUsage
from manga_enrichment.pipeline.health.daily_costs import TABLE
from manga_enrichment.pipeline.health.service_books import hold_against_service
from manga_enrichment.pipeline.store.object_keys import service_books_state_key

HOURS = 24
"""Looked at each time, so that what one look found too early or not at all is looked at again."""
_MOST_SAID = 5
_FORBIDDEN = "The books are not held against the service: allow cloudwatch:GetMetricData for this role (docs/aws.md)"


def build_service_check(models: ModelCatalog, used: Collection[str]) -> dg.AssetChecksDefinition:
    """used: ids of the models that may be asked."""

    @store_check(
        asset=TABLE,
        description=(
            f"Bedrock's own metrics agree with the requests log, by model, over the last {HOURS} hours that ended "
            f"{LAG.total_seconds() / 60:.0f} minutes ago or earlier."
        ),
    )
    def books_match_the_service(
        context: dg.AssetCheckExecutionContext,
        tables: dg.ResourceParam[ObjectStore],
        service_usage: dg.ResourceParam[ServiceUsage],
        clock: dg.ResourceParam[Clock],
    ) -> dg.AssetCheckResult:
        hours = _hours(clock.now(), _first_going_on(context))
        if not hours:
            return dg.AssetCheckResult(passed=True, description="a run is under way since before the last closed hours")
        try:
            found, calls = hold_against_service(tables, service_usage, hours, models.models, used)
        except MetricsForbiddenError:
            return _once(tables, ["forbidden"], _not_compared(_FORBIDDEN))
        except MetricsUnavailableError as error:
            return _once(tables, ["unavailable"], _not_compared(f"Not compared this time: {error}"))
        return _once(tables, [each.sentence() for each in found], _graded(found, calls, hours))

    return books_match_the_service


def _hours(now: datetime, going_on_since: datetime | None) -> list[datetime]:
    hours = closed_hours(now, HOURS)
    return hours if going_on_since is None else [hour for hour in hours if hour + HOUR <= going_on_since]


def _first_going_on(context: dg.AssetCheckExecutionContext) -> datetime | None:
    """When the longest of the other runs that are under way began."""
    records = context.instance.get_run_records(dg.RunsFilter(statuses=GOING_ON))
    others = [each.start_time for each in records if each.dagster_run.run_id != context.run.run_id]
    began = [each for each in others if each is not None]
    return datetime.fromtimestamp(min(began), UTC) if began else None


def _not_compared(why: str) -> dg.AssetCheckResult:
    """Never an error: nothing is known of the books."""
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description=why)


def _once(tables: ObjectStore, warnings: Collection[str], result: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """The result; passed where it warns of nothing that the last look did not warn of."""
    key = service_books_state_key()
    before = set((tables.read_json(key) or {}).get("warned", ()))
    if before != set(warnings):
        tables.write_json(key, {"warned": sorted(set(warnings))})
    is_new = not before.issuperset(warnings)
    if result.passed or is_new or result.severity is dg.AssetCheckSeverity.ERROR:
        return result
    return result._replace(passed=True, description=f"Said before: {result.description}")


def _graded(found: Sequence[Difference], calls: int, hours: Sequence[datetime]) -> dg.AssetCheckResult:
    errors = [each for each in found if each.is_error]
    said = [*errors, *(each for each in found if not each.is_error)]
    more = f"; and {len(said) - _MOST_SAID} more" if len(said) > _MOST_SAID else ""
    metadata: dict[str, Any] = {
        "calls": calls,
        "differences": len(found),
        "from": hours[0].isoformat(),
        "to": (hours[-1] + HOUR).isoformat(),
    }
    if found:
        metadata["by_hour"] = dg.MetadataValue.md(markdown_table([_row(each) for each in said]))
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if errors else dg.AssetCheckSeverity.WARN,
        description="; ".join(each.sentence() for each in said[:_MOST_SAID]) + more
        if found
        else "log and service agree",
        metadata=metadata,
    )


def _row(each: Difference) -> dict[str, Any]:
    return {
        "model": each.model_id,
        "from (UTC)": f"{each.begin:%Y-%m-%d %H:%M}",
        "to": f"{each.end:%H:%M}",
        "metric": each.metric.value,
        "service": each.service,
        "log, at least": each.at_least,
        "log, at most": each.at_most,
    }
