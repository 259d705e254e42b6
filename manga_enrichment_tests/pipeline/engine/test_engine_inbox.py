"""An engine that many tasks put calls into: each gets its own answers, and none waits for another's trouble."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.sources import Inbox
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.pipeline.engine.engine_rig import EngineRig, call_of, calls_of, claim_elsewhere


class Shared:
    """An engine over an inbox; results by the claim that asked."""

    def __init__(self, world: EngineRig, engine: Engine) -> None:
        self.world, self.engine, self.inbox = world, engine, Inbox()
        self.told: dict[str, list[CallResult]] = {}

    def deliver(self, result: CallResult) -> None:
        self.told.setdefault(result.call.claim, []).append(result)

    async def ask(self, claim: str, calls: Sequence[Call]) -> list[CallResult]:
        self.inbox.put(replace(call, claim=claim) for call in calls)
        await self.world.until(lambda: len(self.told.get(claim, ())) == len(calls))
        return self.told[claim]


@asynccontextmanager
async def shared(world: EngineRig, *, concurrency: int = 4) -> AsyncIterator[Shared]:
    found = Shared(world, world.engine(concurrency=concurrency))
    running = asyncio.create_task(found.engine.run(found.inbox, found.deliver))
    yield found
    found.inbox.close()
    await running


async def test_each_task_gets_its_own_answers_and_pays_for_them() -> None:
    world = EngineRig()
    async with shared(world) as engine:
        first, second = await asyncio.gather(
            engine.ask("a:1", [call_of(1), call_of(2)]), engine.ask("b:1", [call_of(3)])
        )
    assert [len(first), len(second)] == [2, 1]
    paid = {each.manga_id: each.provenance.claim for each in world.ledger.entries.values()}
    assert paid == {title_id(1): "a:1", title_id(2): "a:1", title_id(3): "b:1"}
    assert world.spent_micro_usd() == sum(each.cost_micro_usd for each in world.ledger.entries.values())


async def test_who_asks_what_is_being_asked_follows_and_pays_nothing() -> None:
    world = EngineRig()
    async with shared(world) as engine:
        [first], [second] = await asyncio.gather(engine.ask("a:1", [call_of(1)]), engine.ask("b:1", [call_of(1)]))
    assert (first.from_cache, second.from_cache, len(world.model.sent)) == (False, True, 1)
    assert second.entry is not None
    assert second.entry.provenance.claim == "a:1"


async def test_a_throttled_call_delays_nobody_else() -> None:
    world = EngineRig({title_id(1): [ErrorClass.SERVICE_UNAVAILABLE] * 6})
    async with shared(world) as engine:
        slow = asyncio.create_task(engine.ask("a:1", [call_of(1)]))
        await world.clock.sleep(2)
        began = world.clock.monotonic_seconds()
        [quick] = await engine.ask("b:1", [call_of(2)])
        took_seconds = world.clock.monotonic_seconds() - began
        assert (quick.outcome, slow.done()) == (Outcome.SUCCEEDED, False)
        assert took_seconds < 3
        [late] = await slow
    assert late.outcome is Outcome.SUCCEEDED


async def test_what_another_run_is_asking_delays_nobody_else() -> None:
    world = EngineRig()
    claim_elsewhere(world, [call_of(1)], 45)
    async with shared(world) as engine:
        contended = asyncio.create_task(engine.ask("a:1", [call_of(1)]))
        await world.clock.sleep(1)
        await engine.ask("b:1", [call_of(2)])
        assert (contended.done(), world.clock.monotonic_seconds() < 10) == (False, True)
        [result] = await contended
    assert result.outcome is Outcome.SUCCEEDED


async def test_a_claim_that_stands_for_money_is_held_until_that_is_written_down() -> None:
    world = EngineRig({title_id(1): [ErrorClass.READ_TIMEOUT] * 9})
    async with shared(world) as engine:
        [lost] = await engine.ask("a:1", [call_of(1)])
        assert lost.entry is None
        assert lost.cost_micro_usd > 0
        assert set(world.ledger.claimed) == {call_of(1).fingerprint}
        await engine.engine.written_down([call_of(1).fingerprint])
        assert world.ledger.claimed == {}


async def test_workers_come_with_the_calls_and_never_more_than_the_concurrency() -> None:
    world = EngineRig()
    async with shared(world, concurrency=3) as engine:
        await engine.ask("a:1", calls_of(20))
        await engine.ask("b:1", [call_of(21)])
    assert world.model.max_in_flight == 3


async def test_when_the_inbox_is_closed_what_was_put_in_is_still_answered() -> None:
    world = EngineRig()
    async with shared(world) as engine:
        engine.inbox.put(calls_of(9))
    assert len(engine.told[""]) == 9
    assert world.store.spent("run:run-1")[0] == world.spent_micro_usd()
