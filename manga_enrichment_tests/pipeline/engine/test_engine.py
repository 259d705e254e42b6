"""The engine: every call comes to an outcome and is paid for once."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment_tests.builders import provenance, title_id
from manga_enrichment_tests.pipeline.engine.engine_rig import (
    ONE_ANSWER_MICRO_USD,
    EngineRig,
    call_of,
    calls_of,
    classes,
    numbers,
)


async def test_every_call_is_answered_saved_and_delivered_once() -> None:
    world = EngineRig()
    results = await world.run(calls_of(25))
    assert numbers(results) == [title_id(number) for number in range(1, 26)]
    assert classes(results) == {"answered": 25}
    assert set(world.ledger.entries) == {call.fingerprint for call in calls_of(25)}
    assert {entry.provenance for entry in world.ledger.entries.values()} == {provenance("run-1")}
    assert world.ledger.claimed == {}
    assert world.spent_micro_usd() == 25 * ONE_ANSWER_MICRO_USD


async def test_an_empty_stream_ends_at_once() -> None:
    assert await EngineRig().run([]) == []


async def test_no_more_calls_are_in_flight_than_the_concurrency_allows() -> None:
    world = EngineRig()
    await world.run(calls_of(30), world.engine(concurrency=3))
    assert world.model.max_in_flight == 3


async def test_an_answer_is_in_the_ledger_before_it_is_delivered() -> None:
    world = EngineRig()
    saved: list[bool] = []
    await world.engine().run(calls_of(5), lambda result: saved.append(result.call.fingerprint in world.ledger.entries))
    assert saved == [True] * 5


async def test_the_ledger_keeps_an_answer_without_what_nobody_should_see() -> None:
    world = EngineRig(
        otherwise={"level": "te\u200ben\x00", "min_age": 12, "basis": "\u202esynopsis\x1b", "confidence": 0.7}
    )
    (result,) = await world.run(calls_of(1))
    (entry,) = world.ledger.entries.values()
    assert entry.answer == result.answer == {"level": "teen", "min_age": 12, "basis": "synopsis", "confidence": 0.7}
    assert len(world.model.sent) == 1


async def test_calls_are_pulled_only_a_bounded_number_ahead() -> None:
    world = EngineRig()
    pulled, delivered, most_ahead = 0, 0, 0

    def stream() -> Iterator[Call]:
        nonlocal pulled, most_ahead
        for call in calls_of(200):
            pulled += 1
            most_ahead = max(most_ahead, pulled - delivered)
            yield call

    def deliver(_result: CallResult) -> None:
        nonlocal delivered
        delivered += 1

    await world.engine(concurrency=4).run(stream(), deliver)
    assert (pulled, delivered) == (200, 200)
    assert most_ahead <= 4 + 4 + 8 + 1  # in flight, queued, a chunk, and the one being pulled


async def test_results_are_delivered_while_later_calls_are_still_asked() -> None:
    slow = title_id(1)
    world = EngineRig(latency_seconds=lambda request: 100.0 if slow in request.prompt.user else 1.0)
    results = await world.run(calls_of(20))
    assert results[-1].call.manga_id == slow


@pytest.mark.slow
async def test_with_the_real_clock_an_untold_limiter_comes_to_an_end() -> None:
    """Virtual time does not pass in a busy loop and does not notice one either."""
    world = EngineRig(clock=SystemClock(), latency_seconds=0.01)
    engine = world.engine(concurrency=16, limiter=RateLimiter(world.clock))
    results = await asyncio.wait_for(world.run(calls_of(40), engine), timeout=60)
    assert classes(results) == {"answered": 40}


@pytest.mark.slow
async def test_with_the_real_clock_twins_in_one_chunk_are_asked_once() -> None:
    """Worker threads take their time: the first follower's claim is on its way when the second is looked at."""
    world = EngineRig(clock=SystemClock(), latency_seconds=0.01)
    results = await asyncio.wait_for(world.run([call_of(1)] * 5), timeout=60)
    assert (len(results), len(world.model.sent)) == (5, 1)


async def test_twins_in_one_chunk_are_asked_once_and_all_delivered() -> None:
    world = EngineRig()
    results = await world.run([call_of(1), call_of(2), call_of(1), call_of(1)])
    assert numbers(results) == [title_id(1)] * 3 + [title_id(2)]
    assert world.model.attempts_for(title_id(1)) == 1
    assert sum(result.cost_micro_usd for result in results) == world.spent_micro_usd() == 2 * ONE_ANSWER_MICRO_USD


async def test_twins_in_different_chunks_share_the_call_in_flight() -> None:
    slow = title_id(1)
    world = EngineRig(latency_seconds=lambda request: 500.0 if slow in request.prompt.user else 1.0)
    results = await world.run([*calls_of(40), call_of(1), call_of(1)])
    assert numbers(results).count(slow) == 3
    assert world.model.attempts_for(slow) == 1


async def test_a_twin_that_comes_after_the_answer_takes_it_from_the_ledger() -> None:
    world = EngineRig()
    results = await world.run([*calls_of(40), call_of(1)])
    last = [result for result in results if result.call.manga_id == title_id(1)][-1]
    assert (last.from_cache, last.cost_micro_usd, last.answer is not None) == (True, 0, True)
    assert len(world.model.sent) == 40


@pytest.mark.parametrize("failure", [ErrorClass.READ_TIMEOUT, ErrorClass.REFUSAL, ErrorClass.INVALID_REQUEST])
async def test_twins_of_a_failed_call_are_delivered_too(failure: ErrorClass) -> None:
    world = EngineRig({title_id(1): [failure] * 2})
    results = await world.run([call_of(1)] * 3)
    assert classes(results) == {failure.value: 3}


async def test_what_the_ledger_has_is_not_asked_again() -> None:
    world = EngineRig()
    await world.run(calls_of(6))
    results = await world.run(calls_of(8), world.engine("run-2"))
    assert Counter(result.from_cache for result in results) == {True: 6, False: 2}
    assert len(world.model.sent) == 8
    assert world.spent_micro_usd() == 8 * ONE_ANSWER_MICRO_USD


async def test_a_remembered_failure_is_not_asked_again() -> None:
    world = EngineRig({title_id(1): [ErrorClass.REFUSAL]})
    await world.run([call_of(1)])
    [again] = await world.run([call_of(1)], world.engine("run-2"))
    assert (again.outcome, again.error_class, again.from_cache) == (Outcome.FAILED, ErrorClass.REFUSAL, True)
    assert len(world.model.sent) == 1


async def test_two_runs_at_once_pay_for_each_title_once() -> None:
    world = EngineRig(latency_seconds=5.0)
    first, second = await asyncio.gather(
        world.run(calls_of(30), world.engine("run-1")), world.run(list(reversed(calls_of(30))), world.engine("run-2"))
    )
    assert len(world.model.sent) == 30
    assert len(world.results) == 60
    assert (len(first), len(second)) != (0, 0)
    assert world.spent_micro_usd() == 30 * ONE_ANSWER_MICRO_USD
