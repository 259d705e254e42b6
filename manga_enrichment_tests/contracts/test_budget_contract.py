"""BudgetStore: a cap is never passed, by nobody, and what is not used comes back to the last micro-dollar."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.gateways.budget import SPENDER_LINGER, Brake, BudgetScope, BudgetStore
from manga_enrichment.gateways.errors import SpenderClosedError
from manga_enrichment_tests.contracts.conftest import NO_LIMIT
from manga_enrichment_tests.fakes import START, FakeClock, MemoryBudget

MINUTE = timedelta(minutes=1)


@dataclass
class Caps:
    """A day's cap of 1,000 and two runs under it, with names of their own."""

    unique: str
    now: datetime

    @property
    def until(self) -> datetime:
        return self.now + MINUTE

    @property
    def day(self) -> str:
        return f"day:{self.unique}"

    def run(self, name: str) -> str:
        return f"run:{self.unique}:{name}"

    def spender(self, name: str) -> str:
        return f"{self.unique}:{name}"

    def scopes(self, run: str, run_limit: int = 600) -> list[BudgetScope]:
        return [BudgetScope(self.run(run), run_limit), BudgetScope(self.day, 1_000)]


@pytest.fixture
def caps(unique: str, clock: FakeClock) -> Caps:
    return Caps(unique, clock.now())


def test_an_unknown_counter_is_empty(budget: BudgetStore, caps: Caps) -> None:
    assert budget.spent(caps.day) == (0, 0)


def test_a_cap_can_be_used_up_exactly_and_not_passed(budget: BudgetStore, caps: Caps) -> None:
    assert budget.reserve(caps.scopes("a"), caps.spender("a"), 599, caps.until)
    assert not budget.reserve(caps.scopes("a"), caps.spender("a"), 2, caps.until)
    assert budget.reserve(caps.scopes("a"), caps.spender("a"), 1, caps.until)
    assert not budget.reserve(caps.scopes("a"), caps.spender("a"), 1, caps.until)
    assert budget.spent(caps.run("a")) == (600, 0)


def test_more_than_the_whole_cap_is_refused_at_once(budget: BudgetStore, caps: Caps) -> None:
    assert not budget.reserve(caps.scopes("a"), caps.spender("a"), 601, caps.until)
    assert budget.spent(caps.day) == (0, 0)


def test_a_reservation_holds_in_all_scopes_or_in_none(budget: BudgetStore, caps: Caps) -> None:
    assert budget.reserve(caps.scopes("a"), caps.spender("a"), 600, caps.until)
    assert not budget.reserve(caps.scopes("b"), caps.spender("b"), 401, caps.until)
    assert budget.spent(caps.run("b")) == (0, 0)
    assert budget.spent(caps.day) == (600, 0)
    assert budget.reserve(caps.scopes("b"), caps.spender("b"), 400, caps.until)
    assert budget.spent(caps.day) == (1_000, 0)


def test_a_cap_of_zero_lets_nothing_through(budget: BudgetStore, caps: Caps) -> None:
    assert not budget.reserve(caps.scopes("a", run_limit=0), caps.spender("a"), 1, caps.until)


def test_closing_gives_back_exactly_what_was_not_spent(budget: BudgetStore, caps: Caps) -> None:
    budget.reserve(caps.scopes("a"), caps.spender("a"), 300, caps.until)
    budget.reserve(caps.scopes("a"), caps.spender("a"), 200, caps.until)
    budget.reserve(caps.scopes("b"), caps.spender("b"), 100, caps.until)
    budget.spend(caps.spender("a"), 120)
    budget.spend(caps.spender("a"), 3)
    budget.close(caps.spender("a"))
    assert budget.spent(caps.run("a")) == (123, 123)
    assert budget.spent(caps.run("b")) == (100, 0)
    assert budget.spent(caps.day) == (223, 123)


def test_closing_twice_is_closing_once(budget: BudgetStore, caps: Caps) -> None:
    budget.reserve(caps.scopes("a"), caps.spender("a"), 500, caps.until)
    budget.spend(caps.spender("a"), 40)
    for _ in range(3):
        budget.close(caps.spender("a"))
    assert budget.spent(caps.day) == (40, 40)


def test_closing_a_stranger_does_nothing(budget: BudgetStore, caps: Caps) -> None:
    budget.close(caps.spender("nobody"))
    assert budget.spent(caps.day) == (0, 0)


def test_money_spent_beyond_the_reservation_counts(budget: BudgetStore, caps: Caps) -> None:
    budget.reserve(caps.scopes("a"), caps.spender("a"), 100, caps.until)
    budget.spend(caps.spender("a"), 700)
    budget.close(caps.spender("a"))
    assert budget.spent(caps.run("a")) == (700, 700)
    assert not budget.reserve(caps.scopes("a"), caps.spender("a2"), 1, caps.until)


def test_a_closed_spender_gets_no_more(budget: BudgetStore, caps: Caps) -> None:
    budget.reserve(caps.scopes("a"), caps.spender("a"), 100, caps.until)
    budget.close(caps.spender("a"))
    with pytest.raises(SpenderClosedError):
        budget.reserve(caps.scopes("a"), caps.spender("a"), 1, caps.until)
    assert budget.spent(caps.day) == (0, 0)


def test_what_a_frozen_run_spends_after_others_closed_it_is_not_lost(budget: BudgetStore, caps: Caps) -> None:
    budget.reserve(caps.scopes("a"), caps.spender("a"), 100, caps.until)
    budget.spend(caps.spender("a"), 10)
    assert budget.close_abandoned([caps.day], caps.until + MINUTE) == [caps.spender("a")]
    budget.spend(caps.spender("a"), 5)
    budget.close(caps.spender("a"))
    budget.close(caps.spender("a"))
    assert budget.spent(caps.run("a")) == (15, 15)
    assert budget.spent(caps.day) == (15, 15)


def test_what_a_run_spends_after_others_closed_it_is_known_though_it_is_killed_then(
    budget: BudgetStore, caps: Caps
) -> None:
    budget.reserve(caps.scopes("a"), caps.spender("a"), 100, caps.until)
    budget.spend(caps.spender("a"), 10)
    assert budget.close_abandoned([caps.day], caps.until + MINUTE) == [caps.spender("a")]
    assert budget.close_abandoned([caps.day], caps.until + MINUTE) == []
    budget.spend(caps.spender("a"), 5)
    assert budget.close_abandoned([caps.day], caps.until + 2 * MINUTE) == [caps.spender("a")]
    assert budget.spent(caps.run("a")) == budget.spent(caps.day) == (15, 15)
    for minutes in (3, 90, 91):
        assert budget.close_abandoned([caps.day], caps.until + minutes * MINUTE, [caps.spender("a")]) == []
    budget.close(caps.spender("a"))
    assert budget.spent(caps.run("a")) == budget.spent(caps.day) == (15, 15)


def test_an_abandoned_spender_is_named_until_it_was_swept_and_its_time_is_over(budget: BudgetStore, caps: Caps) -> None:
    for name, minutes in (("dead", 0), ("alive", 300)):
        assert budget.reserve(caps.scopes(name), caps.spender(name), 100, caps.until + minutes * MINUTE)
    dead, counters = [caps.spender("dead")], [caps.day, caps.run("dead")]
    assert budget.abandoned(counters, caps.until) == []
    soon, late = caps.until + MINUTE, caps.until + SPENDER_LINGER + MINUTE
    assert budget.abandoned(counters, soon) == dead
    for now, swept in ((soon, []), (late, []), (soon, dead)):
        budget.close_abandoned(counters, now, swept)
        assert budget.abandoned(counters, soon) == dead
    budget.close_abandoned(counters, late, dead)
    assert budget.abandoned(counters, late) == []
    assert budget.spent(caps.day) == (100, 0)


def test_only_spenders_whose_lease_ran_out_are_abandoned(budget: BudgetStore, caps: Caps) -> None:
    for name, minutes in (("dead", 1), ("renewed", 1), ("alive", 30)):
        assert budget.reserve(caps.scopes(name), caps.spender(name), 100, caps.now + minutes * MINUTE)
        budget.spend(caps.spender(name), 7)
    budget.renew(caps.spender("renewed"), caps.now + 30 * MINUTE)
    counters = [caps.day, caps.run("dead"), caps.run("renewed"), caps.run("never")]
    assert budget.close_abandoned(counters, caps.now + 2 * MINUTE) == [caps.spender("dead")]
    assert budget.close_abandoned(counters, caps.now + 2 * MINUTE) == []
    assert budget.spent(caps.run("dead")) == (7, 7)
    assert budget.spent(caps.day) == (207, 7)


def test_a_new_reservation_prolongs_the_lease(budget: BudgetStore, caps: Caps) -> None:
    budget.reserve(caps.scopes("a"), caps.spender("a"), 1, caps.now + MINUTE)
    budget.reserve(caps.scopes("a"), caps.spender("a"), 1, caps.now + 9 * MINUTE)
    assert budget.close_abandoned([caps.day], caps.now + 5 * MINUTE) == []


def test_renewing_neither_opens_nor_reopens(budget: BudgetStore, caps: Caps) -> None:
    budget.renew(caps.spender("a"), caps.until)
    assert budget.reserve(caps.scopes("a"), caps.spender("a"), 100, caps.until)
    budget.close(caps.spender("a"))
    budget.renew(caps.spender("a"), caps.now + 30 * MINUTE)
    with pytest.raises(SpenderClosedError):
        budget.reserve(caps.scopes("a"), caps.spender("a"), 1, caps.until)


def test_the_brake_is_off_until_it_is_put_on(brake_store: BudgetStore, caps: Caps) -> None:
    assert brake_store.brake() is None
    brake = Brake("the bill looks wrong: 100 % more\nthan planned", caps.now)
    assert brake_store.put_brake_on(brake) == brake
    assert brake_store.brake() == brake


def test_the_first_brake_stands(brake_store: BudgetStore, caps: Caps) -> None:
    first, second = Brake("first", caps.now), Brake("second", caps.until)
    brake_store.put_brake_on(first)
    assert brake_store.put_brake_on(second) == first
    assert brake_store.brake() == first


def test_taking_the_brake_off_tells_what_it_was_once(brake_store: BudgetStore, caps: Caps) -> None:
    first = Brake("first", caps.now)
    brake_store.put_brake_on(first)
    assert brake_store.take_brake_off() == first
    assert brake_store.take_brake_off() is None
    assert brake_store.brake() is None
    second = Brake("second", caps.until)
    assert brake_store.put_brake_on(second) == second


def test_one_of_sixteen_brakes_put_on_at_once_stands(brake_store: BudgetStore, caps: Caps) -> None:
    brakes = [Brake(f"reason {number}", caps.now) for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        standing = set(pool.map(brake_store.put_brake_on, brakes))
    assert standing == {brake_store.brake()}


def test_sixteen_threads_use_up_a_cap_and_never_pass_it(budget: BudgetStore, caps: Caps) -> None:
    scopes = [BudgetScope(caps.run("all"), NO_LIMIT), BudgetScope(caps.day, 1_000)]

    def greedy(thread: int) -> int:
        granted = 0
        while budget.reserve(scopes, caps.spender(str(thread % 8)), 13, caps.until):
            granted += 13
        return granted

    with ThreadPoolExecutor(16) as threads:
        granted = sum(threads.map(greedy, range(16)))
    assert granted == 1_000 // 13 * 13
    assert budget.spent(caps.day) == (granted, 0)


def test_concurrent_closing_and_spending_loses_nothing(budget: BudgetStore, caps: Caps) -> None:
    budget.reserve(caps.scopes("a"), caps.spender("a"), 500, caps.until)

    def spend_and_close(_: int) -> None:
        budget.spend(caps.spender("a"), 10)
        budget.close(caps.spender("a"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(spend_and_close, range(16)))
    budget.close(caps.spender("a"))
    assert budget.spent(caps.run("a")) == (160, 160)
    assert budget.spent(caps.day) == (160, 160)


def test_what_is_booked_once_by_a_name_goes_past_any_limit_and_not_a_second_time(
    budget: BudgetStore, caps: Caps
) -> None:
    assert budget.reserve(caps.scopes("a"), caps.spender("a"), 600, caps.until)
    counters = [caps.run("a"), caps.day]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: budget.book_once(caps.spender("owed"), counters, 700, caps.now), range(4)))
    assert budget.spent(caps.day) == budget.spent(caps.run("a")) == (1_300, 700)
    budget.book_once(caps.spender("more"), counters, 1, caps.now)
    budget.close(caps.spender("a"))
    budget.close(caps.spender("owed"))
    assert budget.close_abandoned([caps.day], caps.until + MINUTE) == []
    assert budget.spent(caps.day) == (701, 701)


def test_what_is_booked_once_makes_counters_that_nobody_has_used(budget: BudgetStore, caps: Caps) -> None:
    budget.book_once(caps.spender("owed"), [caps.day], 7, caps.now)
    assert budget.spent(caps.day) == (7, 7)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "spend", "close", "abandon"]), st.sampled_from(["a", "b"]), st.integers(0, 400)
    ),
    max_size=30,
)


@given(_STEPS)
def test_after_everything_is_closed_committed_is_what_was_spent(steps: list[tuple[str, str, int]]) -> None:
    """Over the fake alone: the real one is held to the fake by the tests above."""
    budget, caps, spent = MemoryBudget(), Caps("x", START), 0
    for action, name, amount in steps:
        if action == "reserve":
            before = budget.spent(caps.day)[0]
            with suppress(SpenderClosedError):
                if budget.reserve(caps.scopes(name), caps.spender(name), amount, caps.until):
                    assert before + amount <= 1_000
        elif action == "spend" and budget.spent(caps.run(name)) != (0, 0):
            budget.spend(caps.spender(name), amount)
            spent += amount
        elif action == "close":
            budget.close(caps.spender(name))
        elif action == "abandon":
            budget.close_abandoned([caps.day], caps.now + amount * timedelta(seconds=1))
    for name in ("a", "b"):
        budget.close(caps.spender(name))
    assert budget.spent(caps.day) == (spent, spent)
