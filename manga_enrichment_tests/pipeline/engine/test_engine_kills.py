"""A process killed at any call, while claims and answers travel many at a time: the next run answers every title, pays
again for no more than was at the model, and books what the killed one may have paid."""

from typing import Any

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal
from manga_enrichment_tests.pipeline.engine.engine_rig import DAY, ONE_ANSWER_MICRO_USD, EngineRig, calls_of
from manga_enrichment_tests.scripted_model import ScriptedModel

TITLES = 100
CONCURRENCY = 30  # which is also how many titles are claimed at once
LATEST_CALL = 14
"""Of ledger and budget together, before the last titles are sent; the run makes a few more."""


class DyingModel:
    """Nothing more is sent once the process is gone; what was sent is billed."""

    def __init__(self, model: ScriptedModel, switch: KillSwitch) -> None:
        self._model = model
        self._switch = switch

    async def converse(self, call: ModelCall) -> ModelReply:
        if self._switch.dead:
            raise Killed
        return await self._model.converse(call)


async def killed_at(call: int, *, after_effect: bool) -> EngineRig:
    """The world as a run leaves it that was killed at its n-th call of ledger or budget."""
    world = EngineRig(latency_seconds=lambda request: 0.5 + len(request.prompt.user) % 7 / 10)
    gateways: tuple[Any, ...] = world.ledger, world.store, world.model
    switch = KillSwitch()
    switch.arm(call, after_effect=after_effect)
    doomed: Any = Mortal(world.ledger, switch), Mortal(world.store, switch), DyingModel(world.model, switch)
    world.ledger, world.store, world.model = doomed
    with pytest.raises(Killed):
        await world.run(calls_of(TITLES), world.engine("run-1", concurrency=CONCURRENCY))
    assert switch.dead
    world.ledger, world.store, world.model = gateways
    return world


async def go_on(world: EngineRig) -> int:
    """The next run, when claims and leases of the killed one have run out; what it booked for that one."""
    await world.clock.sleep(300 + MOST_CLOCK_SKEW.total_seconds())
    world.store.close_abandoned([DAY], world.clock.now() - MOST_CLOCK_SKEW)
    results = await world.run(calls_of(TITLES), world.engine("run-2", concurrency=CONCURRENCY))
    assert sorted(result.call.manga_id for result in results) == sorted(map(title_id, range(1, TITLES + 1)))
    assert {result.outcome for result in results} == {Outcome.SUCCEEDED}
    attempts = [attempt for result in results for attempt in result.attempts]
    return sum(each.cost_micro_usd for each in attempts if each.error_class is ErrorClass.ABANDONED)


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(LATEST_CALL + 1))
async def test_a_kill_loses_no_answer_and_no_money(call: int, *, after_effect: bool) -> None:
    world = await killed_at(call, after_effect=after_effect)
    saved, sent = len(world.ledger.entries), len(world.model.sent)
    assert sent < TITLES
    assert sent - saved <= CONCURRENCY, "at the model, or on the way into the ledger"
    maybe_billed = await go_on(world)
    assert len(world.ledger.entries) == TITLES
    assert world.ledger.claimed == {}
    assert len(world.model.sent) == TITLES + sent - saved, "what was saved is not asked again"
    bill, spent = len(world.model.sent) * ONE_ANSWER_MICRO_USD, world.spent_micro_usd()
    assert spent - maybe_billed <= bill <= spent
