"""However a run ends, everything that was sent is in the books: log - maybe billed <= meter <= log."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.answers import Attempt, ClaimResult
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.money.billing import ESTIMATED
from manga_enrichment.pipeline.engine.money.budget import FIRST_BLOCK_CALLS, LEASE_SECONDS
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import START, MemoryLedger
from manga_enrichment_tests.pipeline.engine.engine_rig import (
    DAY,
    MODEL,
    ONE_ANSWER_MICRO_USD,
    BrokenPuts,
    Dying,
    DyingPuts,
    EngineRig,
    call_of,
    calls_of,
    cancelled,
    estimate_micro_usd,
    numbers,
)


def assert_books_hold(world: EngineRig) -> None:
    """The meter has every request that was sent; the log is what was delivered, once per call."""
    meter = len(world.model.sent) * cost_micro_usd(world.model.usage, MODEL.price)
    attempts = [attempt for result in world.results for attempt in result.attempts]
    logged = sum(attempt.cost_micro_usd for attempt in attempts)
    maybe_billed = sum(attempt.cost_micro_usd for attempt in attempts if attempt.maybe_billed)
    assert meter > 0
    assert logged - maybe_billed <= meter <= logged


class TiredLedger(MemoryLedger):
    """Claims a number of times, then raises what no ledger promises."""

    claims_left = 3

    def claim_many(self, at_stake: Mapping[str, int], *args: object) -> ClaimResult:
        self.claims_left -= 1
        if self.claims_left < 0:
            raise ConfigurationError("access denied")
        return super().claim_many(at_stake, *args)  # type: ignore[arg-type]


def stream_that_breaks(world: EngineRig) -> Iterator[Call]:
    yield from calls_of(40)
    raise StoreUnavailableError("one read of S3 broke")


def with_tired_ledger(world: EngineRig) -> Iterator[Call]:
    world.ledger = TiredLedger(world.clock, world.store)
    yield from calls_of(200)


def with_broken_puts(world: EngineRig) -> Iterator[Call]:
    world.ledger = BrokenPuts(world.clock, world.store)
    yield from calls_of(40)


@pytest.mark.parametrize("calls", [stream_that_breaks, with_tired_ledger, with_broken_puts])
@pytest.mark.parametrize("latency_seconds", [0.5, 40.0])
async def test_an_error_in_the_middle_of_a_run_forgets_no_call_that_was_sent(
    calls: Callable[[EngineRig], Iterator[Call]], latency_seconds: float
) -> None:
    world = EngineRig(latency_seconds=latency_seconds)
    stream = calls(world)
    first = [next(stream)]  # the stage is set before the engine looks at it
    with pytest.raises((StoreUnavailableError, ConfigurationError)):
        await world.run((each for part in (first, stream) for each in part), world.engine(concurrency=8))
    assert_books_hold(world)


async def test_after_an_error_what_is_at_the_model_is_waited_for_and_saved() -> None:
    world = EngineRig(latency_seconds=40.0)

    def stream() -> Iterator[Call]:
        yield from calls_of(12)
        raise StoreUnavailableError("one read of S3 broke")

    with pytest.raises(StoreUnavailableError, match="one read of S3 broke"):
        await world.run(stream(), world.engine(concurrency=8))
    assert 0 < len(world.model.sent) == len(world.ledger.entries)
    assert world.spent_micro_usd() == len(world.model.sent) * ONE_ANSWER_MICRO_USD
    assert not any(attempt.maybe_billed for result in world.results for attempt in result.attempts)


async def test_a_cancelled_run_books_what_was_at_the_model_as_maybe_billed() -> None:
    world = EngineRig(latency_seconds=40.0, usage=call_of(1).estimate.usage)
    running = asyncio.create_task(world.run(calls_of(30), world.engine(concurrency=8)))
    await world.clock.sleep(60)
    assert await cancelled(running)
    assert_books_hold(world)
    assert world.spent_micro_usd() == sum(result.cost_micro_usd for result in world.results)


async def test_of_several_errors_the_first_is_raised_and_the_others_are_kept() -> None:
    world = EngineRig()
    world.ledger = BrokenPuts(world.clock, world.store)
    with pytest.raises(ConfigurationError) as raised:
        await world.run(calls_of(40), world.engine(concurrency=8))
    cause = raised.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert {type(error) for error in cause.exceptions} == {ConfigurationError}


async def test_the_claims_of_a_run_that_vanished_are_booked_by_whoever_takes_them_over() -> None:
    world = EngineRig()
    now = world.clock.now()
    at_stake = {call.fingerprint: estimate_micro_usd() for call in calls_of(3)}
    world.ledger.claim_many(at_stake, "run-9", now, now + timedelta(seconds=60))
    results = await world.run(calls_of(5))
    lost = [attempt for result in results for attempt in result.attempts if attempt.error_class]
    assert [replace(attempt, started_at=START) for attempt in lost] == [
        Attempt(
            number=1,
            started_at=START,
            latency_ms=0,
            cost_micro_usd=estimate_micro_usd(),
            error_class=ErrorClass.ABANDONED,
            maybe_billed=True,
            message="a run that was killed had claimed this answer: its call may have been made",
        )
    ] * 3
    assert {attempt.started_at > START for attempt in lost} == {True}
    assert world.spent_micro_usd() == 5 * ONE_ANSWER_MICRO_USD + 3 * estimate_micro_usd()
    assert all(
        sent.at >= 60 + MOST_CLOCK_SKEW.total_seconds()
        for sent in world.model.sent
        if sent.manga_id in {call.manga_id for call in calls_of(3)}
    )


async def test_what_a_killed_run_may_have_paid_is_booked_by_a_run_that_never_reserves_anything() -> None:
    """It takes the claim over and is stopped before its own call: the log tells of the first, and so do counters."""
    world = EngineRig()
    now, fingerprint = world.clock.now(), call_of(1).fingerprint
    world.ledger.claim_many({fingerprint: 73}, "run-9", now, now + timedelta(seconds=60))
    await world.clock.sleep(600)
    may_ask = iter([True])  # when it is claimed, and not when it would be sent
    (result,) = await world.run([call_of(1)], world.engine(may_ask=lambda _call: next(may_ask, False)))
    assert (result.cost_micro_usd, world.model.sent) == (73, [])
    assert world.spent_micro_usd() == 73


async def test_a_claim_that_was_taken_over_and_left_again_stands_for_both_runs() -> None:
    world = EngineRig()
    now, fingerprint = world.clock.now(), call_of(1).fingerprint
    later = now + timedelta(minutes=5)
    world.ledger.claim_many({fingerprint: 100}, "run-8", now, now + timedelta(seconds=60))
    world.ledger.claim_many({fingerprint: 30}, "run-9", later, later + timedelta(seconds=60))
    await world.clock.sleep(600)
    (result,) = await world.run([call_of(1)])
    assert [attempt.cost_micro_usd for attempt in result.attempts] == [130, ONE_ANSWER_MICRO_USD]


async def test_a_claim_says_more_before_a_call_that_was_billed_is_sent_again() -> None:
    world = EngineRig({call_of(1).manga_id: [ErrorClass.READ_TIMEOUT]}, latency_seconds=100.0)
    running = asyncio.create_task(world.run([call_of(1)]))
    await world.until(lambda: len(world.model.sent) == 2)
    at_stake = world.ledger.at_stake
    assert at_stake == {call_of(1).fingerprint: 2 * estimate_micro_usd()}
    await running


async def test_a_billed_failure_keeps_its_claim_until_it_is_written_down() -> None:
    script = {call_of(1).manga_id: [ErrorClass.READ_TIMEOUT, ErrorClass.READ_TIMEOUT]}
    world = EngineRig(script)
    claimed: list[Mapping[str, str]] = []

    def flush() -> None:
        claimed.append(world.ledger.claimed)

    await world.engine().run([call_of(1)], world.results.append, flush)
    assert [result.outcome for result in world.results] == [Outcome.FAILED]
    assert [list(held) for held in claimed] == [[call_of(1).fingerprint]]
    assert world.ledger.claimed == {}


async def test_what_cannot_be_written_down_leaves_its_claims_to_the_next_run() -> None:
    script = {call_of(1).manga_id: [ErrorClass.READ_TIMEOUT, ErrorClass.READ_TIMEOUT]}
    world = EngineRig(script)

    def flush() -> None:
        raise StoreUnavailableError("S3 is away")

    with pytest.raises(StoreUnavailableError, match="S3 is away"):
        await world.engine().run([call_of(1)], world.results.append, flush)
    assert list(world.ledger.claimed) == [call_of(1).fingerprint]


async def test_results_among_the_calls_are_handed_on() -> None:
    world = EngineRig()
    known = CallResult(call_of(1), Outcome.DEFERRED, None, ErrorClass.BATCH_PENDING)
    results: list[CallResult] = []
    await world.engine().run([known, call_of(2)], results.append)
    assert results[0] is known
    assert [result.outcome for result in results] == [Outcome.DEFERRED, Outcome.SUCCEEDED]


@pytest.mark.parametrize(
    "usage", [Usage(2**64 - 1, 180), Usage(900, 2**64 - 1), Usage(2**63 - 1, 180), Usage(900, 180, 10**7, 0)]
)
async def test_usage_that_cannot_be_true_keeps_its_answer_and_is_booked_at_the_estimate(usage: Usage) -> None:
    world = EngineRig(usage=usage)
    (result,) = await world.run([call_of(1)])
    (attempt,) = result.attempts
    assert result.outcome is Outcome.SUCCEEDED
    assert (attempt.cost_micro_usd, attempt.maybe_billed) == (estimate_micro_usd(), True)
    assert attempt.message.startswith("booked at the estimate: the model told")
    assert world.spent_micro_usd() == estimate_micro_usd()


async def test_an_answer_that_is_invalid_besides_says_both() -> None:
    world = EngineRig(otherwise={"level": "grown-up"}, usage=Usage(900, 2**64 - 1))
    (result,) = await world.run([call_of(1)])
    assert result.error_class is ErrorClass.INVALID_ANSWER
    for attempt in result.attempts:
        assert attempt.message.startswith(f"{ESTIMATED}the model told {2**64 - 1} output tokens where at most ")
        assert attempt.message.endswith("level: 'grown-up' is not one of ['kids', 'teen', 'adult', 'mature']")


async def test_a_run_that_others_took_for_dead_goes_on_within_its_cap() -> None:
    """Its lease was closed by a run whose clock is ahead: no cap is at fault, and none may be passed."""
    world = EngineRig(usage=call_of(1).estimate.usage, latency_seconds=10.0)
    cap = 60 * estimate_micro_usd()
    running = asyncio.create_task(world.run(calls_of(100), world.engine(concurrency=4, cap_micro_usd=cap)))
    await world.until(lambda: len(world.model.sent) == 12)
    ahead = world.clock.now() + timedelta(seconds=2 * LEASE_SECONDS)
    assert world.store.close_abandoned([DAY], ahead) == ["run-1"]
    results = await running
    answered = [result for result in results if result.outcome is Outcome.SUCCEEDED]
    assert 60 <= len(answered) <= 60 + FIRST_BLOCK_CALLS, "what it had in hand when it was closed may be spent twice"
    assert world.spent_micro_usd() == len(answered) * estimate_micro_usd()


async def test_a_writer_that_dies_holds_nobody_up_and_what_it_did_not_save_is_saved_in_the_end() -> None:
    world = EngineRig()
    world.ledger = DyingPuts(world.clock, world.store)
    with pytest.raises(Dying):
        await world.run(calls_of(3))
    assert set(world.ledger.entries) == {call.fingerprint for call in calls_of(3)}
    assert world.spent_micro_usd() == 3 * ONE_ANSWER_MICRO_USD
    assert numbers(world.results) == [title_id(number) for number in (1, 2, 3)]
    assert [result.entry for result in world.results] == list(world.ledger.entries.values())
    assert world.ledger.claimed == {}
