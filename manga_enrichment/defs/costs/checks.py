"""Checks of `enrichment_costs`: the books agree, the budget holds, an answer costs what answers cost.

Belongs here: grading. Stays out: sums and reconciling (`pipeline/health/daily_costs.py`), what is usual
(`domain/operations/costs.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa

from manga_enrichment.defs.costs.assets import LATE_DAYS
from manga_enrichment.defs.shared.metadata import markdown_table
from manga_enrichment.defs.shared.policies import store_check
from manga_enrichment.defs.shared.severity import graded, graded_below, with_next_step
from manga_enrichment.domain.models.specs import ModelCatalog
from manga_enrichment.domain.models.usage import MICRO_USD_PER_USD, usd
from manga_enrichment.domain.operations.costs import (
    CATALOG,
    LOWEST_CACHE_HIT_RATE,
    TRAILING_RUNS,
    CallKind,
    Reconciliation,
    UsualCost,
    cache_hit_rate,
    usual_cost,
)
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.next_steps import NEXT_STEPS
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.money.budget import day_counter
from manga_enrichment.pipeline.health.brake import OFF
from manga_enrichment.pipeline.health.daily_costs import TABLE, days_until, read_days, reconcile, runs_by_kind
from manga_enrichment.settings import Settings

NEARLY_SPENT = 0.8
"""Share of the day's budget from which on the check warns."""
_USUAL_DAYS = 31
"""How far back the trailing runs are looked for."""
_LATELY = timedelta(days=2)
_BOOKS_STEP = "after a kill the next account_costs mends it; else hold `requests` by dagster_run_id against the table"
_LOOK_AT_THE_KIND = "see whether a prompt grew, a model changed or many answers needed a second try (wasted_micro_usd)"


def build_daily_cost_checks(
    settings: Settings, models: ModelCatalog, analyses: Collection[str]
) -> list[dg.AssetChecksDefinition]:
    """analyses: those that are about titles."""
    return [
        _costs_reconcile(),
        _cost_within_daily_budget(settings),
        _cost_per_title_in_range(settings, analyses),
        _cache_hit_rate(),
        _no_unpriced_model(models),
        _brake_is_off(),
    ]


def _brake_is_off() -> dg.AssetChecksDefinition:
    @store_check(
        asset=TABLE,
        description="Models may be asked: nobody has put the brake on.",
    )
    def brake_is_off(budget: dg.ResourceParam[BudgetStore]) -> dg.AssetCheckResult:
        brake = budget.brake()
        result = dg.AssetCheckResult(
            passed=brake is None,
            severity=dg.AssetCheckSeverity.WARN,
            description=OFF if brake is None else brake.sentence(),
            metadata={} if brake is None else {"because": brake.because, "since": brake.since.isoformat()},
        )
        return with_next_step(result, NEXT_STEPS[ErrorClass.BRAKE])

    return brake_is_off


def _costs_reconcile() -> dg.AssetChecksDefinition:
    @store_check(
        asset=TABLE,
        description=f"Requests log and budget counters agree to the micro-dollar on the last {LATE_DAYS} UTC days.",
    )
    def costs_reconcile(
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        budget: dg.ResourceParam[BudgetStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.AssetCheckResult:
        now = clock.now()
        found = reconcile(tables, ledger, budget, days_until(now.date(), LATE_DAYS), now)
        differing = [each for each in found if each.difference_micro_usd]
        today = now.date().isoformat()
        settled = [each for each in differing if each.day != today and not each.is_open]
        result = dg.AssetCheckResult(
            passed=not differing,
            severity=dg.AssetCheckSeverity.ERROR if settled else dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{each.counter}: {each.difference_micro_usd:+d} micro-USD" for each in differing)
            or "log and counters agree",
            metadata=_books(found),
        )
        return with_next_step(result, _BOOKS_STEP)

    return costs_reconcile


def _books(found: Sequence[Reconciliation]) -> dict[str, Any]:
    """Log and counters side by side, where there is anything in them."""
    rows = [
        {
            "counter": each.counter,
            "log": each.logged_micro_usd,
            "counted": each.spent_micro_usd,
            "set aside": each.committed_micro_usd - each.spent_micro_usd,
            "difference": each.difference_micro_usd,
        }
        for each in found
        if each.logged_micro_usd or each.committed_micro_usd
    ]
    difference = sum(abs(each.difference_micro_usd) for each in found)
    numbers: dict[str, Any] = {"difference_micro_usd": difference, "counters": len(rows)}
    return {**numbers, "micro_usd": dg.MetadataValue.md(markdown_table(rows))} if rows else numbers


def _cost_within_daily_budget(settings: Settings) -> dg.AssetChecksDefinition:
    cap_usd = settings.budget_usd_per_day

    @store_check(
        asset=TABLE,
        description="What today (UTC) has cost, against MANGA_BUDGET_USD_PER_DAY.",
    )
    def cost_within_daily_budget(
        budget: dg.ResourceParam[BudgetStore], clock: dg.ResourceParam[Clock]
    ) -> dg.AssetCheckResult:
        _committed, spent = budget.spent(day_counter(clock.now().date().isoformat()))
        if cap_usd is None:
            return dg.AssetCheckResult(
                passed=True,
                description=f"{usd(spent):.6f} USD today; MANGA_BUDGET_USD_PER_DAY sets no cap",
                metadata={"spent_usd": usd(spent)},
            )
        return graded(
            usd(spent),
            warn_above=cap_usd * NEARLY_SPENT,
            error_above=cap_usd,
            description=f"{usd(spent):.6f} of {cap_usd:g} USD today; what no longer fits waits for tomorrow",
            next_step="raise MANGA_BUDGET_USD_PER_DAY, or let the rest wait",
            metadata={"spent_usd": usd(spent), "budget_usd": cap_usd},
        )

    return cost_within_daily_budget


def _cost_per_title_in_range(settings: Settings, analyses: Collection[str]) -> dg.AssetChecksDefinition:
    @store_check(
        asset=TABLE,
        description=f"Cost per answered title, by analysis, model and lane: of the latest run of each since yesterday, "
        f"against the {TRAILING_RUNS} of its kind before; for the catalog also against the limits.",
    )
    def cost_per_title_in_range(
        tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]
    ) -> dg.AssetCheckResult:
        judged = _judged(_days(tables, clock, _USUAL_DAYS), analyses, clock.now() - _LATELY)
        if not judged:
            return dg.AssetCheckResult(passed=True, description="no run has answered a title lately")
        dearest = max(judged, key=lambda kind: judged[kind].per_title_micro_usd)
        odd = [kind for kind in judged if judged[kind].is_unusual]
        own = [usual.per_title_micro_usd for kind, usual in judged.items() if kind.asked_by == CATALOG]
        per_title_usd = max(own, default=0.0) / MICRO_USD_PER_USD
        return graded(
            per_title_usd,
            warn_above=settings.cost_per_title_usd_warn,
            error_above=settings.cost_per_title_usd_error,
            description="; ".join(f"{kind}: {_compared(judged[kind])}" for kind in odd or [dearest]),
            metadata={"cost_per_title_usd": per_title_usd, "unusual": len(odd), **_kinds(judged)},
            next_step=_LOOK_AT_THE_KIND,
            worth_a_look=bool(odd),
        )

    return cost_per_title_in_range


def _judged(days: Iterable[pa.Table], analyses: Collection[str], since: datetime) -> dict[CallKind, UsualCost]:
    """What answered a title since then. A chat is about no title, and costs what it is long."""
    usual = {kind: usual_cost(runs) for kind, runs in runs_by_kind(days).items() if kind.analysis in analyses}
    return {kind: each for kind, each in usual.items() if each is not None and each.latest.last_at >= since}


def _compared(usual: UsualCost) -> str:
    per_title = f"{usual.per_title_micro_usd / MICRO_USD_PER_USD:.6f} USD per title"
    if usual.ratio is None:
        return f"{per_title}, no run of its kind before it"
    return f"{per_title}, {usual.ratio:.2f} times the median of {usual.runs_before} runs before"


def _dollars(micro_usd: float | None) -> str:
    return "-" if micro_usd is None else f"{micro_usd / MICRO_USD_PER_USD:.6f}"


def _kinds(judged: Mapping[CallKind, UsualCost]) -> dict[str, Any]:
    """Each latest run against those before it, as a table."""
    rows = [
        {
            "analysis": kind.analysis,
            "model": kind.model_id,
            "by": kind.lane,
            "asked by": kind.asked_by,
            "USD per title": _dollars(usual.per_title_micro_usd),
            "titles": usual.latest.answered,
            "median before": _dollars(usual.median_micro_usd),
            "runs before": usual.runs_before,
            "run": usual.latest.run_id,
        }
        for kind, usual in judged.items()
    ]
    return {"kinds": dg.MetadataValue.md(markdown_table(rows))}


def _cache_hit_rate() -> dg.AssetChecksDefinition:
    @store_check(
        asset=TABLE,
        name="cache_hit_rate",
        description="Of the prompt tokens that Bedrock may cache, most were read from the cache yesterday and today.",
    )
    def cache_hit_rate_check(
        tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]
    ) -> dg.AssetCheckResult:
        rows = [row for table in _days(tables, clock, 2) for row in table.to_pylist()]
        read, written = (sum(row[f"cache_{what}_tokens"] for row in rows) for what in ("read", "write"))
        rate = cache_hit_rate(read, written)
        metadata = {"cache_read_tokens": read, "cache_write_tokens": written}
        if rate is None:
            return dg.AssetCheckResult(
                passed=True, description="no prompt reached its model's minimum for caching", metadata=metadata
            )
        return graded_below(
            rate,
            warn_below=LOWEST_CACHE_HIT_RATE,
            description=f"{rate:.1%} of cacheable prompt tokens were read from the cache",
            metadata={**metadata, "cache_hit_rate": rate},
            next_step="let runs take more titles (MANGA_BUCKETS_PER_RUN): a prompt stays in the cache for five minutes",
        )

    return cache_hit_rate_check


def _no_unpriced_model(models: ModelCatalog) -> dg.AssetChecksDefinition:
    @store_check(
        asset=TABLE,
        description=f"Every model that was asked in the last {LATE_DAYS} days has a price, and cost something.",
    )
    def no_unpriced_model(tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
        rows = [row for table in _days(tables, clock, LATE_DAYS) for row in table.to_pylist()]
        unknown = sorted({row["model_id"] for row in rows if row["model_id"]} - set(models.models))
        free = sorted({str(row["model_id"]) for row in rows if row["unpriced_calls"]})
        problems = [*(f"{each} is not in models.toml" for each in unknown), *(f"{each} cost nothing" for each in free)]
        result = dg.AssetCheckResult(
            passed=not problems,
            description="; ".join(problems) or "every model has a price",
            metadata={"models": len({row["model_id"] for row in rows}), "problems": len(problems)},
        )
        return with_next_step(result, "add its row (`manga-enrichment models add`, MANGA_MODELS_FILE)")

    return no_unpriced_model


def _days(tables: ObjectStore, clock: Clock, count: int) -> Iterable[pa.Table]:
    return read_days(tables, days_until(clock.now().date(), count)).values()
