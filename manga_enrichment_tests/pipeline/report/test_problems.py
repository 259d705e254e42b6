"""What needs a hand: the worst first, each with its next step; what the next run does by itself is none."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.next_steps import NEXT_STEPS
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.pipeline.health.table_quality import FAILED_IN_PASSING
from manga_enrichment.pipeline.report.facts import FailureClass, ReportFacts
from manga_enrichment.pipeline.report.links import Links
from manga_enrichment.pipeline.report.page import report_html, report_summary
from manga_enrichment.pipeline.report.problems import Problem, problems_of

NOW = datetime(2026, 1, 15, 21, 20, tzinfo=UTC)
LINKS = Links("https://dagster.example/", "https://browse.example")
CALM = ReportFacts(
    made_at=NOW,
    titles=100,
    outcomes={"reading_level": Counter(succeeded=100)},
    failures=[],
    days=["2026-01-15"],
    costs=[],
    latencies=[],
    failed_attempts=[],
    queues_now=[],
    queue_hours=[],
    forecast=[],
)


def cost(**changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(("calls", "answered", "throttled", "cost_micro_usd", "wasted_micro_usd", "unpriced_calls"), 0)
    tokens = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "requests"), 0)
    who = {"dagster_run_id": "run-1", "trigger": "schedule", "partner_id": None, "analysis": "reading_level"}
    times = {"first_at": NOW, "last_at": NOW, "day": "2026-01-15", "model_id": "haiku"}
    return {**row, **tokens, **who, **times, **changes}


def queue(kind: str, **changes: Any) -> dict[str, Any]:
    row = {"queue": "manga-fm-normal", "kind": kind, "visible": 0, "in_flight": 0, "delayed": 0, "observed_at": NOW}
    return {**row, "oldest_age_seconds": None, "oldest_age_source": "empty", **changes}


def problems(**changes: Any) -> list[Problem]:
    return problems_of(replace(CALM, **changes), LINKS)


def test_where_all_is_well_the_page_says_so_and_marks_nothing() -> None:
    assert problems() == []
    page = report_html(CALM, LINKS)
    assert "Nothing needs a hand." in page
    assert 'role="alert"' not in page
    assert "Wrong" not in report_summary(CALM)


@pytest.mark.parametrize(
    ("changes", "is_bad", "what", "next_step"),
    [
        ({"brake": Brake("the bill looks wrong", NOW)}, True, "the bill looks wrong", NEXT_STEPS[ErrorClass.BRAKE]),
        ({"forecast": None}, False, "There is no catalog yet", "nightly_enrichment"),
        (
            {"outcomes": {"reading_level": Counter(succeeded=79, failed=21)}},
            True,
            "reading level 79 of 100",
            "estimate",
        ),
        (
            {"failures": [FailureClass("refusal", transient=False, answers=114)]},
            False,
            "Answers that are missing for good: 114 by refusal",
            NEXT_STEPS[ErrorClass.REFUSAL],
        ),
        ({"queues_now": [queue("dead_letters", visible=2, in_flight=1)]}, True, "3 dead letters", "dlq redrive"),
        ({"queues_now": [queue("requests", oldest_age_seconds=7200.0)]}, False, "waits 2.0 h", "daemon"),
        ({"costs": [cost(calls=100, throttled=6)]}, False, "6% of today's calls", "MANGA_REQUESTS_PER_MINUTE"),
        ({"costs": [cost(calls=1, unpriced_calls=1)]}, True, "haiku cost nothing", "models add"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_to_mend_it(
    changes: dict[str, Any], is_bad: bool, what: str, next_step: str
) -> None:
    [found] = problems(**changes)
    assert found.is_bad is is_bad
    assert what in found.what
    assert next_step in found.next_step


def test_what_the_next_run_does_by_itself_is_no_problem() -> None:
    assert problems(failures=[FailureClass("refusal", transient=True, answers=3)]) == []
    assert problems(costs=[cost(calls=100, throttled=5)]) == []
    assert problems(queues_now=[queue("requests", oldest_age_seconds=600.0)]) == []
    low = problems(outcomes={"reading_level": Counter({"succeeded": 95, FAILED_IN_PASSING: 5})})
    assert low == [], "at the threshold all is well"
    assert problems(outcomes={"reading_level": Counter(succeeded=79, failed=21)}, lowest_coverage=0.79) == []


def test_the_worst_is_first_and_stands_above_every_figure() -> None:
    facts = replace(CALM, forecast=None, queues_now=[queue("dead_letters", visible=1)])
    assert [each.is_bad for each in problems_of(facts, LINKS)] == [True, False]
    page = report_html(facts, LINKS)
    wrong, look, figures = (page.index(word) for word in ("1 dead letters", "There is no catalog", 'class="tiles"'))
    assert wrong < look < figures
    assert 'href="https://dagster.example/assets/dead_letter_queues?view=checks"' in page


def test_addresses_are_quoted_and_left_out_where_there_is_no_base() -> None:
    assert LINKS.run("a/b") == "https://dagster.example/runs/a%2Fb"
    assert LINKS.title('MNG-1"><script>') == "https://browse.example/titles/MNG-1%22%3E%3Cscript%3E"
    assert (Links().run("a"), Links().checks("a"), Links().title("a")) == ("", "", "")
