"""The limiter against simulated quotas, in virtual time: how much of a quota it uses, how much is throttled."""

import asyncio
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.pipeline.limiter import Bucket, Limiter
from manga_enrichment_tests.fakes import FakeClock
from manga_enrichment_tests.pipeline.quota_simulation import CallSize, Quota, Sender, Simulation, SteppedClock, varied

LEAST_SHARE = 0.2
"""Of a fair share, over some thousand calls: shares wander (0.6 to 1.4 as a rule), and none stays behind."""


def minutes_for(calls: float, per_minute: float, *, at_least: float = 5) -> float:
    """Seconds of virtual time for that many calls at a quota."""
    return 60 * max(at_least, calls / per_minute)


# Told: the quota is configured.


@pytest.mark.parametrize("per_minute", [5, 60, 600, 6_000, 60_000])
def test_a_told_request_quota_is_used_and_never_throttled(per_minute: int) -> None:
    seconds = minutes_for(200, per_minute, at_least=2)
    run = Simulation(Quota(per_minute), [Sender(told_requests=per_minute)]).run(seconds)
    assert run.throttled_share(0, seconds) == 0
    assert run.accepted_per_minute(seconds / 4, seconds) >= 0.98 * per_minute


@pytest.mark.parametrize("per_minute", [100_000, 2_000_000, 10_000_000])
@pytest.mark.parametrize("seed", range(2))
def test_a_told_token_quota_is_used_as_it_settles_and_never_throttled(per_minute: int, seed: int) -> None:
    quota = Quota(tokens_per_minute=per_minute)
    seconds = minutes_for(400 * 1_800, per_minute)
    run = Simulation(quota, [Sender(told_tokens=per_minute)], seed=seed, sizes=varied).run(seconds)
    assert run.throttled_share(0, seconds) == 0
    assert run.accepted_per_minute(seconds / 4, seconds, tokens=True) >= 0.98 * per_minute


def test_of_two_told_quotas_the_tighter_one_sets_the_pace() -> None:
    quota = Quota(requests_per_minute=600, tokens_per_minute=300_000)
    run = Simulation(quota, [Sender(told_requests=600, told_tokens=300_000)], sizes=varied).run(600)
    assert run.throttled_share(0, 600) == 0
    assert run.accepted_per_minute(100, 600, tokens=True) >= 0.98 * 300_000


# Untold: the quota is found by trying. A service keeps a bucket of one second or of a minute, or a window of a minute.

ONE_SECOND = {"burst_seconds": 1.0}
ONE_MINUTE = {"burst_seconds": 60.0}
WINDOW = {"window_seconds": 60.0}
WINDOW_THAT_SAYS_WHEN = {"window_seconds": 60.0, "says_when": True}
SERVICES = [ONE_SECOND, ONE_MINUTE, WINDOW, WINDOW_THAT_SAYS_WHEN]
QUICK, SLOW = (0.2, 0.2), (3.0, 10.0)
SETTLED, END = 600.0, 1_200.0


def assert_is_used(
    run: Simulation, *, calls_per_second: float = 0.0, tokens_per_second: float = 0.0, goal: float = 0.95
) -> None:
    """The two goals for one sender that was told nothing, in the ten minutes after the first ten."""
    used = run.accepted_per_minute(SETTLED, END, tokens=tokens_per_second > 0.0)
    assert used >= goal * 60 * (tokens_per_second or calls_per_second)
    assert run.throttled_share(SETTLED, END) <= 0.03


@pytest.mark.parametrize("latency_seconds", [QUICK, SLOW], ids=["quick", "slow"])
@pytest.mark.parametrize("service", SERVICES, ids=["second", "minute", "window", "window that says when"])
@pytest.mark.parametrize("calls_per_second", [2, 30])
def test_an_untold_request_quota_is_found_and_used(
    calls_per_second: int, service: dict[str, Any], latency_seconds: tuple[float, float]
) -> None:
    quota = Quota(60 * calls_per_second, **service)
    run = Simulation(quota, [Sender()], latency_seconds=latency_seconds).run(END)
    assert_is_used(run, calls_per_second=calls_per_second)


@pytest.mark.parametrize("latency_seconds", [QUICK, SLOW], ids=["quick", "slow"])
@pytest.mark.parametrize("service", SERVICES, ids=["second", "minute", "window", "window that says when"])
@pytest.mark.parametrize("calls_per_second", [2, 10])
def test_an_untold_token_quota_is_found_and_used(
    calls_per_second: int, service: dict[str, Any], latency_seconds: tuple[float, float]
) -> None:
    tokens_per_second = calls_per_second * CallSize().used
    quota = Quota(tokens_per_minute=60 * tokens_per_second, **service)
    run = Simulation(quota, [Sender()], sizes=varied, latency_seconds=latency_seconds).run(END)
    goal = 0.92 if service is WINDOW else 0.95  # calls differ in size: when a window is used up, is a guess
    assert_is_used(run, tokens_per_second=tokens_per_second, goal=goal)


@pytest.mark.parametrize("service", [ONE_SECOND, WINDOW], ids=["second", "window"])
def test_an_untold_quota_of_five_hundred_calls_a_second_is_found_and_used(service: dict[str, Any]) -> None:
    run = Simulation(Quota(60 * 500, **service), [Sender()], latency_seconds=QUICK).run(240)
    assert run.accepted_per_minute(120, 240) >= 0.95 * 60 * 500
    assert run.throttled_share(120, 240) <= 0.03


def test_a_quota_of_twenty_calls_a_minute_is_found_too() -> None:
    """So slow that refusals, the only news there is, must be more than 3 % to come at all."""
    run = Simulation(Quota(20, smallest_burst=2), [Sender()]).run(6_000)
    assert run.accepted_per_minute(3_000, 6_000) >= 0.95 * 20
    assert run.throttled_share(3_000, 6_000) <= 0.06


@settings(max_examples=10)
@given(st.floats(math.log(120), math.log(1_800)).map(math.exp), st.integers(0, 10_000))
def test_any_untold_quota_is_found_with_any_luck(per_minute: float, seed: int) -> None:
    run = Simulation(Quota(per_minute), [Sender()], seed=seed).run(END)
    assert_is_used(run, calls_per_second=per_minute / 60)


@pytest.mark.parametrize(("before", "after"), [(600, 300), (6_000, 600), (600, 1_200), (1_500, 6_000)])
def test_a_quota_that_changes_is_followed(before: int, after: int) -> None:
    run = Simulation(Quota(before), [Sender()], changes=[(300, after)]).run(900)
    assert run.accepted_per_minute(600, 900) >= 0.95 * after
    assert run.throttled_share(600, 900) <= 0.03
    assert run.throttled_share(300, 600) <= 0.05


def test_refusals_that_no_pace_avoids_do_not_bring_it_to_a_stop() -> None:
    """Five in a hundred calls are refused however slowly they come."""
    run = Simulation(Quota(6_000, refused_anyway=0.05), [Sender()]).run(300)
    assert run.accepted_per_minute(60, 300) >= 60


# Several processes, one quota, no coordinator.


def shared(
    quota: Quota, senders: int, *, late: bool, told: bool, sizes: Callable[[random.Random], CallSize] | None = None
) -> tuple[Simulation, float, float]:
    """Run so many senders, together or one after the other; the run, when all have settled, and its end."""
    per_minute = quota.requests_per_minute or (quota.tokens_per_minute or 0.0) / CallSize().used
    settled = minutes_for(2_000 * senders, per_minute, at_least=10)
    end = settled + minutes_for(1_500 * senders, per_minute, at_least=10)
    told_requests = int(quota.requests_per_minute or 0) or None
    told_tokens = int(quota.tokens_per_minute or 0) or None
    every = [
        Sender(number * settled / 3 / senders if late else 0.0, *((told_requests, told_tokens) if told else ()))
        for number in range(senders)
    ]
    run = Simulation(quota, every, latency_seconds=(0.2, 4.0), sizes=sizes or (lambda _rng: CallSize())).run(end)
    return run, settled, end


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("late", [False, True], ids=["together", "one after the other"])
@pytest.mark.parametrize("senders", [2, 4, 8])
@pytest.mark.parametrize("calls_per_second", [2, 20])
def test_processes_share_a_quota_and_none_starves(calls_per_second: int, senders: int, late: bool, told: bool) -> None:
    run, settled, end = shared(Quota(60 * calls_per_second), senders, late=late, told=told)
    assert run.accepted_per_minute(settled, end) >= 0.95 * 60 * calls_per_second
    assert run.throttled_share(settled, end) <= 0.05
    assert min(run.fair_shares(settled, end)) >= LEAST_SHARE


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_processes_share_a_bucket_of_a_minute(told: bool) -> None:
    run, settled, end = shared(Quota(600, **ONE_MINUTE), 4, late=True, told=told)
    assert run.accepted_per_minute(settled, end) >= 0.95 * 600
    assert run.throttled_share(settled, end) <= 0.05
    assert min(run.fair_shares(settled, end)) >= LEAST_SHARE


@pytest.mark.parametrize("service", [WINDOW, WINDOW_THAT_SAYS_WHEN], ids=["window", "window that says when"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_processes_share_windows_of_a_minute(service: dict[str, Any], told: bool) -> None:
    run, settled, end = shared(Quota(3_000, **service), 4, late=True, told=told)
    assert run.accepted_per_minute(settled, end) >= (0.95 if told else 0.92) * 3_000
    assert run.throttled_share(settled, end) <= 0.05
    assert not told or min(run.fair_shares(settled, end)) >= LEAST_SHARE  # untold: see the docstring of pace.py


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_processes_share_a_token_quota(told: bool) -> None:
    tokens_per_minute = 60 * 20 * CallSize().used
    run, settled, end = shared(Quota(tokens_per_minute=tokens_per_minute), 4, late=True, told=told, sizes=varied)
    assert run.accepted_per_minute(settled, end, tokens=True) >= 0.95 * tokens_per_minute
    assert run.throttled_share(settled, end) <= 0.05
    assert min(run.fair_shares(settled, end)) >= LEAST_SHARE


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_the_one_that_stays_takes_over_what_the_other_leaves(told: bool) -> None:
    """The second stops because it has nothing more to ask (here: no free slot)."""
    run = Simulation(Quota(1_200), 2 * [Sender(told_requests=1_200 if told else None)])
    run.leaves_at = {1: 300.0}
    run.run(900)
    assert run.accepted_per_minute(600, 900) >= 0.95 * 1_200


# Turns.


async def test_turns_come_in_the_order_of_asking() -> None:
    clock = FakeClock()
    limiter = Limiter(clock, requests_per_minute=60)
    order: list[int] = []

    async def ask(number: int) -> None:
        await limiter.acquire(100, until=math.inf)
        order.append(number)

    await asyncio.gather(*(ask(number) for number in range(10)))
    assert order == list(range(10))
    assert clock.monotonic_seconds() == pytest.approx(9 / 0.99, rel=0.02)


async def test_a_turn_that_would_come_too_late_is_refused_without_waiting_for_it() -> None:
    clock = FakeClock()
    limiter = Limiter(clock, requests_per_minute=1)
    assert await limiter.acquire(1, until=10) is not None
    assert await limiter.acquire(1, until=10) is None
    assert clock.monotonic_seconds() < 10


async def test_nobody_gets_a_turn_after_the_deadline() -> None:
    clock = FakeClock()
    limiter = Limiter(clock)
    await clock.sleep(11)
    assert await limiter.acquire(1, until=10) is None


async def test_tokens_that_are_given_back_let_the_next_call_go_sooner() -> None:
    clock = FakeClock()
    limiter = Limiter(clock, tokens_per_minute=6_000)
    permit = await limiter.acquire(6_000, until=math.inf)
    assert permit is not None
    waiting = asyncio.create_task(limiter.acquire(100, until=math.inf))
    await clock.sleep(1)
    limiter.settle(permit, 100)
    await waiting
    assert clock.monotonic_seconds() < 3


async def test_a_call_that_was_dropped_costs_no_tokens() -> None:
    clock = FakeClock()
    limiter = Limiter(clock, tokens_per_minute=6_000)
    for _ in range(20):
        permit = await limiter.acquire(6_000, until=math.inf)
        assert permit is not None
        limiter.drop(permit)
    assert clock.monotonic_seconds() < 30


async def test_someone_who_gives_up_waiting_does_not_block_the_others() -> None:
    clock = FakeClock()
    limiter = Limiter(clock, requests_per_minute=60)
    await limiter.acquire(1, until=math.inf)
    impatient = asyncio.create_task(limiter.acquire(1, until=math.inf))
    patient = asyncio.create_task(limiter.acquire(1, until=math.inf))
    await clock.sleep(0.2)
    impatient.cancel()
    assert await patient is not None


def test_a_limiter_that_is_not_used_to_the_full_does_not_speed_up() -> None:
    clock = SteppedClock()
    limiter = Limiter(clock)
    for second in range(1, 200):
        clock.seconds = float(second)
        limiter.settle(limiter.take(10, asked_at=clock.seconds), 10)
    assert limiter.requests_per_second == 5.0


def test_nothing_leaves_before_the_service_wants_it_to() -> None:
    clock = SteppedClock()
    limiter = Limiter(clock, requests_per_minute=6_000)
    limiter.refuse(limiter.take(10, asked_at=0), retry_after_seconds=30)
    assert limiter.ready_at(10) == 30
    clock.seconds = 30.0
    limiter.take(10, asked_at=0)
    assert 30.0 < limiter.ready_at(10) < 31.0  # one call finds out, the next waits for what it finds


def test_a_second_of_waiting_is_for_the_refused_call_alone() -> None:
    """Whole seconds have no finer word for "soon"."""
    limiter = Limiter(SteppedClock(), requests_per_minute=6_000)
    limiter.refuse(limiter.take(10, asked_at=0), retry_after_seconds=1)
    assert limiter.ready_at(10) == 0


def test_throttled_calls_are_counted() -> None:
    limiter = Limiter(SteppedClock())
    limiter.refuse(limiter.take(10, asked_at=0))
    assert limiter.throttled == 1


@given(
    st.floats(0.1, 10_000),
    st.floats(0.1, 2.0),
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1_000)), max_size=40),
)
def test_a_bucket_never_lets_out_more_than_burst_plus_rate(
    per_second: float, burst_seconds: float, steps: list[tuple[float, float]]
) -> None:
    bucket = Bucket(per_second, burst_seconds, 0.0)
    now, taken, largest = 0.0, 0.0, 0.0
    for pause, amount in steps:
        now = max(now + pause, bucket.ready_at(amount, now + pause))
        assert bucket.ready_at(amount, now) <= now + 1e-6
        bucket.take(amount)
        taken += amount
        largest = max(largest, amount)
    assert taken <= per_second * (now + burst_seconds) + largest + 1e-3 * (1 + taken)
