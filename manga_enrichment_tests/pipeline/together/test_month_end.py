"""A run that begins ten seconds before a month ends: everybody agrees on the day to which each of its calls belongs.

It is the day on which the run began, for log, counters, daily costs and the checks. A request's rows are under the day
on which it was submitted. What is compared with the service goes by the hour of each call.
"""

from datetime import UTC, datetime, timedelta

import pytest

from manga_enrichment.domain.operations.service_books import HOUR
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.pipeline.engine.money.budget import LEASE_SECONDS, Caps
from manga_enrichment.pipeline.health.daily_costs import reconcile, write_day
from manga_enrichment.pipeline.health.service_books import logged_calls
from manga_enrichment_tests.builders import MODELS, SINGLES
from manga_enrichment_tests.kill_switch import Killed
from manga_enrichment_tests.shared_night import TITLES, SharedNight, total

MONTH_END = datetime(2026, 1, 31, 23, 59, 50, tzinfo=UTC)
LEAP_DAY = datetime(2028, 2, 29, 23, 59, 50, tzinfo=UTC)
CAP = 600
"""Micro-dollars: less than a partner's batch for all titles costs, more than half of that."""
YEAR_END = datetime(2026, 12, 31, 23, 59, 50, tzinfo=UTC)


def days_of(shared: SharedNight) -> tuple[str, str]:
    """The last day of the month, and the first of the next."""
    return shared.start.date().isoformat(), (shared.start + timedelta(days=1)).date().isoformat()


def cost_of(shared: SharedNight, day: str) -> int:
    """By the table `enrichment_costs`, written now."""
    return total(write_day(shared.base.tables, day).to_pylist())


@pytest.mark.parametrize("start", [MONTH_END, LEAP_DAY, YEAR_END])
def test_a_night_that_passes_midnight_belongs_to_the_day_on_which_it_began(start: datetime) -> None:
    shared = SharedNight(start=start, longest_seconds=30)
    before, after = days_of(shared)
    sent = shared.partners.send([(1, "reading_level"), (2, "content_summary")])
    shared.clock.together((0, lambda: shared.night("old")), (3, shared.partners.work))
    assert {row["started_at"].date().isoformat() for row in shared.log()} == {before, after}, "it passed midnight"
    assert shared.days() == {before}
    shared.assert_books_agree()
    shared.assert_each_question_was_answered_once()
    assert cost_of(shared, before) == shared.counted(before)[1] == total(shared.log()) > 0
    assert (cost_of(shared, after), shared.counted(after)) == (0, (0, 0))
    assert shared.partners.result_rows(sent)
    days = {key.split("/")[2] for key in shared.base.tables.list_keys("enrichment/partner_results/")}
    assert days == {f"date={before}"}


def test_two_nights_on_both_sides_of_midnight_count_each_call_once_and_apart() -> None:
    shared = SharedNight(start=MONTH_END, longest_seconds=20, concurrency=4)  # in time for each op's deadline
    before, after = days_of(shared)
    shared.clock.together(
        (0, lambda: shared.night("old", SINGLES[:2])),
        (15, lambda: shared.night("new", SINGLES[::-1])),
        (15, lambda: shared.night("backfill", SINGLES[2:], "backfill")),
    )
    shared.assert_books_agree()
    shared.assert_each_question_was_answered_once()
    by_run = {day: {row["dagster_run_id"] for row in shared.log(day)} for day in (before, after)}
    assert by_run == {before: {"old"}, after: {"new", "backfill"}}
    assert cost_of(shared, before) + cost_of(shared, after) == total(shared.log()) == shared.model.meter_micro_usd
    books = reconcile(shared.base.tables, shared.base.ledger, shared.base.budget, [before, after], shared.clock.now())
    assert [(each.day, each.difference_micro_usd, each.is_open) for each in books] == [
        (before, 0, False),
        (after, 0, False),
    ]


def test_a_day_that_is_spent_leaves_the_next_one_whole() -> None:
    probe = SharedNight(start=MONTH_END)
    probe.night("probe", ["reading_level"])
    cap = probe.counted(days_of(probe)[0])[1] // 2
    shared = SharedNight(start=MONTH_END, settings={"caps": Caps(per_day_micro_usd=cap)})
    before, after = days_of(shared)
    shared.night("old", ["reading_level"])
    told = {row["error_class"] for row in shared.base.outcomes("reading_level").values()}
    assert told == {None, "budget"}
    assert shared.counted(after) == (0, 0)
    shared.clock.advance(10)
    shared.night("new", ["reading_level"])
    assert 0 < shared.counted(before)[1] <= cap
    assert 0 < shared.counted(after)[1] <= cap
    shared.assert_books_agree()
    assert len(shared.base.answers("reading_level")) == len(shared.base.ledger.entries) > TITLES // 2


def test_a_partner_whose_day_is_spent_is_served_on_the_next() -> None:
    shared = SharedNight(start=MONTH_END, settings={"caps": Caps(per_partner_per_day_micro_usd=CAP)})
    before, after = days_of(shared)
    sent = [shared.partners.send([(number, "content_summary") for number in range(TITLES)])]
    shared.partners.work()
    assert shared.partners.state(sent[0]) == "deferred"
    shared.partners.drain()
    counted = [shared.base.budget.spent(f"partner:acme:{day}")[1] for day in (before, after)]
    assert shared.partners.state(sent[0]) == "completed"
    assert all(0 < each <= CAP for each in counted)
    assert sum(counted) == shared.partners.row(sent[0]).cost_micro_usd == total(shared.log())
    shared.assert_books_agree()


def test_what_a_run_that_was_killed_at_midnight_set_aside_is_given_back_under_its_own_day() -> None:
    shared = SharedNight(start=MONTH_END, longest_seconds=20)
    before, after = days_of(shared)
    shared.partners.send([(number, "reading_level") for number in range(TITLES)])
    shared.partners.tick()
    shared.clock.advance(8)
    shared.partners.switch.arm(20, after_effect=True)
    with pytest.raises(Killed):
        shared.partners.run(shared.partners.launched.pop())
    shared.partners.switch.revive()
    committed, spent = shared.counted(before)
    assert committed > spent, "it had money in hand"
    shared.clock.advance(LEASE_SECONDS + MOST_CLOCK_SKEW.total_seconds() + 1)
    assert shared.clock.now().date().isoformat() == after
    shared.partners.drain()
    reconcile(shared.base.tables, shared.base.ledger, shared.base.budget, [before, after], shared.clock.now())
    shared.assert_books_agree()


def test_calls_are_held_against_the_service_in_the_hour_in_which_they_were_made() -> None:
    shared = SharedNight(start=MONTH_END, longest_seconds=30)
    shared.night("old")
    midnight = datetime(2026, 2, 1, tzinfo=UTC)
    models = {each.model_id: each for each in MODELS.models.values()}
    calls = [
        each for each in logged_calls(shared.base.tables, midnight, midnight + HOUR, models) if each.last >= midnight
    ]
    sent = [row for row in shared.log() if row["started_at"] + timedelta(milliseconds=row["latency_ms"]) >= midnight]
    assert len(calls) == len(sent) > 0
