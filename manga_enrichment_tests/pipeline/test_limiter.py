"""The limiter against simulated quotas, in virtual time: how much of a quota it uses, how much is throttled."""

import asyncio
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.pipeline.limiter import Bucket, Limiter
from manga_enrichment_tests.fakes import FakeClock
from manga_enrichment_tests.pipeline.quota_simulation import Quota, Sender, Simulation, SteppedClock, varied


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


# Untold: the quota is found by trying.


@pytest.mark.parametrize(
    ("per_minute", "burst_seconds"),
    [(5, 1), (5, 60), (20, 1), (60, 1), (60, 5), (200, 1), (200, 3), (1_000, 1), (1_000, 3), (6_000, 1), (12_000, 1)],
)
def test_an_untold_request_quota_is_found_from_a_cold_start(per_minute: int, burst_seconds: float) -> None:
    seconds = minutes_for(2_000, per_minute)
    run = Simulation(Quota(per_minute, burst_seconds=burst_seconds, smallest_burst=2), [Sender()]).run(seconds)
    assert run.accepted_per_minute(0, seconds) >= 0.95 * per_minute
    assert run.throttled_share(0, seconds) <= 0.03


def test_an_untold_quota_of_a_thousand_calls_a_second_is_found() -> None:
    run = Simulation(Quota(60_000), [Sender()], concurrency=2_048).run(120)
    assert run.accepted_per_minute(0, 120) >= 0.95 * 60_000
    assert run.throttled_share(0, 120) <= 0.03


@pytest.mark.parametrize("per_minute", [1_000_000, 5_000_000])
def test_an_untold_token_quota_is_found_too(per_minute: int) -> None:
    run = Simulation(Quota(tokens_per_minute=per_minute), [Sender()], sizes=varied).run(600)
    assert run.accepted_per_minute(0, 600, tokens=True) >= 0.95 * per_minute
    assert run.throttled_share(0, 600) <= 0.03


@settings(max_examples=10)
@given(st.floats(math.log(200), math.log(3_000)).map(math.exp), st.integers(0, 10_000))
def test_any_untold_quota_is_found_with_any_luck(per_minute: float, seed: int) -> None:
    seconds = minutes_for(2_000, per_minute)
    run = Simulation(Quota(per_minute), [Sender()], seed=seed).run(seconds)
    assert run.accepted_per_minute(0, seconds) >= 0.95 * per_minute
    assert run.throttled_share(0, seconds) <= 0.03


@pytest.mark.parametrize(("before", "after"), [(600, 300), (6_000, 600), (600, 1_200), (1_500, 6_000)])
def test_a_quota_that_changes_is_followed(before: int, after: int) -> None:
    run = Simulation(Quota(before), [Sender()], changes=[(300, after)]).run(900)
    assert run.accepted_per_minute(600, 900) >= 0.95 * after
    assert run.throttled_share(600, 900) <= 0.03
    assert run.throttled_share(300, 600) <= 0.05


# Several processes, one quota, no coordinator.


@pytest.mark.parametrize("per_minute", [300, 3_000])
@pytest.mark.parametrize("senders", [2, 4])
@pytest.mark.parametrize("late", [False, True])
def test_processes_that_were_told_a_quota_share_it_fairly(per_minute: int, senders: int, late: bool) -> None:
    settled = minutes_for(2_500 * senders, per_minute, at_least=3)
    end = settled + minutes_for(1_500 * senders, per_minute, at_least=3)
    starts = [number * settled / 3 / senders if late else 0.0 for number in range(senders)]
    run = Simulation(Quota(per_minute), [Sender(start, told_requests=per_minute) for start in starts]).run(end)
    assert run.accepted_per_minute(settled, end) >= 0.95 * per_minute
    assert run.throttled_share(0, end) <= 0.05
    assert min(run.fair_shares(settled, end)) >= 0.5


@pytest.mark.parametrize(("per_minute", "senders"), [(300, 2), (3_000, 2), (3_000, 4)])
@pytest.mark.parametrize("late", [False, True])
def test_processes_that_were_told_nothing_share_a_quota_and_none_starves(
    per_minute: int, senders: int, late: bool
) -> None:
    settled = minutes_for(5_000 * senders, per_minute, at_least=4)
    end = settled + minutes_for(1_500 * senders, per_minute)
    starts = [number * settled / 3 / senders if late else 0.0 for number in range(senders)]
    run = Simulation(Quota(per_minute), [Sender(start) for start in starts]).run(end)
    assert run.accepted_per_minute(settled, end) >= 0.95 * per_minute
    assert run.throttled_share(0, end) <= 0.05
    assert min(run.fair_shares(settled, end)) >= 0.1  # fairness takes longer here: see the docstring of pace.py


@pytest.mark.parametrize("told", [True, False])
def test_a_shared_token_quota_is_used_as_well(told: bool) -> None:
    senders = [Sender(start, told_tokens=2_000_000 if told else None) for start in (0.0, 60.0)]
    run = Simulation(Quota(tokens_per_minute=2_000_000), senders, sizes=varied).run(600)
    assert run.accepted_per_minute(120, 600, tokens=True) >= 0.95 * 2_000_000
    assert run.throttled_share(0, 600) <= 0.05
    assert min(run.fair_shares(120, 600)) >= (0.5 if told else 0.1)


def test_the_one_that_stays_takes_over_what_the_other_leaves() -> None:
    """Two told processes; the second stops because it has nothing more to ask (here: no free slot)."""
    run = Simulation(Quota(1_200), [Sender(told_requests=1_200), Sender(told_requests=1_200)])
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
