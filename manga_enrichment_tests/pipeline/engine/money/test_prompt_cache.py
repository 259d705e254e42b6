"""The first call of a prefix goes alone, so that one pays for writing the prompt cache; it holds up nobody for long."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.calls import Call, EngineSettings
from manga_enrichment.pipeline.engine.money.prompt_cache import ALONE_SECONDS
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.pipeline.engine.sources import Inbox
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.pipeline.engine.call_world import CallWorld, make_call, make_calls
from manga_enrichment_tests.scripted_model import ScriptedModel, prompt_fields_of, valid_answer

SOON = 0.1
"""Seconds: until those who wait have noticed, and a quota that nothing here comes near has let them go."""


def calls(count: int = 8) -> list[Call]:
    made = make_calls(count)
    assert all(call.estimate.prefix_cached for call in made)
    return made


def world_with(script: dict[str, Any] | None = None, **model: Any) -> CallWorld:
    world = CallWorld(EngineSettings(64, deadline_seconds=3600))
    world.model = ScriptedModel(world.clock, script, **{"latency_seconds": 1.0, **model})
    return world


def sent_at(world: CallWorld) -> list[float]:
    return [each.at for each in world.model.sent]


async def test_the_first_call_goes_alone_and_the_others_when_it_has_been_answered() -> None:
    world = world_with()
    await world.run(calls())
    first, *others = sent_at(world)
    assert first == 0.0
    assert len(others) == 7
    assert all(1.0 <= at <= 1.0 + SOON for at in others)


async def test_when_the_first_fails_the_next_goes_alone() -> None:
    world = world_with({title_id(1): [ErrorClass.REFUSAL], title_id(2): [ErrorClass.MODEL_ERROR]})
    await world.run(calls())
    first, second, third, *others = sent_at(world)
    assert (world.model.sent[0].manga_id, world.model.sent[1].manga_id) == (title_id(1), title_id(2))
    assert first == 0.0
    assert 1.0 <= second <= 1.0 + SOON
    assert 2.0 <= third <= 2.0 + 2 * SOON
    assert len(others) == 6, "one of them the second title's repetition"
    assert all(3.0 <= at <= 3.0 + 3 * SOON for at in others[:5])


async def test_an_answer_that_is_no_good_has_written_the_cache_all_the_same() -> None:
    world = world_with({title_id(1): [{"level": "nonsense"}]})
    await world.run(calls())
    assert [round(at) for at in sent_at(world)] == [0, *[1] * 8], "seven others and a repair"


def slow_first(request: ModelCall) -> float:
    return 300.0 if prompt_fields_of(request.prompt)["manga_id"] == title_id(1) else 1.0


async def test_a_first_call_that_hangs_holds_up_the_others_for_a_while_only() -> None:
    world = world_with(latency_seconds=slow_first)
    await world.run(calls())
    first, *others = sent_at(world)
    assert first == 0.0
    assert all(ALONE_SECONDS <= at <= ALONE_SECONDS + SOON for at in others)


async def test_first_calls_that_fail_one_after_the_other_hold_up_the_others_no_longer_than_that() -> None:
    world = world_with(otherwise=ErrorClass.REFUSAL, latency_seconds=3.0)
    await world.run(calls())
    assert [round(at) for at in sent_at(world)] == [0, 3, 6, 9, 10, 10, 10, 10]


async def test_who_is_refused_for_its_pace_does_not_go_alone_again_and_again() -> None:
    world = world_with({title_id(1): [ErrorClass.THROTTLED] * 50}, latency_seconds=0.5)
    await world.run(calls())
    others = [each.at for each in world.model.sent if each.manga_id != title_id(1)]
    assert all(at < 2.0 for at in others)
    assert len(others) == 7


async def test_each_prefix_has_its_own_first_call() -> None:
    world = world_with()
    names = ["reading_level", "genre_classification"]
    await world.run([make_call(number, name=name) for number in range(1, 5) for name in names])
    assert [round(at) for at in sent_at(world)] == [0, 0, *[1] * 6]
    assert [each.analysis for each in world.model.sent[:2]] == names


async def test_where_somebody_waits_for_single_answers_nobody_waits_for_another() -> None:
    world = world_with()
    inbox = Inbox()
    inbox.put(calls())
    inbox.close()
    await world.engine().run(inbox, world.results.append)
    assert set(sent_at(world)) == {0.0}


async def test_without_a_prompt_cache_all_go_at_once() -> None:
    world = world_with()
    await world.run(replace(call, estimate=replace(call.estimate, prefix_cached=False)) for call in calls())
    assert set(sent_at(world)) == {0.0}


async def test_those_who_wait_are_not_sent_once_the_brake_is_on() -> None:
    world = world_with(latency_seconds=5.0)
    running = asyncio.create_task(world.run(calls()))
    await world.clock.sleep(1.0)
    world.budget.put_brake_on(Brake("the bill looks wrong", datetime(2026, 1, 15, 3, tzinfo=UTC)))
    await running
    assert sent_at(world) == [0.0]
    assert world.outcomes() == ["deferred:brake"] * 7 + ["succeeded"]
    assert world.committed() == world.spent()


async def test_a_run_that_is_cancelled_while_they_wait_sends_none_of_them() -> None:
    world = world_with(latency_seconds=5.0)
    running = asyncio.create_task(world.run(calls()))
    await world.clock.sleep(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sent_at(world) == [0.0]
    assert world.ledger.claimed == {}
    assert world.committed() == world.spent()


class CachingModel(ScriptedModel):
    """Bills writing the prefix to every call that comes before the first answer has left."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, latency_seconds=1.0)
        self.has_answered = False

    async def converse(self, call: ModelCall) -> ModelReply:
        is_written = self.has_answered
        await super().converse(call)
        self.has_answered = True
        usage = Usage(100, 50, cache_read_tokens=2_000) if is_written else Usage(100, 50, cache_write_tokens=2_000)
        return ModelReply("tool_use", valid_answer(call.prompt), usage)


def told(clock: Clock) -> RateLimiter:
    return RateLimiter(clock, requests_per_minute=6_000)


def untold(clock: Clock) -> RateLimiter:
    return RateLimiter(clock)


@pytest.mark.parametrize("limiter", [told, untold])
async def test_whether_a_quota_is_told_or_not_one_call_pays_for_writing_the_cache(
    limiter: Callable[[Clock], RateLimiter],
) -> None:
    world = world_with()
    world.model = CachingModel(world.clock)
    world.limiter = limiter(world.clock)
    await world.run(calls(100))
    written = [attempt.usage.cache_write_tokens for result in world.results for attempt in result.attempts]
    assert len(written) == 100
    assert sum(written) == 2_000
