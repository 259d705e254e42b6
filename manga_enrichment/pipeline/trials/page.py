"""A trial as one HTML file, and as words for terminals and the Dagster UI.

Belongs here: which pictures and tables there are. Stays out: drawing (`charts.py`), the figures
(`domain/trials/report.py`), the markup (`templates/trial.html`), what all pages share
(`pipeline/report/document.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manga_enrichment.domain.trials.comparison import Duel
from manga_enrichment.domain.trials.intervals import Interval
from manga_enrichment.domain.trials.report import Standing, TrialReport
from manga_enrichment.pipeline.report.charts import Chart
from manga_enrichment.pipeline.report.document import money, page_environment, thousands
from manga_enrichment.pipeline.trials.charts import Point, cost_and_agreement, intervals


def trial_html(report: TrialReport) -> str:
    """A whole HTML document."""
    environment = page_environment("manga_enrichment.pipeline.trials")
    filters: dict[str, Callable[..., str]] = {"percent": percent, "value": shown_value, "p_value": p_text}
    environment.filters |= filters
    template = environment.get_template("trial.html")
    charts = {chart.name: chart for chart in trial_charts(report)}
    return template.render(report=report, charts=charts, judge=judge(report), tables=_confusions(report))


def judge(report: TrialReport) -> str:
    return "the truth" if report.has_truth else "today's answers"


def trial_charts(report: TrialReport) -> list[Chart]:
    """Only those that have something to show."""
    charts = []
    rows: dict[str, dict[str, Interval]] = {}
    for each in report.standings:
        for agreement in each.with_truth if report.has_truth else each.with_today:
            rows.setdefault(agreement.field, {})[each.name] = agreement.interval
    if rows:
        says = f"Share of titles, or mean likeness, with 95 % intervals; beside {judge(report)}."
        height = 1.0 + len(rows) * (0.24 + 0.13 * len(report.standings))
        charts.append(Chart("agreement", f"Agreement with {judge(report)}", says, intervals(rows), height))
    points = [
        Point(each.name, each.micro_usd_per_title / 1_000, each.agreement, each.is_on_front)
        for each in report.standings
        if each.agreement is not None and each.micro_usd_per_title
    ]
    if points:
        front = [each.name for each in report.standings if each.is_on_front]
        says = f"Nothing beats {', '.join(front)} in cost, latency and agreement at once."
        charts.append(Chart("front", "What agreement costs", says, cost_and_agreement(points), 2.8))
    return charts


def trial_summary(report: TrialReport) -> str:
    """Markdown, as the Dagster UI shows it."""
    headings = " | ".join(TABLE_HEADINGS)
    rows = [f"| {' | '.join(table_row(each))} |" for each in report.standings]
    head = [f"| {headings} |", f"|{'---|' * len(TABLE_HEADINGS)}"]
    return "\n".join([*head, *rows, "", *(f"- {note}" for note in trial_notes(report))])


TABLE_HEADINGS = (
    "contender", "agreement", "answered", "refused", "schema", "p50 ms", "p95 ms", "USD/1,000", "catalog", "left to pay"
)  # fmt: skip


def table_row(each: Standing) -> tuple[str, ...]:
    """The cells under TABLE_HEADINGS; * for the Pareto front."""
    return (
        f"{each.name}{' *' if each.is_on_front else ''}",
        percent(each.agreement),
        f"{each.answered} of {each.titles}",
        str(each.refused),
        str(each.schema_failures),
        thousands(each.latency_p50_ms),
        thousands(each.latency_p95_ms),
        money(each.micro_usd_per_title * 1_000),
        money(each.catalog_micro_usd),
        money(each.rest_micro_usd),
    )


def trial_notes(report: TrialReport) -> list[str]:
    """Sentences about the whole."""
    known = f", known of {report.truth_titles} titles" if report.has_truth else ""
    estimated, billed = money(report.estimated_micro_usd), money(report.billed_micro_usd)
    drawn = f"{report.titles} of {thousands(report.askable)} titles, seed {report.seed}"
    notes = [
        f"{drawn}; agreement is with {judge(report)}{known}; * nothing beats it",
        f"about {estimated} before this try, {billed} billed in all its tries, cap {money(report.cap_micro_usd)}",
    ]
    for each in report.standings[1:]:
        notes += [_duel_sentence(each, duel) for duel in each.duels]
    if report.strangers:
        notes.append(
            f"{len(report.strangers)} ids of the truth are not in the catalog, for example {report.strangers[0]}"
        )
    return [*notes, report.stopped] if report.stopped else notes


def _duel_sentence(each: Standing, duel: Duel) -> str:
    verdict = "no difference seen"
    if duel.p_value < 0.05:
        verdict = "better than today" if duel.only_candidate > duel.only_today else "worse than today"
    return (
        f"{each.name}, {duel.field}: {verdict} (right alone {duel.only_candidate}, today right alone {duel.only_today} "
        f"of {duel.titles}; McNemar's exact p {p_text(duel.p_value)})"
    )


def percent(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    return f"{interval.mean:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def p_text(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def shown_value(value: Any) -> str:
    """A cell of a row in few words."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        first, *rest = value.values()
        return f"{first} ({', '.join(f'{each:.2f}' if isinstance(each, float) else str(each) for each in rest)})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(shown_value, value)) or "none"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _confusions(report: TrialReport) -> list[dict[str, Any]]:
    """Tables of few values: rows are the judge's, columns the contender's."""
    found = []
    for each in report.standings[1:]:
        for field, pairs in each.confusions.items():
            counts = {(before, after): count for before, after, count in pairs}
            before = sorted({pair[0] for pair in counts})
            after = sorted({pair[1] for pair in counts})
            sums = {one: sum(counts.get((one, other), 0) for other in after) for one in before}
            is_true = any(agreement.field == field for agreement in each.with_truth)
            found.append(
                {"name": each.name, "field": field, "before": before, "after": after, "counts": counts, "sums": sums}
                | {"side": "truth" if is_true else "today"}
            )
    return found
