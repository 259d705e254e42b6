"""The brake: nothing is sent any more within seconds, what is at the model is kept, and letting go of it goes on."""

import asyncio
from datetime import UTC, datetime

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.money.brake_watch import LOOK_SECONDS, BrakeWatch
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment_tests.fakes import FakeClock, MemoryBudget, MemoryLedger, Step
from manga_enrichment_tests.pipeline.engine.engine_rig import (
    EngineRig,
    calls_of,
    claim_elsewhere,
    classes,
    estimate_micro_usd,
)

BRAKE = Brake("the bill looks wrong", datetime(2026, 1, 15, 3, tzinfo=UTC))
MOST_SECONDS = 5.0


class WatchedBudget(MemoryBudget):
    """Counts looks at the brake, and fails the next `unreadable` of them."""

    looks = 0
    unreadable = 0

    def brake(self) -> Brake | None:
        self.looks += 1
        if self.unreadable > 0:
            self.unreadable -= 1
            raise StoreUnavailableError("the row cannot be read")
        return super().brake()


def rig(latency_seconds: float = 1.0, otherwise: Step = None) -> EngineRig:
    world = EngineRig(latency_seconds=latency_seconds, otherwise=otherwise)
    world.store = WatchedBudget()
    world.ledger = MemoryLedger(world.clock, world.store)
    return world


async def test_with_the_brake_on_nothing_is_claimed_reserved_or_sent() -> None:
    world = rig()
    world.store.put_brake_on(BRAKE)
    results = await world.run(calls_of(40), world.engine())
    assert classes(results) == {"brake": 40}
    assert {each.outcome for each in results} == {Outcome.DEFERRED}
    assert {each.message for each in results} == {BRAKE.sentence()}
    assert world.model.sent == []
    assert world.ledger.claimed == {}
    assert world.spent_micro_usd() == 0


async def test_calls_in_flight_finish_and_are_saved_and_the_rest_is_deferred_within_seconds() -> None:
    world = rig(latency_seconds=3.0)
    running = asyncio.create_task(world.run(calls_of(400), world.engine(concurrency=4)))
    await world.until(lambda: len(world.model.sent) >= 8)
    world.store.put_brake_on(BRAKE)
    pulled_at = world.clock.monotonic_seconds()
    results = await running
    assert world.clock.monotonic_seconds() - pulled_at <= MOST_SECONDS + 3.0
    answered = classes(results)["answered"]
    assert classes(results) == {"answered": answered, "brake": 400 - answered}
    assert answered == len(world.model.sent) == len(world.ledger.entries)
    assert world.ledger.claimed == {}
    assert world.spent_micro_usd() == sum(entry.cost_micro_usd for entry in world.ledger.entries.values())


async def test_a_call_that_waits_for_its_turn_is_not_sent_and_waits_no_longer() -> None:
    world = rig()
    slow = RateLimiter(world.clock, requests_per_minute=1)
    running = asyncio.create_task(world.run(calls_of(20), world.engine(concurrency=20, limiter=slow)))
    await world.until(lambda: len(world.model.sent) == 1)
    world.store.put_brake_on(BRAKE)
    pulled_at = world.clock.monotonic_seconds()
    results = await running
    assert world.clock.monotonic_seconds() - pulled_at <= MOST_SECONDS
    assert classes(results) == {"answered": 1, "brake": 19}
    assert len(world.model.sent) == 1


async def test_a_call_that_waits_for_money_waits_no_longer() -> None:
    world = rig(latency_seconds=60.0)
    engine = world.engine(concurrency=4, cap_micro_usd=estimate_micro_usd())
    running = asyncio.create_task(world.run(calls_of(4), engine))
    await world.until(lambda: len(world.model.sent) == 1)
    world.store.put_brake_on(BRAKE)
    await world.clock.sleep(MOST_SECONDS)
    assert classes(world.results) == {"brake": 3}
    assert classes(await running) == {"answered": 1, "brake": 3}


async def test_titles_that_another_run_asks_for_are_left() -> None:
    world = rig()
    claim_elsewhere(world, calls_of(3), 1e5)
    running = asyncio.create_task(world.run(calls_of(3), world.engine()))
    await world.clock.sleep(10)
    world.store.put_brake_on(BRAKE)
    pulled_at = world.clock.monotonic_seconds()
    assert classes(await running) == {"brake": 3}
    assert world.clock.monotonic_seconds() - pulled_at <= MOST_SECONDS


async def test_a_failed_attempt_is_not_tried_again_and_what_it_may_have_cost_is_booked() -> None:
    world = rig(latency_seconds=3.0, otherwise=ErrorClass.READ_TIMEOUT)
    running = asyncio.create_task(world.run(calls_of(1), world.engine()))
    await world.until(lambda: len(world.model.sent) == 1)
    world.store.put_brake_on(BRAKE)
    (result,) = await running
    assert (result.outcome, result.error_class) == (Outcome.DEFERRED, ErrorClass.BRAKE)
    assert [each.error_class for each in result.attempts] == [ErrorClass.READ_TIMEOUT]
    assert world.spent_micro_usd() == result.attempts[0].cost_micro_usd > 0


async def test_when_it_is_off_again_a_further_run_asks_the_rest() -> None:
    world = rig()
    world.store.put_brake_on(BRAKE)
    assert classes(await world.run(calls_of(9), world.engine())) == {"brake": 9}
    world.store.take_brake_off()
    assert classes(await world.run(calls_of(9), world.engine("run-2"))) == {"answered": 9}


async def test_nothing_is_sent_before_the_brake_could_be_read() -> None:
    world = rig()
    world.store.put_brake_on(BRAKE)
    world.store.unreadable = 6
    assert classes(await world.run(calls_of(9), world.engine())) == {"brake": 9}
    assert world.model.sent == []


async def test_a_brake_that_can_never_be_read_defers_everything_as_an_outage() -> None:
    world = rig()
    world.store.unreadable = 10**9
    results = await world.run(calls_of(9), world.engine(deadline_seconds=120))
    assert classes(results) == {"ledger_unavailable": 9}
    assert world.model.sent == []


async def test_while_it_cannot_be_read_the_last_state_holds() -> None:
    clock, store = FakeClock(), WatchedBudget()
    for is_on in (True, False):
        watch = BrakeWatch(store, clock)
        if is_on:
            store.put_brake_on(BRAKE)
        watching = asyncio.create_task(watch.keep(lambda: None))
        await clock.sleep(3 * LOOK_SECONDS)
        store.unreadable = 10**9
        store.take_brake_off() if is_on else store.put_brake_on(BRAKE)
        before = store.looks
        await clock.sleep(60)
        assert store.looks > before
        assert (watch.brake is not None) == is_on
        store.unreadable = 0
        await clock.sleep(MOST_SECONDS)
        assert (watch.brake is not None) != is_on
        watching.cancel()
        store.take_brake_off()


async def test_budgets_that_watch_together_read_as_one_does() -> None:
    clock, store = FakeClock(), WatchedBudget()
    watch = BrakeWatch(store, clock)
    watching = [asyncio.create_task(watch.keep(lambda: None)) for _ in range(50)]
    await clock.sleep(100)
    assert 100 / LOOK_SECONDS - 2 <= store.looks <= 100 / LOOK_SECONDS + 2
    for each in watching:
        each.cancel()
