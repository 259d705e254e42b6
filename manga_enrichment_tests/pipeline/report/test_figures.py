"""Each figure with its change since yesterday and last week, where anybody knows what it was."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from manga_enrichment.pipeline.enrichment.forecast import ForecastLine
from manga_enrichment.pipeline.report.document import table as build_table
from manga_enrichment.pipeline.report.figures import (
    KEPT_DAYS,
    Change,
    change_of,
    cost_figures,
    keep_figures,
    read_history,
    with_costs,
)
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.page import report_html
from manga_enrichment.pipeline.report.shown_tables import report_tables
from manga_enrichment.pipeline.report.tiles import Tile, figures_of, tiles
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.pipeline.report.test_problems import CALM, NOW, cost

TODAY = NOW.date()
YESTERDAY, LAST_WEEK = ((TODAY - timedelta(days=days)).isoformat() for days in (1, 7))


def tile(name: str, **changes: Any) -> Tile:
    [found] = [each for each in tiles(replace(CALM, **changes)) if each.name == name]
    return found


def test_figures_are_kept_by_day_and_the_oldest_are_dropped() -> None:
    tables = MemoryTables()
    assert read_history(tables) == {}
    for number in range(KEPT_DAYS + 5):
        keep_figures(tables, date(2026, 1, 1) + timedelta(days=number), {"titles": number})
    keep_figures(tables, date(2026, 1, 1) + timedelta(days=KEPT_DAYS + 4), {"titles": 7})
    history = read_history(tables)
    assert len(history) == KEPT_DAYS
    assert min(history) == "2026-01-06"
    assert history[max(history)] == {"titles": 7}, "a later report of a day says what is so now"


def test_a_change_is_against_that_very_day_or_unknown() -> None:
    history = {YESTERDAY: {"titles": 90.0}}
    assert change_of("titles", 100, history, TODAY) == Change(10, None)
    assert change_of("missing", 1, history, TODAY) == Change(None, None)


def test_money_of_other_days_is_known_from_the_costs_although_no_report_was_made() -> None:
    costs = [
        cost(cost_micro_usd=3_000_000, calls=4, answered=2, throttled=1),
        cost(day=YESTERDAY, cost_micro_usd=500_000),
    ]
    assert cost_figures(costs, "2026-01-15") == {
        "spent": 3_000_000,
        "calls": 4,
        "per_thousand": 1_500_000_000,
        "throttled": 0.25,
    }
    assert with_costs({YESTERDAY: {"titles": 90}}, costs)[YESTERDAY] == {"titles": 90, "spent": 500_000, "calls": 0}
    spent = tile("spent today", costs=costs)
    assert (spent.value, spent.changes) == ("$3.00", (("+$2.50 since yesterday", ""),))


@pytest.mark.parametrize(
    ("before", "words", "tone"),
    [
        (0.5, "+29.0 points since yesterday", "good"),
        (0.9, "−11.0 points since yesterday", "bad"),
        (0.79, "as yesterday", ""),
    ],
)
def test_a_change_says_whether_it_is_good(before: float, words: str, tone: str) -> None:
    outcomes = {"reading_level": Counter(succeeded=79, failed=21)}
    shown = tile("answered of what can be asked", outcomes=outcomes, history={YESTERDAY: {"coverage": before}})
    assert (shown.value, shown.changes) == ("79.0 %", ((words, tone),))
    assert shown.more == "reading level, which has the fewest: 79 of 100 titles"


def test_the_page_has_both_changes_of_a_figure_and_says_when_there_is_nothing_to_compare_with() -> None:
    history = {YESTERDAY: {"titles": 88.0}, LAST_WEEK: {"titles": 15.0}}
    page = report_html(replace(CALM, history=history))
    assert "+12 since yesterday" in page
    assert "+85 since last week" in page
    assert "from the second morning on" not in page
    assert "from the second morning on" in report_html(CALM)


def test_what_is_forecast_is_a_table_with_its_sum() -> None:
    lines = [ForecastLine("reading_level", "on_demand", 1_200, 5, 6, 2_000_000, None, 90.0, measured=False)] * 2
    facts = replace(CALM, forecast=lines, costs=[cost(calls=1)])
    [table] = [each for name, each in report_tables(facts, Links()).items() if name == "forecast"]
    assert [cell.text for cell in table.rows[0]] == ["reading level", "1,200", "90 s (assumed)", "$2.00"]
    assert [cell.text for cell in table.total] == ["together", "2,400", "", "$4.00"]
    assert "What is missing now" in report_html(facts)
    with pytest.raises(ValueError, match="not equally long"):
        build_table("wrong", ["a", "b"], [("one",)])


def test_what_nobody_knows_is_no_figure() -> None:
    assert figures_of(replace(CALM, outcomes={}, forecast=None)) == {"titles": 100, "missing": 0, "spent": 0}
