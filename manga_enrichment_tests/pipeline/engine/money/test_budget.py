"""RunBudget: blocks from shared counters, handed out call by call; no cap is passed and nobody waits for ever."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.gateways.budget import BudgetScope
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.money.budget import (
    MOST_LOOKS,
    NO_CAP_MICRO_USD,
    NO_CAPS,
    Caps,
    RunBudget,
    scopes_of,
)
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry
from manga_enrichment_tests.fakes import FakeClock
from manga_enrichment_tests.pipeline.engine.call_world import FlakyBudget

DAY = "day:2026-01-15"


@dataclass
class Purses:
    """Run budgets that share one capped counter."""

    cap: int

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.store = FlakyBudget()

    def open(self, spender: str = "run-1") -> RunBudget:
        return RunBudget(self.store, [BudgetScope(DAY, self.cap)], spender, self.clock)

    @property
    def committed(self) -> int:
        return self.store.spent(DAY)[0]


async def test_money_is_taken_in_blocks_and_what_is_left_is_given_back() -> None:
    purses = Purses(cap=10_000)
    budget = purses.open()
    for _ in range(8):
        assert await budget.reserve(100)
        budget.settle(100, 60)
        purses.store.spend("run-1", 60)
    assert purses.store.reservations == 1
    assert purses.committed == 800
    await budget.close()
    assert purses.store.spent(DAY) == (480, 480)


async def test_blocks_grow_while_they_are_used_up_fast_and_not_otherwise() -> None:
    purses = Purses(cap=NO_CAP_MICRO_USD)
    fast, slow = purses.open("fast"), purses.open("slow")
    for _ in range(2_000):
        await fast.reserve(1)
    fast_blocks = purses.store.reservations
    for _ in range(200):
        await slow.reserve(1)
        await purses.clock.sleep(1)
    assert fast_blocks < 15
    assert purses.store.reservations - fast_blocks == 200 / 8


async def test_a_cap_smaller_than_a_block_is_used_to_the_last_call() -> None:
    budget = Purses(cap=350).open()
    assert [await budget.reserve(100) for _ in range(3)] == [True, True, True]
    for _ in range(3):
        budget.settle(100, 100)
    assert not await budget.reserve(100)
    assert await budget.reserve(50)


async def test_a_call_that_finds_no_room_does_not_shut_out_cheaper_ones() -> None:
    budget = Purses(cap=100).open()
    assert not await budget.reserve(1_000)
    assert budget.has_no_room_for(1_000)
    assert not budget.has_no_room_for(999)
    assert await budget.reserve(100)


class ReturnsWhenLookedAt(FlakyBudget):
    """Another spender gives its money back between the refusal and the look at who refused."""

    def spent(self, counter: str) -> tuple[int, int]:
        self.close("another")
        return super().spent(counter)


async def test_room_that_others_gave_back_meanwhile_is_taken_instead_of_refusing_for_no_reason() -> None:
    purses = Purses(cap=100)
    purses.store = ReturnsWhenLookedAt()
    assert await purses.open("another").reserve(80)
    budget = purses.open()
    assert await budget.reserve(50)
    assert not budget.has_no_room_for(50)


class NeverGrants(FlakyBudget):
    looks = 0

    def reserve(self, *_: object, **__: object) -> bool:
        return False

    def spent(self, counter: str) -> tuple[int, int]:
        self.looks += 1
        return super().spent(counter)


async def test_a_cap_that_refuses_although_it_has_room_ends_in_a_refusal() -> None:
    purses = Purses(cap=100)
    purses.store = store = NeverGrants()
    assert not await purses.open().reserve(50)
    assert store.looks == MOST_LOOKS


async def test_once_a_cap_has_refused_it_is_not_asked_again_for_every_call() -> None:
    purses = Purses(cap=1_000)
    budget = purses.open()
    while await budget.reserve(100):
        budget.settle(100, 100)
    asked = purses.store.reservations
    for _ in range(100):
        assert not await budget.reserve(100)
    assert purses.store.reservations == asked


async def test_a_call_waits_for_what_open_calls_may_return() -> None:
    purses = Purses(cap=100)
    budget = purses.open()
    assert await budget.reserve(100)
    waiting = asyncio.create_task(budget.reserve(80))
    await purses.clock.sleep(1)  # virtual: over when nothing else can go on
    assert not waiting.done()
    budget.settle(100, 20)
    assert await waiting


async def test_all_who_wait_are_told_when_nothing_can_come_back_any_more() -> None:
    purses = Purses(cap=100)
    budget = purses.open()
    assert await budget.reserve(100)
    waiting = [asyncio.create_task(budget.reserve(100)) for _ in range(20)]
    await purses.clock.sleep(1)
    assert not any(each.done() for each in waiting)
    budget.settle(100, 100)
    assert await asyncio.gather(*waiting) == [False] * 20


async def test_a_call_that_cost_more_than_estimated_is_made_up_for_by_the_next_reservation() -> None:
    purses = Purses(cap=1_000)
    budget = purses.open()
    assert await budget.reserve(100)
    budget.settle(100, 950)
    assert not await budget.reserve(100)
    assert await budget.reserve(50)
    assert purses.committed == 1_000


async def test_a_correction_after_settling_counts() -> None:
    budget = Purses(cap=100).open()
    assert await budget.reserve(100)
    budget.settle(100, 100)
    budget.correct(-40)
    assert await budget.reserve(40)


async def test_store_failures_are_waited_out_with_patience() -> None:
    purses = Purses(cap=1_000)
    budget = purses.open()
    budget.use(OutageRetry(purses.clock, until=3_600))
    purses.store.failures_left = 5
    assert await budget.reserve(100)
    purses.store.failures_left = 5
    await budget.book_unledgered(70)
    await budget.close()
    assert purses.store.spent(DAY) == (70, 70)


async def test_without_patience_a_store_failure_is_an_error_at_once() -> None:
    purses = Purses(cap=1_000)
    purses.store.failures_left = 1
    with pytest.raises(StoreUnavailableError):
        await purses.open().reserve(100)


async def test_the_lease_is_renewed_through_failures() -> None:
    purses = Purses(cap=1_000)
    budget = purses.open()
    await budget.reserve(100)
    keeping = asyncio.create_task(budget.keep_lease())
    purses.store.failures_left = 1
    await purses.clock.sleep(3_600)
    assert purses.store.close_abandoned([DAY], purses.clock.now()) == []
    keeping.cancel()


@settings(max_examples=100)
@given(
    cap=st.integers(0, 2_000),
    runs=st.lists(
        st.lists(st.tuples(st.integers(1, 300), st.integers(0, 300), st.integers(0, 9)), max_size=30),
        min_size=1,
        max_size=3,
    ),
    concurrency=st.integers(1, 8),
)
def test_runs_that_share_a_cap_never_pass_it_and_all_come_to_an_end(
    cap: int, runs: list[list[tuple[int, int, int]]], concurrency: int
) -> None:
    """Calls are (estimate, cost, seconds); a cost above its estimate may pass the cap by that difference only."""

    async def play() -> None:
        purses = Purses(cap)
        excess = 0

        async def call(budget: RunBudget, estimate: int, cost: int, seconds: int) -> None:
            nonlocal excess
            if not await budget.reserve(estimate):
                return
            await purses.clock.sleep(seconds)
            purses.store.spend(budget.spender, cost)
            excess += max(0, cost - estimate)
            budget.settle(estimate, cost)
            assert purses.committed <= cap

        async def work(budget: RunBudget, queue: list[tuple[int, int, int]]) -> None:
            while queue:
                await call(budget, *queue.pop())

        budgets = [purses.open(f"run-{number}") for number in range(len(runs))]
        queues = [list(calls) for calls in runs]
        await asyncio.gather(
            *(work(budget, queue) for budget, queue in zip(budgets, queues, strict=True) for _ in range(concurrency))
        )
        for budget in budgets:
            await budget.close()
        committed, spent = purses.store.spent(DAY)
        assert committed == spent <= cap + excess

    asyncio.run(play())


def test_spend_is_counted_for_the_run_its_day_and_its_partner() -> None:
    caps = Caps(per_run_micro_usd=3, per_day_micro_usd=5, per_partner_per_day_micro_usd=7).with_partners(6, 11)
    of_partner = Provenance("run-1", "2026-01-15", "partner", "acme")
    assert scopes_of(of_partner, caps) == [
        BudgetScope("run:run-1", 3),
        BudgetScope("day:2026-01-15", 5),
        BudgetScope("partner:acme:2026-01-15", 6),
        BudgetScope("partner-month:acme:2026-01", 11),
    ]
    assert caps.with_partners(8, None) == Caps(3, 5, 6, None)
    assert NO_CAPS.with_partners(None, None) == NO_CAPS


def test_without_caps_spend_is_counted_all_the_same() -> None:
    nightly = Provenance("run-1", "2026-01-15", "schedule")
    assert scopes_of(nightly, NO_CAPS) == [
        BudgetScope("run:run-1", NO_CAP_MICRO_USD),
        BudgetScope("day:2026-01-15", NO_CAP_MICRO_USD),
    ]
