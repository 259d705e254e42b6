"""Titles that other runs are asking about, and calls that fail: all come to an outcome, claims go back."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment.pipeline.engine.feed import MAX_CLAIM_CHUNK, MOST_CONTENDED
from manga_enrichment_tests.builders import entry, record, title_id
from manga_enrichment_tests.pipeline.engine.engine_rig import (
    ANALYSIS,
    EngineRig,
    FailingReleases,
    call_of,
    calls_of,
    claim_elsewhere,
    classes,
    numbers,
)


async def test_an_answer_that_another_run_brings_is_taken_from_it() -> None:
    world = EngineRig()
    claim_elsewhere(world, [call_of(1)], 600)
    running = asyncio.create_task(world.run([call_of(1)]))
    await world.clock.sleep(30)
    world.ledger.put_many([entry(ANALYSIS.name, record(1), run_id="run-9")], "run-9")
    [result] = await running
    assert (result.outcome, result.from_cache) == (Outcome.SUCCEEDED, True)
    assert world.model.sent == []


async def test_what_another_run_gives_up_is_asked() -> None:
    world = EngineRig()
    claim_elsewhere(world, [call_of(1)], 600)
    running = asyncio.create_task(world.run([call_of(1)]))
    await world.clock.sleep(30)
    world.ledger.release_many([call_of(1).fingerprint], "run-9")
    [result] = await running
    assert (result.outcome, result.from_cache) == (Outcome.SUCCEEDED, False)


async def test_the_claim_of_a_dead_run_is_taken_over_when_it_expires() -> None:
    world = EngineRig()
    claim_elsewhere(world, [call_of(1)], 45)
    [result] = await world.run([call_of(1)])
    assert result.outcome is Outcome.SUCCEEDED
    assert world.model.sent[0].at > 45


async def test_more_titles_than_a_chunk_claimed_elsewhere_all_come_to_an_outcome() -> None:
    world = EngineRig()
    claim_elsewhere(world, calls_of(60), 45)
    results = await world.run(calls_of(60))
    assert numbers(results) == [title_id(number) for number in range(1, 61)]
    assert classes(results) == {"answered": 60}


async def test_more_titles_claimed_elsewhere_than_one_run_waits_for_at_once_all_come_to_an_outcome() -> None:
    world = EngineRig()
    count = MOST_CONTENDED + MAX_CLAIM_CHUNK
    calls = [replace(call_of(1), fingerprint=f"f-{number}") for number in range(count)]
    claim_elsewhere(world, calls, 45)
    running = asyncio.create_task(world.run(calls, world.engine(concurrency=MAX_CLAIM_CHUNK)))
    await world.clock.sleep(10)
    world.ledger.put_many([replace(entry(ANALYSIS.name, record(1)), fingerprint="f-0")], "run-9")
    assert classes(await running) == {"answered": count}
    assert len(world.model.sent) == count - 1


async def test_twins_of_a_title_claimed_elsewhere_are_all_delivered() -> None:
    """In one chunk, and in a later one while the first still waits."""
    world = EngineRig()
    claim_elsewhere(world, [call_of(1)], 45)
    results = await world.run([call_of(1), call_of(1), *calls_of(20)[1:], call_of(1)])
    assert numbers(results).count(title_id(1)) == 3
    assert world.model.attempts_for(title_id(1)) == 1


async def test_a_title_claimed_elsewhere_until_the_deadline_is_left_for_later() -> None:
    world = EngineRig()
    claim_elsewhere(world, [call_of(1)], 7200)
    [result] = await world.run([call_of(1)], world.engine(deadline_seconds=60))
    assert (result.outcome, result.error_class) == (Outcome.DEFERRED, ErrorClass.CLAIMED_ELSEWHERE)
    assert (result.call, result.message) == (call_of(1), "another run was asking for this answer")


async def test_of_the_titles_claimed_elsewhere_only_those_that_may_not_be_asked_any_more_are_left() -> None:
    world = EngineRig()
    claim_elsewhere(world, calls_of(3), 45)
    engine = world.engine(may_ask=lambda call: call.manga_id != title_id(2) or world.clock.monotonic_seconds() < 10)
    results = await world.run(calls_of(3), engine)
    assert [(result.call.manga_id, result.error_class, result.message) for result in results] == [
        (title_id(2), ErrorClass.STOPPED, "another run was asking for this answer"),
        (title_id(1), None, ""),
        (title_id(3), None, ""),
    ]


async def test_a_claim_is_kept_as_long_as_its_call_is_open() -> None:
    world = EngineRig(latency_seconds=600.0)
    running = asyncio.create_task(world.run([call_of(1)]))
    await world.clock.sleep(400)
    now = world.clock.now()
    taken = world.ledger.claim_many({call_of(1).fingerprint: 0}, "run-9", now, now + timedelta(seconds=60))
    assert taken.granted == frozenset()
    await running


async def test_a_passing_failure_is_not_remembered_and_gives_its_claim_back() -> None:
    world = EngineRig({title_id(1): [ErrorClass.READ_TIMEOUT] * 2})
    [result] = await world.run([call_of(1)])
    assert (result.outcome, result.error_class, result.entry) == (Outcome.FAILED, ErrorClass.READ_TIMEOUT, None)
    assert (world.ledger.entries, world.ledger.claimed) == ({}, {})
    assert world.spent_micro_usd() == result.cost_micro_usd > 0


async def test_a_lasting_failure_is_remembered_with_what_it_cost() -> None:
    world = EngineRig(
        {title_id(1): [ModelReply("refusal", None, Usage(900, 10)), ErrorClass.SERVICE_UNAVAILABLE]},
    )
    [result] = await world.run([call_of(1)])
    remembered = world.ledger.entries[call_of(1).fingerprint]
    assert (remembered.outcome, remembered.error_class) == (Outcome.FAILED, ErrorClass.REFUSAL)
    assert remembered.cost_micro_usd == result.cost_micro_usd == world.spent_micro_usd() > 0


@pytest.mark.parametrize("stop", [ErrorClass.ACCESS_DENIED, ErrorClass.MODEL_NOT_FOUND])
async def test_a_refusal_that_concerns_all_titles_stops_the_rest(stop: ErrorClass) -> None:
    world = EngineRig(otherwise=stop)
    engine = world.engine(concurrency=2)
    results = await world.run(calls_of(50), engine)
    assert len(results) == 50
    assert 1 <= len(world.model.sent) <= 2
    assert classes(results)["stopped"] >= 48
    assert (engine.endings.stopped_by, engine.endings.stopped_message) == (stop, f"scripted {stop.value}")
    assert {result.message for result in results} == {f"scripted {stop.value}", "nothing new is asked any more"}
    assert world.ledger.claimed == {}


async def test_throttling_never_fails_a_title_while_the_deadline_lasts() -> None:
    world = EngineRig({title_id(1): [ErrorClass.THROTTLED] * 20})
    results = await world.run(calls_of(3))
    assert classes(results) == {"answered": 3}


async def test_at_the_deadline_what_is_open_is_left_and_all_is_accounted_for() -> None:
    world = EngineRig(otherwise=ErrorClass.SERVICE_UNAVAILABLE)
    results = await world.run(calls_of(40), world.engine(deadline_seconds=90))
    assert len(results) == 40
    assert {result.outcome for result in results} == {Outcome.DEFERRED}
    assert set(classes(results)) == {"service_unavailable", "deadline"}
    told = {(result.error_class, result.message) for result in results}
    assert told == {
        (ErrorClass.SERVICE_UNAVAILABLE, "scripted service_unavailable"),
        (ErrorClass.DEADLINE, "nothing new is asked any more"),
        (ErrorClass.DEADLINE, ""),
    }
    assert world.clock.monotonic_seconds() < 200
    assert world.ledger.claimed == {}


async def test_calls_that_may_not_be_asked_are_left() -> None:
    world = EngineRig()
    results = await world.run(calls_of(6), world.engine(may_ask=lambda call: call.manga_id != title_id(2)))
    assert classes(results) == {"answered": 5, "stopped": 1}
    assert world.model.attempts_for(title_id(2)) == 0


async def test_claims_that_cannot_be_given_back_run_out_and_fail_no_run() -> None:
    world = EngineRig({title_id(1): [ErrorClass.MODEL_NOT_FOUND]})
    world.ledger = FailingReleases(world.clock, world.store)
    results = await world.run(calls_of(1))
    assert classes(results) == {"model_not_found": 1}
    assert list(world.ledger.claimed) == [call_of(1).fingerprint]
