"""The report as one HTML file, and as a summary for the Dagster UI.

Belongs here: what stands on the page, in which order, and its charts. Stays out: how charts are drawn (`charts.py`),
where numbers come from (`facts.py`), tables (`shown_tables.py`, `catalog_page.py`), the markup
(`templates/enrichment_report.html`).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manga_enrichment.domain.durations import duration_text
from manga_enrichment.domain.models.usage import MICRO_USD_PER_USD, usd
from manga_enrichment.domain.operations.queue_observations import OLDEST_NORMAL_SECONDS
from manga_enrichment.domain.outcomes.next_steps import next_step
from manga_enrichment.domain.text.shown import inert
from manga_enrichment.pipeline.report.catalog_page import bars_of, drift_table, full_fields, titles_of
from manga_enrichment.pipeline.report.charts import (
    BAD,
    GOOD,
    NONE,
    PLAIN,
    SERIES,
    WAIT,
    Chart,
    percentile_dots,
    stacked_bars,
    stacked_shares,
    steps,
)
from manga_enrichment.pipeline.report.document import money, page_environment, words
from manga_enrichment.pipeline.report.facts import ReportFacts
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.problems import problems_of
from manga_enrichment.pipeline.report.shown_tables import report_tables
from manga_enrichment.pipeline.report.sums import answered_of, parts_of, standings
from manga_enrichment.pipeline.report.tiles import fewest, tiles

_PART_COLORS = {
    "answered": GOOD,
    "asked by the next run": WAIT,
    "failed for good": BAD,
    "waits for a canary": PLAIN,
    "too little text": NONE,
}
_THOUSAND, _MILLION = 1_000, 1_000_000


def report_html(facts: ReportFacts, links: Links = Links()) -> str:  # noqa: B008 (frozen)
    """A whole HTML document."""
    environment = page_environment()
    template = environment.get_template("enrichment_report.html")
    charts = {chart.name: chart for chart in report_charts(facts)}
    return template.render(
        facts=facts,
        links=links,
        problems=problems_of(facts, links),
        tiles=tiles(facts),
        charts=charts,
        parts=parts_of(facts),
        tables=report_tables(facts, links),
        bars=bars_of(facts.catalog),
        fields=full_fields(facts.catalog) if facts.catalog.titles else None,
        drift=drift_table(facts.catalog),
        samples=titles_of(facts.catalog, links),
        next_step=next_step,
    )


def report_summary(facts: ReportFacts) -> str:
    """Markdown with pictures, as the Dagster UI shows it: what needs a hand first."""
    hands = "".join(
        f"- **{'Wrong' if each.is_bad else 'Look'}**: {inert(each.what)} {inert(each.next_step)}\n"
        for each in problems_of(facts, Links())
    )
    numbers = " · ".join(f"**{tile.value}** {tile.name}" for tile in tiles(facts))
    pictures = "\n\n".join(
        f"**{chart.title}**\n\n![{inert(chart.says)}]({chart.png_uri()})"
        for chart in report_charts(facts)
        if chart.name in {"coverage", "cost", "latency"}
    )
    return f"{hands}\n{numbers}\n\n{pictures}".strip()


def report_charts(facts: ReportFacts) -> list[Chart]:
    """Only charts that have something to show."""
    return [*_outcome_charts(facts), *_cost_charts(facts), *_speed_charts(facts), *_queue_charts(facts)]


def _outcome_charts(facts: ReportFacts) -> list[Chart]:
    parts, lowest = parts_of(facts), fewest(facts)
    if not lowest:
        return []
    rows = {words(name): standings(counts, parts) for name, counts in facts.outcomes.items() if counts}
    says = (
        f"{words(lowest)} has the fewest: {answered_of(facts.outcomes[lowest])} titles that can be asked are answered."
    )
    draw = stacked_shares(rows, {part: _PART_COLORS[part] for part in parts})
    return [Chart("coverage", "What became of the titles", says, draw, 1.0 + 0.42 * len(rows))]


def _cost_charts(facts: ReportFacts) -> list[Chart]:
    if not facts.costs:
        return []
    spent = sum(row["cost_micro_usd"] for row in facts.costs)
    labels = [day[5:] for day in facts.days]
    says = f"{money(spent)} since {facts.days[0]}."
    draw = stacked_bars(labels, *_cost_by_analysis(facts), unit=lambda value: money(value * MICRO_USD_PER_USD))
    return [Chart("cost", "Cost by UTC day and analysis", says, draw)]


def _cost_by_analysis(facts: ReportFacts) -> tuple[Mapping[str, Sequence[float]], list[int]]:
    """The dearest analyses by name, the rest together, in USD; and the colour of each, in order."""
    totals: dict[str, int] = defaultdict(int)
    for row in facts.costs:
        totals[row["analysis"]] += row["cost_micro_usd"]
    dearest = sorted(totals, key=lambda name: (-totals[name], name))
    shown = sorted(dearest if len(dearest) <= SERIES else dearest[: SERIES - 1])
    found = {words(name): _daily_usd(facts, [name]) for name in shown}
    if rest := [name for name in dearest if name not in shown]:
        found["others"] = _daily_usd(facts, rest)
    return found, list(range(len(found)))


def _daily_usd(facts: ReportFacts, analyses: Sequence[str]) -> list[float]:
    return [usd(int(value)) for value in _daily(facts, "cost_micro_usd", lambda row: row["analysis"] in analyses)]


def _daily(facts: ReportFacts, column: str, wanted: Callable[[Any], bool] = bool) -> list[float]:
    sums = dict.fromkeys(facts.days, 0.0)
    for row in filter(wanted, facts.costs):
        sums[row["day"]] += row[column]
    return list(sums.values())


def _speed_charts(facts: ReportFacts) -> list[Chart]:
    charts: list[Chart] = []
    if facts.latencies:
        rows = {words(each.analysis): (each.p50_ms, each.p95_ms, each.p99_ms) for each in facts.latencies}
        slowest = max(facts.latencies, key=lambda each: each.p99_ms)
        says = f"The slowest is {words(slowest.analysis)}: 1 % of its calls take longer than {slowest.p99_ms:,} ms."
        draw = percentile_dots(rows, ("p50", "p95", "p99"), "milliseconds")
        charts.append(Chart("latency", "How long an answer takes", says, draw, 1.2 + 0.34 * len(rows)))
    if any(row["throttled"] for row in facts.costs):
        throttled = _daily(facts, "throttled")
        says = f"{sum(throttled):,.0f} calls were refused by the model's quota and tried again; they cost nothing."
        draw = stacked_bars([day[5:] for day in facts.days], {"throttled": throttled}, [WAIT], unit=_compact)
        charts.append(Chart("throttled", "Throttled calls by UTC day", says, draw))
    return charts


def _queue_charts(facts: ReportFacts) -> list[Chart]:
    if not facts.queue_hours:
        return []
    labels = [f"{each.hour:%m-%d %H}h" for each in facts.queue_hours]
    dead = [float(each.dead_letters) for each in facts.queue_hours]
    ages = [each.oldest_age_seconds for each in facts.queue_hours]
    known = [age for age in ages if age is not None]
    oldest = f"The oldest waited {duration_text(max(known))}" if known else "Nothing waited, or nobody knew since when"
    said = f"{oldest}. The dashed line is where the check backlog_keeps_up warns."
    draw = steps(labels, ages, color=PLAIN, limit=OLDEST_NORMAL_SECONDS)
    most = f"At most {max(dead):,.0f} in an hour."
    return [
        Chart("dead_letters", "Dead letters", most, steps(labels, dead, color=BAD), 2.0),
        Chart("ages", "Oldest waiting request, in seconds", said, draw, 2.0),
    ]


def _compact(value: float) -> str:
    for size, unit in ((_MILLION, "M"), (_THOUSAND, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
