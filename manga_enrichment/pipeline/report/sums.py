"""Sums that charts and tables of the report share.

Belongs here: adding up rows of `enrichment_costs`, parts that titles fall into. Stays out: reading (`facts.py`), words
and links (`shown_tables.py`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from manga_enrichment.domain.operations.costs import ESTIMATES
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.health.table_quality import FAILED_IN_PASSING, HELD_BACK, askable
from manga_enrichment.pipeline.report.document import thousands
from manga_enrichment.pipeline.report.facts import ReportFacts

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_MEASURES = ("calls", "answered", "cost_micro_usd", "wasted_micro_usd")
_SPENDER = ("trigger", "partner_id", "analysis", "model_id")
_WAITS_FOR_A_CANARY = "waits for a canary"
_PARTS: Mapping[str, tuple[str, ...]] = {
    "answered": (Outcome.SUCCEEDED.value,),
    "asked by the next run": (Outcome.DEFERRED.value, FAILED_IN_PASSING),
    "failed for good": (Outcome.FAILED.value,),
    _WAITS_FOR_A_CANARY: (HELD_BACK,),
    "too little text": (Outcome.INSUFFICIENT_INPUT.value,),
}


def parts_of(facts: ReportFacts) -> tuple[str, ...]:
    """What titles fall into. Canaries are few, and so are the mornings whose page speaks of them."""
    has_canary = any(counts.get(HELD_BACK) for counts in facts.outcomes.values())
    return tuple(part for part in _PARTS if part != _WAITS_FOR_A_CANARY or has_canary)


def standings(counts: Mapping[str, int], parts: Iterable[str]) -> dict[str, int]:
    """Titles by part; in each just one."""
    return {part: sum(counts.get(standing, 0) for standing in _PARTS[part]) for part in parts}


def answered_of(counts: Mapping[str, int]) -> str:
    """Answers, and the titles that can be asked about: the one way in which the page says it."""
    return f"{thousands(counts.get(Outcome.SUCCEEDED.value, 0))} of {thousands(askable(counts))}"


def spenders(facts: ReportFacts) -> list[dict[str, Any]]:
    """Who spent it on what: by trigger, partner, analysis and model, the most expensive first."""
    rows = _summed(facts.costs, _SPENDER, _MEASURES)
    return sorted((row for row in rows if row["calls"]), key=lambda row: -row["cost_micro_usd"])


def service_estimates(facts: ReportFacts) -> list[dict[str, Any]]:
    """What carried each partner's requests may have cost; none of it is in the bill."""
    rows = _summed([row for row in facts.costs if row["requests"]], ("partner_id",), ESTIMATES)
    return sorted(rows, key=lambda row: str(row["partner_id"]))


def by_day(facts: ReportFacts) -> list[dict[str, Any]]:
    """Sums of each day, newest first."""
    names = (*_MEASURES, "throttled", *TOKENS)
    found = {row["day"]: row for row in _summed(facts.costs, ("day",), names)}
    return [found.get(day, {"day": day, **dict.fromkeys(names, 0)}) for day in reversed(facts.days)]


def runs(facts: ReportFacts) -> list[dict[str, Any]]:
    """Those that asked a model: run_id, trigger, first_at, last_at and sums, the one that asked last first."""
    times: dict[str, list[datetime]] = defaultdict(list)
    asked = [{**row, "run_id": row["dagster_run_id"]} for row in facts.costs if row["calls"]]
    for row in asked:
        times[row["run_id"]] += row["first_at"], row["last_at"]
    found = [
        {**row, "first_at": min(times[row["run_id"]]), "last_at": max(times[row["run_id"]])}
        for row in _summed(asked, ("run_id", "trigger"), _MEASURES)
    ]
    return sorted(found, key=lambda row: row["last_at"], reverse=True)


def _summed(rows: Iterable[Mapping[str, Any]], keys: Sequence[str], measures: Sequence[str]) -> list[dict[str, Any]]:
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        found = sums.setdefault(key, dict(zip(keys, key, strict=True)) | dict.fromkeys(measures, 0))
        for name in measures:
            found[name] += row[name]
    return list(sums.values())
