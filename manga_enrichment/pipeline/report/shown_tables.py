"""The tables of the report: which columns, which rows, in words.

Belongs here: figures as cells with their links. Stays out: the markup (`templates/table.html`), what is added up
(`sums.py`), tables of the catalog (`catalog_page.py`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from manga_enrichment.domain.durations import duration_text
from manga_enrichment.domain.operations.costs import ESTIMATES
from manga_enrichment.domain.operations.service_costs import load_prices
from manga_enrichment.pipeline.health.table_quality import coverage
from manga_enrichment.pipeline.report.document import Cell, Table, money, table, thousands, words
from manga_enrichment.pipeline.report.facts import ReportFacts
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.sums import (
    TOKENS,
    answered_of,
    by_day,
    parts_of,
    runs,
    service_estimates,
    spenders,
    standings,
)

_RUNS = 15


def report_tables(facts: ReportFacts, links: Links) -> dict[str, Table]:
    """By name; only those that have rows."""
    found = {
        "outcomes": _outcomes(facts, links),
        "spenders": _spenders(facts),
        "days": _days(facts),
        "services": _services(facts),
        "runs": _runs(facts, links),
        "forecast": _forecast(facts),
        "latencies": _latencies(facts),
        "queues": _queues(facts),
        "partner_latency": _partner_latency(facts),
        "failed_attempts": _failed_attempts(facts),
    }
    return {name: each for name, each in found.items() if each.rows}


def _outcomes(facts: ReportFacts, links: Links) -> Table:
    _answered, *others = parts_of(facts)
    rows = [
        (
            Cell(words(name), links.checks(name)),
            Cell(answered_of(counts), more=f"{100 * coverage(counts):.1f} %"),
            *(Cell(thousands(count)) for count in standings(counts, others).values()),
        )
        for name, counts in facts.outcomes.items()
        if counts
    ]
    return table("Titles by outcome", ["analysis", "answered of what can be asked", *others], rows)


def _spenders(facts: ReportFacts) -> Table:
    rows = spenders(facts)
    shown = [
        (
            row["trigger"],
            row["partner_id"] or "–",
            words(row["analysis"]),
            row["model_id"] or "–",
            *_sums([row]),
        )
        for row in rows
    ]
    caption = f"Who spent it, since {facts.days[0]}"
    headings = ["trigger", "partner", "analysis", "model", "calls", "answers", "cost", "wasted"]
    return table(caption, headings, shown, total=("together", "", "", "", *_sums(rows)), texts=4)


def _sums(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    known = list(rows)
    counts = (thousands(sum(row[name] for row in known)) for name in ("calls", "answered"))
    return (*counts, *(money(sum(row[name] for row in known)) for name in ("cost_micro_usd", "wasted_micro_usd")))


def _days(facts: ReportFacts) -> Table:
    names = ("calls", "answered", "throttled", *TOKENS)
    rows = [
        (
            row["day"],
            *(thousands(row[name]) for name in names),
            money(row["cost_micro_usd"]),
            money(row["wasted_micro_usd"]),
        )
        for row in by_day(facts)
    ]
    headings = ["UTC day", "calls", "answers", "throttled", *(words(name) for name in TOKENS), "cost", "wasted"]
    return table("", headings, rows if facts.costs else ())


def _services(facts: ReportFacts) -> Table:
    shown = [
        (row["partner_id"], thousands(row["requests"]), *(money(row[name]) for name in ESTIMATES if name != "requests"))
        for row in service_estimates(facts)
    ]
    prices = load_prices().as_of
    caption = f"What carried partners' requests: estimates by list prices of {prices}, no part of the cost above"
    return table(caption, ["partner", "requests", "SQS", "API", "workflow"], shown)


def _runs(facts: ReportFacts, links: Links) -> Table:
    shown = [
        (
            Cell(row["run_id"][:8], links.run(row["run_id"])),
            row["trigger"],
            f"{row['first_at']:%Y-%m-%d %H:%M}",
            duration_text((row["last_at"] - row["first_at"]).total_seconds()),
            *_sums([row]),
        )
        for row in runs(facts)[:_RUNS]
    ]
    headings = ["run", "trigger", "first call (UTC)", "to the last", "calls", "answers", "cost", "wasted"]
    return table("Runs that asked a model, the latest first", headings, shown, texts=3)


def _forecast(facts: ReportFacts) -> Table:
    lines = facts.forecast or ()
    shown = [
        (
            words(line.analysis),
            thousands(line.calls),
            f"{duration_text(line.seconds)}{'' if line.measured else ' (assumed)'}",
            money(line.cost_micro_usd),
        )
        for line in lines
    ]
    calls, cost = sum(line.calls for line in lines), sum(line.cost_micro_usd for line in lines)
    together = ("together", thousands(calls), "", money(cost))
    headings = ["analysis", "calls", "takes about", "cost"]
    return table("What is missing now × what an answer costs", headings, shown, total=together)


def _latencies(facts: ReportFacts) -> Table:
    shown = [
        (words(each.analysis), *map(thousands, (each.calls, each.p50_ms, each.p95_ms, each.p99_ms)))
        for each in facts.latencies
    ]
    return table("Latency in milliseconds", ["analysis", "calls", "p50", "p95", "p99"], shown)


def _queues(facts: ReportFacts) -> Table:
    shown = [
        (row["queue"], *(thousands(row[name]) for name in ("visible", "in_flight", "delayed")), _oldest(row))
        for row in facts.queues_now
    ]
    seen = f", {facts.queues_now[0]['observed_at']:%Y-%m-%d %H:%M} UTC" if facts.queues_now else ""
    return table(f"Last look{seen}", ["queue", "waiting", "in flight", "delayed", "oldest"], shown)


def _oldest(row: Mapping[str, Any]) -> str:
    if row["oldest_age_seconds"] is None:
        return "–" if row["oldest_age_source"] == "empty" else "unknown"
    least = "at least " if row["oldest_age_source"] == "at_least" else ""
    return f"{least}{duration_text(row['oldest_age_seconds'])}"


def _partner_latency(facts: ReportFacts) -> Table:
    shown = [
        (
            each.queue,
            thousands(each.requests),
            *(f"{part.p50_seconds:.1f} s, {part.p95_seconds:.1f} s" for part in each.parts.values()),
        )
        for each in facts.partner_latency
    ]
    caption = (
        "How long partners waited for an answer in the last 24 hours: half of them no longer than, 95 % no longer than"
    )
    return table(caption, ["queue", "answered", "in all", "until a worker had it", "at the model", "with us"], shown)


def _failed_attempts(facts: ReportFacts) -> Table:
    shown = [
        (words(each.error_class), thousands(each.calls), money(each.cost_micro_usd)) for each in facts.failed_attempts
    ]
    return table("Calls of the last 7 days that brought no answer", ["why", "calls", "cost all the same"], shown)
