"""The limiter against simulated quotas, in virtual time: how much of a quota it uses, how much is throttled."""

import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment_tests.pipeline.engine.rate.quota_simulation import CallSize, Quota, Sender, Simulation, varied

pytestmark = pytest.mark.slow

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


def assert_is_used(run: Simulation, *, calls_per_second: float) -> None:
    """The two goals for one sender that was told nothing, in the ten minutes after the first ten."""
    assert run.accepted_per_minute(SETTLED, END) >= 0.95 * 60 * calls_per_second
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
@pytest.mark.parametrize(
    "service", [ONE_SECOND, ONE_MINUTE, WINDOW_THAT_SAYS_WHEN], ids=["second", "minute", "window that says when"]
)
@pytest.mark.parametrize("calls_per_second", [2, 10])
def test_an_untold_token_quota_is_found_and_used(
    calls_per_second: int, service: dict[str, Any], latency_seconds: tuple[float, float]
) -> None:
    """A night at such a pace has a thousand calls, so what is refused is a matter of luck: the mean of some nights."""
    per_minute = 60 * calls_per_second * CallSize().used
    quota = Quota(tokens_per_minute=per_minute, **service)
    nights = [
        Simulation(quota, [Sender()], seed=seed, sizes=varied, latency_seconds=latency_seconds).run(END)
        for seed in range(3)
    ]
    assert min(night.accepted_per_minute(SETTLED, END, tokens=True) for night in nights) >= 0.95 * per_minute
    assert statistics.mean(night.throttled_share(SETTLED, END) for night in nights) <= 0.03


@pytest.mark.parametrize("latency_seconds", [QUICK, SLOW], ids=["quick", "slow"])
@pytest.mark.parametrize("calls_per_second", [2, 10])
def test_most_of_an_untold_window_of_tokens_is_used(
    calls_per_second: int, latency_seconds: tuple[float, float]
) -> None:
    """Calls differ in size, so when such a window is used up is a guess: the mean of some nights, and a lower goal."""
    per_minute = 60 * calls_per_second * CallSize().used
    quota = Quota(tokens_per_minute=per_minute, **WINDOW)
    nights = [
        Simulation(quota, [Sender()], seed=seed, sizes=varied, latency_seconds=latency_seconds).run(END)
        for seed in range(4)
    ]
    assert (
        statistics.mean(night.accepted_per_minute(SETTLED, END, tokens=True) for night in nights) >= 0.92 * per_minute
    )
    assert statistics.mean(night.throttled_share(SETTLED, END) for night in nights) <= 0.03


LOOPBACK = (0.0005, 0.001)


@pytest.mark.parametrize("network_seconds", [LOOPBACK, (0.005, 0.025)], ids=["loopback", "network"])
@pytest.mark.parametrize("calls_per_second", [10, 30, 100])
@pytest.mark.parametrize("seed", range(3))
def test_after_twenty_seconds_an_untold_quota_is_used(
    calls_per_second: int, network_seconds: tuple[float, float], seed: int
) -> None:
    """The search has gone past the quota by then, and nothing it met there holds the pace down."""
    run = Simulation(
        Quota(60 * calls_per_second),
        [Sender()],
        seed=seed,
        concurrency=64,
        latency_seconds=QUICK,
        network_seconds=network_seconds,
    ).run(60)
    assert run.accepted_per_minute(20, 60) >= 0.95 * 60 * calls_per_second
    assert run.throttled_share(20, 60) <= 0.03


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


def test_refusals_that_no_pace_avoids_hold_no_start_back() -> None:
    """Five in a hundred calls are refused however slowly they come; one start in many meets several at once."""
    paces = [
        Simulation(Quota(60_000, refused_anyway=0.05), [Sender()], seed=seed, concurrency=32)
        .run(120)
        .accepted_per_minute(60, 120)
        for seed in range(20)
    ]
    assert statistics.median(paces) >= 2_000, paces
    assert min(paces) >= statistics.median(paces) / 2, paces


def test_refusals_that_no_pace_avoids_do_not_stop_one_that_has_found_a_quota() -> None:
    """So it falls by three quarters, sees that this is not the cure, and searches anew."""
    for seed in range(4):
        run = Simulation(Quota(6_000, refused_anyway=0.05), [Sender()], seed=seed).run(600)
        assert run.accepted_per_minute(120, 600) >= 0.25 * 6_000


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
    assert not told or min(run.fair_shares(settled, end)) >= LEAST_SHARE


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_processes_share_a_token_quota(told: bool) -> None:
    tokens_per_minute = 60 * 20 * CallSize().used
    run, settled, end = shared(Quota(tokens_per_minute=tokens_per_minute), 4, late=True, told=told, sizes=varied)
    assert run.accepted_per_minute(settled, end, tokens=True) >= 0.95 * tokens_per_minute
    assert run.throttled_share(settled, end) <= 0.05
    assert min(run.fair_shares(settled, end)) >= LEAST_SHARE


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_the_one_that_stays_takes_over_what_the_other_leaves(told: bool) -> None:
    quota = 1_200 if told else None
    run = Simulation(Quota(1_200), [Sender(told_requests=quota), Sender(told_requests=quota, leaves_at=300.0)]).run(900)
    assert run.accepted_per_minute(600, 900) >= 0.95 * 1_200
