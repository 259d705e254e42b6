"""An urgent call every few seconds beside a backfill that takes all it gets: simulated, in virtual time."""

import math

import pytest

from manga_enrichment.domain.operations.quota_lanes import BACKFILL, LANE_WEIGHTS, URGENT
from manga_enrichment_tests.pipeline.engine.rate.quota_simulation import Quota, Sender, Simulation

pytestmark = pytest.mark.slow

MODEL_SECONDS = 3.0
BEGINS, SETTLED, END = 200.0, 215.0, 500.0


def beside_a_backfill(per_minute: int, every: float, runs: int, *, told: bool) -> Simulation:
    """First the backfill alone, from BEGINS on beside so many runs with an urgent call every few seconds."""
    quota = per_minute if told else None
    backfill = Sender(told_requests=quota, weight=LANE_WEIGHTS[BACKFILL], lane=BACKFILL)
    urgent = Sender(
        told_requests=quota,
        weight=LANE_WEIGHTS[URGENT],
        lane=URGENT,
        asks_during=[(BEGINS, math.inf)],
        asks_every=every,
    )
    latency = (MODEL_SECONDS, MODEL_SECONDS)
    return Simulation(Quota(per_minute), [backfill, *[urgent] * runs], latency_seconds=latency).run(END)


CASES = [(600, 5.0, 1), (600, 2.0, 1), (600, 5.0, 3), (6_000, 0.5, 1), (120, 5.0, 1)]


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize(("per_minute", "every", "runs"), CASES)
def test_a_backfill_loses_little_more_than_the_urgent_calls_take(
    per_minute: int, every: float, runs: int, told: bool
) -> None:
    run = beside_a_backfill(per_minute, every, runs, told=told)
    alone = run.got(BEGINS / 2, BEGINS)[0]
    assert alone >= 0.98 * per_minute / 60
    assert run.got(SETTLED, END)[0] >= 0.95 * (alone - runs / every)


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize(("per_minute", "every", "runs"), CASES)
def test_an_urgent_call_leaves_within_four_seconds_and_nearly_always_within_one(
    per_minute: int, every: float, runs: int, told: bool
) -> None:
    waited = sorted(seconds for _, seconds in beside_a_backfill(per_minute, every, runs, told=told).waits)
    assert len(waited) >= runs * ((END - BEGINS) / every - 1)
    assert waited[int(0.95 * len(waited))] <= 1.0
    assert waited[-1] <= 4.0
