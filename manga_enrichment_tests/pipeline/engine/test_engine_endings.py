"""How a run ends: how long it still tries, what it gives back, and what it leaves unasked."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import pytest

from manga_enrichment.domain.outcomes.answers import ClaimResult
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.engine import CUT_SECONDS, DRAIN_SECONDS
from manga_enrichment.pipeline.engine.outage_retry import LONGEST_PAUSE_SECONDS
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import MemoryBudget, MemoryLedger
from manga_enrichment_tests.pipeline.engine.engine_rig import (
    EngineRig,
    FailingReleases,
    call_of,
    calls_of,
    cancelled,
    classes,
    with_puts_failing_until,
)

LOST_TWICE = {title_id(1): [ErrorClass.READ_TIMEOUT] * 2}


class Recording(MemoryLedger):
    """Remembers which claims were asked for and given back."""

    def __init__(self, world: EngineRig) -> None:
        super().__init__(world.clock, world.store)
        self.asked_for: list[str] = []
        self.given_back: list[str] = []

    def claim_many(self, at_stake: Mapping[str, int], *args: object) -> ClaimResult:
        self.asked_for += at_stake
        return super().claim_many(at_stake, *args)  # type: ignore[arg-type]

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        self.given_back += fingerprints
        super().release_many(fingerprints, owner)


class BrokenOnce(MemoryBudget):
    """A store whose first booking fails in a way that its protocol does not know."""

    is_broken = True

    def spend(self, spender: str, amount_micro_usd: int) -> None:
        if self.is_broken:
            self.is_broken = False
            raise OSError("the store is broken")
        super().spend(spender, amount_micro_usd)


class NeverClosed(MemoryBudget):
    """A store that cannot be told that a run has ended."""

    def close(self, spender: str) -> None:
        raise StoreUnavailableError("no closing for now")


def breaking_after(count: int) -> Iterator[Call]:
    yield from calls_of(count)
    raise OSError("the plan file is gone")


def over(store: MemoryBudget, script: Mapping[str, Sequence[ErrorClass]] | None = None) -> EngineRig:
    world = EngineRig(script)
    world.store, world.ledger = store, MemoryLedger(world.clock, store)
    return world


async def test_a_run_that_fails_tries_for_a_minute_to_save_what_it_has() -> None:
    world = EngineRig()
    with_puts_failing_until(world, 1e9)
    with pytest.raises(OSError, match="the plan file is gone"):
        await world.run(breaking_after(8), world.engine(concurrency=8))
    assert DRAIN_SECONDS - LONGEST_PAUSE_SECONDS <= world.clock.monotonic_seconds() <= DRAIN_SECONDS + 2
    unsaved = [result for result in world.results if result.attempts]
    assert len(unsaved) == len(world.model.sent) > 0
    assert set(classes(unsaved)) == {"ledger_unavailable"}


async def test_a_run_that_is_cut_tries_for_seconds() -> None:
    world = EngineRig()
    ledger = with_puts_failing_until(world, 1e9)
    running = asyncio.create_task(world.run(calls_of(8), world.engine(concurrency=8)))
    await world.until(lambda: ledger.puts_tried > 0)
    began = world.clock.monotonic_seconds()
    assert await cancelled(running)
    assert CUT_SECONDS / 2 <= world.clock.monotonic_seconds() - began <= CUT_SECONDS + 1
    assert classes(world.results) == {"ledger_unavailable": 8}


async def test_what_can_be_saved_within_those_seconds_is() -> None:
    world = EngineRig()
    ledger = with_puts_failing_until(world, 20.0)
    running = asyncio.create_task(world.run(calls_of(1)))
    await world.until(lambda: world.clock.monotonic_seconds() >= 15)
    assert await cancelled(running)
    assert set(ledger.entries) == {call_of(1).fingerprint}
    assert [result.outcome for result in world.results] == [Outcome.SUCCEEDED]


async def test_workers_that_have_nothing_to_do_do_not_cut_short_those_with_a_call_at_the_model() -> None:
    world = EngineRig(latency_seconds=40.0)
    with pytest.raises(OSError, match="the plan file is gone"):
        await world.run(breaking_after(40), world.engine(concurrency=40))
    assert 0 < len(world.ledger.entries) == len(world.model.sent) < 40


async def test_making_results_last_is_tried_again_before_claims_are_given_up() -> None:
    world = EngineRig(LOST_TWICE)
    tries: list[float] = []

    def flush() -> None:
        tries.append(world.clock.monotonic_seconds())
        if len(tries) < 3:
            raise StoreUnavailableError("S3 is away")

    await world.engine().run([call_of(1)], world.results.append, flush)
    assert len(tries) == 3
    assert world.ledger.claimed == {}


async def test_a_claim_that_cannot_be_given_back_in_the_end_fails_no_run() -> None:
    world = EngineRig(LOST_TWICE)
    world.ledger = FailingReleases(world.clock, world.store)
    assert classes(await world.run(calls_of(1))) == {"read_timeout": 1}
    assert list(world.ledger.claimed) == [call_of(1).fingerprint]


async def test_a_budget_that_cannot_be_closed_fails_no_run() -> None:
    assert classes(await over(NeverClosed()).run(calls_of(2))) == {"answered": 2}


async def test_a_lost_answer_that_could_not_be_booked_is_booked_in_the_end() -> None:
    world = over(BrokenOnce(), LOST_TWICE)
    with pytest.raises(OSError, match="the store is broken"):
        await world.run(calls_of(1))
    (result,) = world.results
    assert (result.call, result.outcome, result.error_class) == (call_of(1), Outcome.FAILED, ErrorClass.READ_TIMEOUT)
    assert (len(result.attempts), result.message) == (2, "scripted read_timeout")
    assert world.spent_micro_usd() == result.cost_micro_usd > 0


async def test_what_may_not_be_asked_is_not_even_claimed() -> None:
    world = EngineRig()
    world.ledger = ledger = Recording(world)
    results = await world.run(calls_of(3), world.engine(may_ask=lambda _call: False))
    assert classes(results) == {"stopped": 3}
    assert {result.message for result in results} == {""}
    assert ledger.asked_for == []


async def test_what_there_is_no_money_for_is_not_even_claimed() -> None:
    world = EngineRig()
    world.ledger = ledger = Recording(world)
    results = await world.run(calls_of(60), world.engine(cap_micro_usd=1))
    assert classes(results) == {"budget": 60}
    assert 0 < len(ledger.asked_for) < 60


async def test_a_run_whose_deadline_has_come_asks_nothing() -> None:
    world = EngineRig()
    assert classes(await world.run(calls_of(3), world.engine(deadline_seconds=0))) == {"deadline": 3}
    assert world.model.sent == []


async def test_answered_calls_have_no_claim_to_give_back() -> None:
    world = EngineRig()
    world.ledger = ledger = Recording(world)
    engine = world.engine()
    await world.run(calls_of(3), engine)
    assert (sorted(ledger.asked_for), ledger.given_back) == (sorted(call.fingerprint for call in calls_of(3)), [])
    assert (engine.endings.stopped_by, engine.endings.stopped_message) == (None, "")


class ReleasesLater(MemoryLedger):
    """A ledger that gives the first claim back at the second request only."""

    has_refused = False

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        if not self.has_refused:
            self.has_refused = True
            raise StoreUnavailableError("not now")
        super().release_many(fingerprints, owner)


async def test_a_claim_that_could_not_be_given_up_is_given_up_when_the_run_ends() -> None:
    """Left to run out, whoever took it over would book a call that was never made."""
    world = EngineRig({title_id(1): [ErrorClass.SERVICE_UNAVAILABLE] * 100})
    world.ledger = ReleasesLater(world.clock, world.store)
    (result,) = await world.run([call_of(1)], world.engine(deadline_seconds=30))
    assert (result.error_class, result.cost_micro_usd) == (ErrorClass.SERVICE_UNAVAILABLE, 0)
    assert world.ledger.has_refused
    assert world.ledger.claimed == {}
