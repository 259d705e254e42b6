"""One attempt: what is sent, and what limiter, budget, claim, credentials and log hear of it."""

import asyncio
from dataclasses import replace

import pytest

from manga_enrichment.domain.analyses.base import Answer, TitleInputs
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.engine.money.estimates import estimate_attempt
from manga_enrichment.pipeline.engine.rate.rate_limiter import Permit, RateLimiter
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import DEFAULT_USAGE, FakeClock, ScriptedModel, Step, valid_answer
from manga_enrichment_tests.pipeline.engine.call_world import CallWorld, at_once, make_call

CALL = make_call()
BROKEN: Step = {"level": "grown-up"}
ANSWER_MICRO_USD = cost_micro_usd(DEFAULT_USAGE, CALL.model.price)


class Listening(RateLimiter):
    """Remembers what it was told of each permit, first word first."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, requests_per_minute=6_000_000)
        self.told: list[tuple[str, float]] = []

    def settle(self, permit: Permit, tokens_used: int) -> None:
        self.told.append(("settled", tokens_used))
        super().settle(permit, tokens_used)

    def drop(self, permit: Permit) -> None:
        self.told.append(("dropped", permit.tokens))
        super().drop(permit)

    def refuse(self, permit: Permit, retry_after_seconds: float = 0.0) -> None:
        self.told.append(("refused", retry_after_seconds))
        super().refuse(permit, retry_after_seconds)


def scripted(world: CallWorld, *steps: Step) -> ScriptedModel:
    world.model = ScriptedModel(world.clock, {title_id(1): steps}, latency_seconds=1.0)
    return world.model


USED = Usage(input_tokens=900, output_tokens=60, cache_read_tokens=3, cache_write_tokens=7)
TAKEN = CALL.estimate.writing_prefix().quota_tokens


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (ModelError(ErrorClass.THROTTLED, "slow down", retry_after_seconds=37.0), ("refused", 37.0)),
        (ErrorClass.THROTTLED, ("refused", 0.0)),
        (ErrorClass.READ_TIMEOUT, ("settled", TAKEN)),
        (ErrorClass.SERVICE_UNAVAILABLE, ("dropped", TAKEN)),
        (
            ModelReply("tool_use", valid_answer(CALL.prompt), USED),
            ("settled", 900 + 7 + 60 * CALL.model.output_burndown),
        ),
    ],
)
async def test_the_limiter_hears_what_became_of_each_permit(step: Step, told: tuple[str, float]) -> None:
    world = CallWorld()
    limiter = Listening(world.clock)
    scripted(world, step)
    await world.caller(limiter=limiter).ask(CALL, at_once)
    assert limiter.told[0] == told
    assert CALL.model.output_burndown > 1


async def test_what_is_sent_is_the_prompt_of_the_call_to_its_model() -> None:
    world = CallWorld()
    model = scripted(world, None)
    await world.caller().ask(CALL, at_once)
    wanted = ModelCall(CALL.model, CALL.prompt, CALL.prompt.max_tokens, None, CALL.estimate.prefix_cached)
    assert [sent.request for sent in model.sent] == [wanted]


async def test_a_call_cancelled_at_the_model_may_have_been_billed() -> None:
    world = CallWorld()
    world.clock.advance(1_000)
    world.model = ScriptedModel(world.clock, latency_seconds=50.0)
    asking = asyncio.create_task(world.caller().ask(CALL, at_once))
    await world.clock.sleep(20)
    asking.cancel()
    word = await asking
    assert (word.error_class, word.message, word.failure) == (ErrorClass.STOPPED, "the run was ended", None)
    (attempt,) = word.attempts
    assert (attempt.error_class, attempt.maybe_billed, attempt.latency_ms) == (ErrorClass.ABANDONED, True, 20_000)
    assert attempt.message == "the run was ended before the answer came"


async def test_an_error_that_nobody_foresaw_is_told_with_what_was_sent() -> None:
    def broken(_call: ModelCall) -> ModelReply:
        raise OSError("the socket is gone")

    world = CallWorld()
    scripted(world, broken)
    word = await world.caller().ask(CALL, at_once)
    assert isinstance(word.failure, OSError)
    assert (word.error_class, word.message) == (ErrorClass.STOPPED, "the run was ended by the socket is gone")
    (attempt,) = word.attempts
    assert (attempt.error_class, attempt.maybe_billed) == (ErrorClass.ABANDONED, True)


async def test_an_answer_that_its_analysis_cannot_look_at_may_have_been_billed() -> None:
    def broken(_answer: Answer, _inputs: TitleInputs) -> list[str]:
        raise ZeroDivisionError("a rule of somebody's own")

    world = CallWorld()
    call = replace(CALL, analysis=replace(CALL.analysis, check=broken))
    outcome = await world.caller().ask(call, at_once)
    assert isinstance(outcome.failure, ZeroDivisionError)
    [attempt] = outcome.attempts
    assert (attempt.maybe_billed, attempt.error_class) == (True, ErrorClass.ABANDONED)
    assert attempt.cost_micro_usd == CALL.most_micro_usd()


async def test_a_failed_attempt_keeps_what_the_model_said() -> None:
    world = CallWorld()
    scripted(world, ErrorClass.THROTTLED, None)
    word = await world.caller().ask(CALL, at_once)
    assert [attempt.message for attempt in word.attempts] == ["scripted throttled", ""]


async def test_a_passing_failure_is_told_when_the_next_turn_would_come_too_late() -> None:
    world = CallWorld()
    scripted(world, ErrorClass.SERVICE_UNAVAILABLE)
    limiter = RateLimiter(world.clock, requests_per_minute=1)
    word = await world.caller(until=30.0, limiter=limiter).ask(CALL, at_once)
    assert (word.error_class, word.message) == (ErrorClass.SERVICE_UNAVAILABLE, "scripted service_unavailable")


async def test_a_passing_failure_is_told_when_the_deadline_has_come_meanwhile() -> None:
    world = CallWorld()
    model = scripted(world, ErrorClass.SERVICE_UNAVAILABLE)
    caller = world.caller(ending=lambda _call: ErrorClass.DEADLINE if model.sent else None)
    word = await caller.ask(CALL, at_once)
    assert (word.error_class, word.message) == (ErrorClass.SERVICE_UNAVAILABLE, "scripted service_unavailable")


async def test_a_prompt_that_its_price_just_holds_for_is_sent() -> None:
    call = replace(CALL, model=replace(CALL.model, price_holds_up_to_input_tokens=CALL.estimate.input_tokens))
    world = CallWorld()
    model = scripted(world, None)
    await world.caller().ask(call, at_once)
    assert len(model.sent) == 1


async def test_a_claim_says_what_a_repair_may_cost_now_that_the_prompt_cache_holds_the_prefix() -> None:
    staked: list[tuple[str, int]] = []

    async def stake(fingerprint: str, more_micro_usd: int) -> None:
        staked.append((fingerprint, more_micro_usd))

    world = CallWorld()
    model = scripted(world, BROKEN, None)
    await world.caller(stake=stake).ask(CALL, at_once)
    repair = model.sent[1].request.repair
    assert repair is not None
    dearer = estimate_attempt(CALL.estimate, CALL.prompt.max_tokens, repair).cost_micro_usd(CALL.model)
    assert staked == [(CALL.fingerprint, dearer)]
    assert CALL.estimated_micro_usd() < dearer


async def test_each_attempt_settles_what_it_cost_itself() -> None:
    """A cap with room for two answers and one more call: all of it can be used."""
    world = CallWorld()
    model = scripted(world, BROKEN, None)
    await world.caller().ask(CALL, at_once)
    repair = estimate_attempt(CALL.estimate, CALL.prompt.max_tokens, model.sent[1].request.repair)
    cap = max(ANSWER_MICRO_USD + repair.cost_micro_usd(CALL.model), 2 * ANSWER_MICRO_USD + CALL.estimated_micro_usd())
    assert cap < 3 * ANSWER_MICRO_USD + CALL.estimated_micro_usd()
    world = CallWorld(caps=Caps(per_day_micro_usd=cap))
    scripted(world, BROKEN, None)
    caller = world.caller()
    words = [await caller.ask(call, at_once) for call in (CALL, make_call(2))]
    assert [word.error_class for word in words] == [None, None]


async def test_any_service_may_ask_for_a_pause_and_without_one_the_next_attempt_comes_soon() -> None:
    world = CallWorld()
    asks = ModelError(ErrorClass.SERVICE_UNAVAILABLE, "later", retry_after_seconds=37)
    model = scripted(world, asks, ErrorClass.READ_TIMEOUT, None)
    await world.caller().ask(CALL, at_once)
    first, second, third = (sent.at for sent in model.sent)
    assert second - first >= 1 + 37
    assert third - second < 1 + 1, "the pause of a failure for which nobody asked for one is short"


async def test_a_call_sent_at_the_moment_of_a_refresh_may_have_left_with_the_old_credentials() -> None:
    world = CallWorld()
    script = {title_id(number): [ErrorClass.EXPIRED_CREDENTIALS, None] for number in (1, 2)}
    world.model = ScriptedModel(world.clock, script, latency_seconds=1.0)
    caller = world.caller()
    first = asyncio.create_task(caller.ask(make_call(1), at_once))
    await world.clock.sleep(1.0)
    second = asyncio.create_task(caller.ask(make_call(2), at_once))
    words = await asyncio.gather(first, second)
    assert [word.error_class for word in words] == [None, None]
    assert {sent.at for sent in world.model.sent} == {0.0, 1.0, 2.0}
    assert world.model.refreshes == 2


async def test_a_repair_names_problems_that_only_the_title_shows() -> None:
    call = make_call(demographics=())
    world = CallWorld()
    model = scripted(world, {**valid_answer(call.prompt), "basis": "demographics"}, None)
    await world.caller().ask(call, at_once)
    repair = model.sent[1].request.repair
    assert repair is not None
    assert repair.problems == ("basis: the title has no demographics to rest on",)


async def test_once_the_run_is_ending_a_throttled_call_is_not_sent_again() -> None:
    world = CallWorld()
    world.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED, latency_seconds=1.0)
    caller = world.caller(ending=lambda _call: ErrorClass.STOPPED if world.model.sent else None)
    word = await caller.ask(make_call(), at_once)
    assert (word.outcome, word.error_class) == (Outcome.DEFERRED, ErrorClass.STOPPED)
    assert word.message == "nothing new is asked any more"
    assert len(word.attempts) == len(world.model.sent) == 1
