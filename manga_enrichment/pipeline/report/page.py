"""The report as one HTML file, and as a summary for the Dagster UI.

Belongs here: which charts and tables there are, in words and order. Stays out: how charts are drawn
(`charts.py`), where numbers come from (`facts.py`), the markup (`templates/enrichment_report.html`).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from manga_enrichment.domain.durations import duration_text
from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.operations.costs import ESTIMATES, cache_hit_rate
from manga_enrichment.domain.operations.queue_observations import OLDEST_NORMAL_SECONDS
from manga_enrichment.domain.operations.service_costs import load_prices
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.text.shown import inert
from manga_enrichment.pipeline.health.table_quality import HELD_BACK, coverage
from manga_enrichment.pipeline.report.charts import SERIES, Chart, percentile_dots, stacked_bars, stacked_shares, steps
from manga_enrichment.pipeline.report.document import money, page_environment, thousands, words
from manga_enrichment.pipeline.report.facts import ReportFacts

_PARTS = {
    "answered": Outcome.SUCCEEDED.value,
    "too little text": Outcome.INSUFFICIENT_INPUT.value,
    "failed": Outcome.FAILED.value,
    "left for the next run": Outcome.DEFERRED.value,
    "waits for a canary": HELD_BACK,
}
_PART_SERIES = {"answered": 0, "too little text": 4, "failed": 3, "left for the next run": 1, "waits for a canary": 2}
"""Grey is for what nobody can ask about, the reddest for what failed."""
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_THOUSAND, _MILLION = 1_000, 1_000_000


def report_html(facts: ReportFacts) -> str:
    """A whole HTML document."""
    environment = page_environment()
    environment.filters |= {"duration": duration_text, "seconds": "{:.1f} s".format}
    template = environment.get_template("enrichment_report.html")
    charts = {chart.name: chart for chart in report_charts(facts)}
    return template.render(
        facts=facts,
        tiles=tiles(facts),
        charts=charts,
        coverage=coverage,
        parts=_parts(facts),
        spenders=spenders(facts),
        by_day=by_day(facts),
        service_estimates=service_estimates(facts),
        prices_of=load_prices().as_of,
        forecast_total=sum(line.cost_micro_usd for line in facts.forecast or ()),
    )


def report_summary(facts: ReportFacts) -> str:
    """Markdown with pictures, as the Dagster UI shows it."""
    numbers = " · ".join(f"**{value}** {name}" for name, value, _more in tiles(facts))
    pictures = "\n\n".join(
        f"**{chart.title}**\n\n![{inert(chart.says)}]({chart.png_uri()})"
        for chart in report_charts(facts)
        if chart.name in {"coverage", "cost", "latency"}
    )
    warning = f"**Nothing is asked of a model**: {inert(facts.brake.sentence())}\n\n" if facts.brake else ""
    return f"{warning}{numbers}\n\n{pictures}"


def report_charts(facts: ReportFacts) -> list[Chart]:
    """Only charts that have something to show."""
    charts = [*_outcome_charts(facts), *_cost_charts(facts), *_speed_charts(facts), *_queue_charts(facts)]
    return [chart for chart in charts if chart is not None]


def tiles(facts: ReportFacts) -> list[tuple[str, str, str]]:
    """(what, value, more) at the top of the page."""
    shares = [coverage(counts) for counts in facts.outcomes.values() if counts]
    today = [row for row in facts.costs if row["day"] == facts.made_at.date().isoformat()]
    calls, throttled = (sum(row[name] for row in facts.costs) for name in ("calls", "throttled"))
    answered, cost = (sum(row[name] for row in facts.costs) for name in ("answered", "cost_micro_usd"))
    rate = cache_hit_rate(*(sum(row[name] for row in facts.costs) for name in _TOKENS[2:]))
    found = [
        ("titles in the catalog", thousands(facts.titles), ""),
        ("of askable titles answered", f"{min(shares):.1%}" if shares else "–", "in the analysis with the fewest"),
        ("spent today", money(sum(row["cost_micro_usd"] for row in today)), "UTC day"),
        ("per 1,000 answers", money(cost * _THOUSAND // answered) if answered else "–", f"{len(facts.days)} days"),
        ("of calls throttled", f"{throttled / calls:.1%}" if calls else "–", f"{thousands(calls)} calls"),
    ]
    if rate is not None:
        found.append(("of cacheable tokens from cache", f"{rate:.1%}", ""))
    if facts.queues_now:
        dead = sum(row["visible"] + row["in_flight"] for row in facts.queues_now if row["kind"] == "dead_letters")
        found.append(("dead letters", thousands(dead), ""))
    if facts.forecast is not None:
        missing = sum(line.calls for line in facts.forecast)
        total = sum(line.cost_micro_usd for line in facts.forecast)
        found.append(("forecast of the next night", money(total), f"{thousands(missing)} calls"))
    return found


def spenders(facts: ReportFacts) -> list[dict[str, Any]]:
    """Who spent it on what: by trigger, partner, analysis and model, the most expensive first."""
    names = ("trigger", "partner_id", "analysis", "model_id")
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in facts.costs:
        key = tuple(row[name] for name in names)
        found = sums.setdefault(key, dict(zip(names, key, strict=True)) | dict.fromkeys(_MEASURES, 0))
        for name in _MEASURES:
            found[name] += row[name]
    return sorted((row for row in sums.values() if row["calls"]), key=lambda row: -row["cost_micro_usd"])


def service_estimates(facts: ReportFacts) -> list[dict[str, Any]]:
    """What carried each partner's requests may have cost; none of it is in the bill."""
    sums: dict[str, dict[str, Any]] = {}
    for row in (row for row in facts.costs if row["requests"]):
        found = sums.setdefault(row["partner_id"], {"partner_id": row["partner_id"]} | dict.fromkeys(ESTIMATES, 0))
        for name in ESTIMATES:
            found[name] += row[name]
    return [sums[partner] for partner in sorted(sums)]


_MEASURES = ("calls", "answered", "cost_micro_usd", "wasted_micro_usd")


def by_day(facts: ReportFacts) -> list[dict[str, Any]]:
    """Sums of each day, newest first."""
    sums: dict[str, dict[str, Any]] = {
        day: {"day": day, **dict.fromkeys((*_MEASURES, "throttled", *_TOKENS), 0)} for day in reversed(facts.days)
    }
    for row in facts.costs:
        for name in (*_MEASURES, "throttled", *_TOKENS):
            sums[row["day"]][name] += row[name]
    return list(sums.values())


def _parts(facts: ReportFacts) -> dict[str, str]:
    """Canaries are few, and so are the mornings whose page speaks of them."""
    has_canary = any(counts.get(HELD_BACK) for counts in facts.outcomes.values())
    return {part: standing for part, standing in _PARTS.items() if standing != HELD_BACK or has_canary}


def _outcome_charts(facts: ReportFacts) -> list[Chart | None]:
    parts = _parts(facts)
    rows = {
        words(name): {part: counts.get(standing, 0) for part, standing in parts.items()}
        for name, counts in facts.outcomes.items()
        if counts
    }
    if not rows:
        return []
    worst = min(rows, key=lambda name: rows[name]["answered"])
    says = f"{worst} has the fewest answers: {rows[worst]['answered']:,} of {sum(rows[worst].values()):,} titles."
    return [
        Chart(
            "coverage",
            "What became of the titles",
            says,
            stacked_shares(rows, {part: _PART_SERIES[part] for part in parts}),
            0.7 + 0.4 * len(rows),
        )
    ]


def _cost_charts(facts: ReportFacts) -> list[Chart | None]:
    if not facts.costs:
        return []
    spent = sum(row["cost_micro_usd"] for row in facts.costs)
    tokens = {words(name.removesuffix("_tokens")): name for name in _TOKENS}
    values = {word: _daily(facts, name) for word, name in tokens.items()}
    labels = [day[5:] for day in facts.days]
    return [
        Chart(
            "cost",
            "Cost by UTC day and analysis",
            f"{money(spent)} since {facts.days[0]}.",
            stacked_bars(labels, _cost_by_analysis(facts), unit=lambda value: f"${value:,.2f}"),
        ),
        Chart(
            "tokens",
            "Tokens billed by UTC day",
            ", ".join(f"{sum(each):,.0f} {word}" for word, each in values.items()) + ".",
            stacked_bars(labels, values, unit=_compact),
        ),
    ]


def _cost_by_analysis(facts: ReportFacts) -> dict[str, list[float]]:
    """The dearest analyses by name, the rest together, in USD."""
    totals: dict[str, int] = defaultdict(int)
    for row in facts.costs:
        totals[row["analysis"]] += row["cost_micro_usd"]
    ordered = sorted(totals, key=lambda name: -totals[name])
    shown = ordered if len(ordered) <= SERIES else ordered[: SERIES - 1]
    found = {words(name): _daily_usd(facts, [name]) for name in shown}
    return found | ({"others": _daily_usd(facts, ordered[len(shown) :])} if len(shown) < len(ordered) else {})


def _daily_usd(facts: ReportFacts, analyses: Sequence[str]) -> list[float]:
    return [usd(int(value)) for value in _daily(facts, "cost_micro_usd", lambda row: row["analysis"] in analyses)]


def _daily(facts: ReportFacts, column: str, wanted: Callable[[Any], bool] = bool) -> list[float]:
    sums = dict.fromkeys(facts.days, 0.0)
    for row in filter(wanted, facts.costs):
        sums[row["day"]] += row[column]
    return list(sums.values())


def _speed_charts(facts: ReportFacts) -> list[Chart | None]:
    charts: list[Chart | None] = []
    if facts.latencies:
        rows = {words(each.analysis): (each.p50_ms, each.p95_ms, each.p99_ms) for each in facts.latencies}
        slowest = max(facts.latencies, key=lambda each: each.p99_ms)
        says = f"The slowest is {words(slowest.analysis)}: 1 % of its calls take longer than {slowest.p99_ms:,} ms."
        draw = percentile_dots(rows, ("p50", "p95", "p99"), "milliseconds")
        charts.append(Chart("latency", "How long an answer takes", says, draw, 1.1 + 0.3 * len(rows)))
    if any(row["throttled"] for row in facts.costs):
        throttled = _daily(facts, "throttled")
        says = f"{sum(throttled):,.0f} calls were refused by the model's quota and tried again; they cost nothing."
        draw = stacked_bars([day[5:] for day in facts.days], {"throttled": throttled}, unit=_compact)
        charts.append(Chart("throttled", "Throttled calls by UTC day", says, draw))
    return charts


def _queue_charts(facts: ReportFacts) -> list[Chart | None]:
    if not facts.queue_hours:
        return []
    labels = [f"{each.hour:%m-%d %H}h" for each in facts.queue_hours]
    dead = [float(each.dead_letters) for each in facts.queue_hours]
    ages = [each.oldest_age_seconds for each in facts.queue_hours]
    known = [age for age in ages if age is not None]
    oldest = "Nothing waited, or nobody knew since when."
    if known:
        oldest = f"The oldest waited {duration_text(max(known))}."
    return [
        Chart(
            "dead_letters", "Dead letters", f"At most {max(dead):,.0f} in an hour.", steps(labels, dead, series=3), 1.9
        ),
        Chart(
            "ages",
            "Oldest waiting request, in seconds",
            f"{oldest} The dashed line is where the check backlog_keeps_up warns.",
            steps(labels, ages, series=0, limit=OLDEST_NORMAL_SECONDS),
            1.9,
        ),
    ]


def _compact(value: float) -> str:
    for size, unit in ((_MILLION, "M"), (_THOUSAND, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
