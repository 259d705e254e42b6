"""When the ledger, the money or a gateway fails the engine loses nothing, passes no cap and never hangs."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import Step
from manga_enrichment_tests.pipeline.engine.engine_rig import (
    ONE_ANSWER_MICRO_USD,
    BrokenPuts,
    EngineRig,
    FailingClaims,
    call_of,
    calls_of,
    cancelled,
    claim_elsewhere,
    classes,
    estimate_micro_usd,
    numbers,
    with_puts_failing_until,
)


async def test_while_the_ledger_cannot_be_written_no_call_starts_and_nothing_is_lost() -> None:
    world = EngineRig()
    ledger = with_puts_failing_until(world, 600.0)
    results = await world.run(calls_of(30), world.engine(concurrency=3))
    assert classes(results) == {"answered": 30}
    assert len(world.model.sent) == 30
    assert 1 <= sum(1 for sent in world.model.sent if sent.at < 600.0) <= 2 * 3
    assert len(ledger.entries) == 30
    assert ledger.puts_tried > 10
    assert world.spent_micro_usd() == 30 * ONE_ANSWER_MICRO_USD


async def test_a_ledger_that_stays_down_ends_at_the_deadline_with_the_error_in_sight() -> None:
    world = EngineRig()
    with_puts_failing_until(world, 1e9)
    results = await world.run(calls_of(30), world.engine(concurrency=3, deadline_seconds=300))
    assert len(results) == 30
    assert {result.outcome for result in results} == {Outcome.DEFERRED}
    lost = [result for result in results if result.attempts]
    assert {result.error_class for result in lost} == {ErrorClass.LEDGER_UNAVAILABLE}
    assert {result.message for result in results} == {"no writes for now", "nothing new is asked any more"}
    assert {result.message for result in lost} == {"no writes for now"}
    assert sum(result.cost_micro_usd for result in lost) == len(world.model.sent) * ONE_ANSWER_MICRO_USD


async def test_a_short_outage_while_claiming_leaves_no_title_behind() -> None:
    world = EngineRig()
    ledger = FailingClaims(world.clock, world.store)
    ledger.claims_left = 3
    world.ledger = ledger
    assert classes(await world.run(calls_of(30))) == {"answered": 30}


async def test_a_ledger_that_takes_no_claims_leaves_every_title_once() -> None:
    world = EngineRig()
    ledger = FailingClaims(world.clock, world.store)
    ledger.claims_left = 10**9
    world.ledger = ledger
    results = await world.run([*calls_of(20), call_of(1)], world.engine(deadline_seconds=120))
    assert len(results) == 21
    told = {(result.outcome, result.error_class, result.message) for result in results}
    assert told == {(Outcome.DEFERRED, ErrorClass.LEDGER_UNAVAILABLE, "no claims for now")}
    assert world.model.sent == []


async def test_an_outage_while_waiting_for_another_run_delivers_each_title_once() -> None:
    world = EngineRig()
    ledger = FailingClaims(world.clock, world.store)
    world.ledger = ledger
    claim_elsewhere(world, calls_of(3), 1e5)
    running = asyncio.create_task(world.run(calls_of(3), world.engine(deadline_seconds=120)))
    await world.clock.sleep(10)
    ledger.claims_left = 10**9
    results = await running
    assert numbers(results) == [title_id(1), title_id(2), title_id(3)]


async def test_out_of_budget_the_rest_is_deferred_and_the_cap_holds() -> None:
    world = EngineRig(usage=call_of(1).estimate.usage)
    cap = 5 * estimate_micro_usd()
    results = await world.run(calls_of(30), world.engine(cap_micro_usd=cap))
    assert set(classes(results)) == {"answered", "budget"}
    assert len(results) == 30
    assert 0 < world.spent_micro_usd() <= cap
    assert world.ledger.claimed == {}


async def test_without_any_budget_nothing_is_asked() -> None:
    world = EngineRig()
    results = await world.run(calls_of(9), world.engine(cap_micro_usd=1))
    assert classes(results) == {"budget": 9}
    assert world.model.sent == []


def share_of(usage: Usage, share: float) -> Usage:
    return Usage(*(int(tokens * share) for tokens in astuple(usage)))


@settings(max_examples=40)
@given(
    titles=st.integers(1, 25),
    concurrency=st.integers(1, 9),
    answers_covered=st.integers(0, 30),
    share_of_estimate=st.floats(0.05, 1.0),
)
def test_a_cap_is_never_passed_by_calls_within_their_estimate(
    titles: int, concurrency: int, answers_covered: int, share_of_estimate: float
) -> None:
    async def run() -> None:
        usage = share_of(call_of(1).estimate.usage, share_of_estimate)
        world = EngineRig(usage=usage)
        cap = answers_covered * estimate_micro_usd()
        results = await world.run(calls_of(titles), world.engine(concurrency=concurrency, cap_micro_usd=cap))
        assert len(results) == titles
        assert world.spent_micro_usd() == sum(result.cost_micro_usd for result in results) <= cap

    asyncio.run(run())


@settings(max_examples=30)
@given(concurrency=st.integers(1, 9), answers_covered=st.integers(0, 30))
def test_calls_that_cost_more_than_their_estimate_pass_the_cap_by_those_in_flight_at_most(
    concurrency: int, answers_covered: int
) -> None:
    """The scripted usage reads nothing from the prompt cache; the estimate reckons with it."""

    async def run() -> None:
        world = EngineRig()
        cap = answers_covered * estimate_micro_usd()
        results = await world.run(calls_of(25), world.engine(concurrency=concurrency, cap_micro_usd=cap))
        assert len(results) == 25
        assert estimate_micro_usd() < ONE_ANSWER_MICRO_USD
        assert world.spent_micro_usd() <= cap + concurrency * ONE_ANSWER_MICRO_USD

    asyncio.run(run())


some_steps = st.sampled_from(
    [
        None,
        ErrorClass.THROTTLED,
        ErrorClass.CONNECTION,
        ErrorClass.READ_TIMEOUT,
        ErrorClass.TRUNCATED_ANSWER,
        ErrorClass.INVALID_REQUEST,
        ErrorClass.EXPIRED_CREDENTIALS,
        ModelReply("max_tokens", None, Usage(900, 400)),
        ModelReply("refusal", None, Usage(900, 3)),
        {"level": "nobody"},
    ]
)


@settings(max_examples=60)
@given(
    script=st.dictionaries(st.integers(1, 12).map(title_id), st.lists(some_steps, max_size=4)),
    concurrency=st.integers(1, 6),
    answers_covered=st.one_of(st.none(), st.integers(0, 20)),
)
def test_what_the_attempts_cost_is_what_the_spender_booked(
    script: dict[str, list[Step]], concurrency: int, answers_covered: int | None
) -> None:
    async def run() -> None:
        world = EngineRig(script)
        cap = None if answers_covered is None else answers_covered * estimate_micro_usd()
        results = await world.run(calls_of(12), world.engine(concurrency=concurrency, cap_micro_usd=cap))
        assert numbers(results) == [title_id(number) for number in range(1, 13)]
        assert world.spent_micro_usd() == sum(result.cost_micro_usd for result in results)
        assert len(world.model.sent) == sum(len(result.attempts) for result in results)
        assert world.ledger.claimed == {}

    asyncio.run(run())


def broken(_call: ModelCall) -> ModelReply:
    raise ConfigurationError("no credentials any more")


def broken_by_another(_call: ModelCall) -> ModelReply:
    raise ConfigurationError("no credentials any more") from PermissionError("403")


async def test_an_error_that_a_gateway_does_not_promise_ends_the_run_and_claims_are_released() -> None:
    world = EngineRig({title_id(7): [broken]})
    with pytest.raises(ConfigurationError, match="no credentials any more"):
        await world.run(calls_of(100))
    assert world.ledger.claimed == {}
    world.spent_micro_usd()


def fails_with(message: str) -> Callable[[ModelCall], ModelReply]:
    def fail(_call: ModelCall) -> ModelReply:
        raise OSError(message) from PermissionError("403")

    return fail


async def test_what_fails_after_the_first_failure_stays_with_it() -> None:
    world = EngineRig({title_id(number): [fails_with(f"call {number}")] for number in range(1, 10)})
    with pytest.raises(OSError, match="call ") as raised:
        await world.run(calls_of(9), world.engine(concurrency=9))
    others = raised.value.__cause__
    assert isinstance(others, ExceptionGroup)
    assert others.message == "and besides"
    assert [type(each) for each in others.exceptions] == [PermissionError, *[OSError] * 8]
    assert raised.value.__suppress_context__


async def test_a_failure_alone_keeps_the_cause_it_had() -> None:
    world = EngineRig({title_id(1): [broken_by_another]})
    with pytest.raises(ConfigurationError, match="no credentials any more") as raised:
        await world.run(calls_of(1))
    assert isinstance(raised.value.__cause__, PermissionError)


async def test_an_unknown_error_of_the_ledger_ends_the_run() -> None:
    world = EngineRig()
    world.ledger = BrokenPuts(world.clock, world.store)
    with pytest.raises(ConfigurationError, match="the table is gone"):
        await world.run(calls_of(100))
    assert world.ledger.claimed == {}


async def test_an_error_of_deliver_ends_the_run_and_claims_are_released() -> None:
    world = EngineRig()

    def deliver(_result: CallResult) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.engine().run(calls_of(100), deliver)
    assert world.ledger.claimed == {}


async def test_an_error_of_deliver_for_a_twin_ends_the_run_too() -> None:
    world = EngineRig()
    delivered = 0

    def deliver(_result: CallResult) -> None:
        nonlocal delivered
        delivered += 1
        if delivered > 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await world.engine().run([call_of(1), call_of(1)], deliver)


async def test_an_error_of_the_stream_of_calls_ends_the_run_and_claims_are_released() -> None:
    world = EngineRig()

    def stream() -> Iterator[Call]:
        yield from calls_of(20)
        raise OSError("the plan file is gone")

    with pytest.raises(OSError, match="the plan file is gone"):
        await world.run(stream())
    assert world.ledger.claimed == {}


async def test_a_cancelled_run_ends_as_cancelled_and_gives_its_claims_and_money_back() -> None:
    world = EngineRig(latency_seconds=50.0)
    running = asyncio.create_task(world.run(calls_of(30)))
    await world.clock.sleep(75)
    assert await cancelled(running)
    assert world.ledger.claimed == {}
    assert world.spent_micro_usd() == sum(result.cost_micro_usd for result in world.results)
    in_flight = [result for result in world.results if result.attempts and result.attempts[-1].maybe_billed]
    assert {result.error_class for result in in_flight} == {ErrorClass.STOPPED}
    assert len(in_flight) == 4


async def test_an_answer_that_was_paid_for_is_saved_when_the_run_is_cancelled() -> None:
    """Cancelled while the ledger is down: what came back meanwhile is tried once more."""
    world = EngineRig()
    ledger = with_puts_failing_until(world, 30.0)
    running = asyncio.create_task(world.run(calls_of(1)))
    await world.until(lambda: ledger.puts_tried > 3)
    ledger.puts_fail_until = 0.0
    assert await cancelled(running)
    assert set(ledger.entries) == {call_of(1).fingerprint}
