"""One call: every row of the table of error classes, what is tried again, and what it costs."""

import asyncio
import json
from dataclasses import replace

import pytest

from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, ModelError, Retry
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.outcomes.retries import LONGEST_PAUSE_SECONDS, REFRESH_SECONDS
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.pipeline.engine.verdicts import CallOutcome
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel, Step, valid_answer
from manga_enrichment_tests.pipeline.engine.call_world import CallWorld, at_once, make_call

BY_RETRY = {retry: [each for each in TREATMENTS if TREATMENTS[each].retry is retry] for retry in Retry}
BY_THE_MODEL = {
    ErrorClass.THROTTLED,
    ErrorClass.MODEL_NOT_READY,
    ErrorClass.SERVICE_UNAVAILABLE,
    ErrorClass.CONNECTION,
    ErrorClass.MODEL_TIMEOUT,
    ErrorClass.MODEL_ERROR,
    ErrorClass.READ_TIMEOUT,
    ErrorClass.EMPTY_ANSWER,
    ErrorClass.TRUNCATED_ANSWER,
    ErrorClass.EXPIRED_CREDENTIALS,
    ErrorClass.INVALID_REQUEST,
    ErrorClass.ACCESS_DENIED,
    ErrorClass.MODEL_NOT_FOUND,
}
LOST = sorted(each for each in BY_THE_MODEL & set(BY_RETRY[Retry.ONCE]) if TREATMENTS[each].maybe_billed)
CUT_OFF = ModelReply("max_tokens", None, Usage(900, 200))
BROKEN: Step = {"level": "grown-up"}


def cost_of(usage: Usage) -> int:
    return cost_micro_usd(usage, make_call().model.price)


async def ask(world: CallWorld, *steps: Step, call: Call | None = None, until: float = 3600.0) -> CallOutcome:
    world.model = ScriptedModel(world.clock, {title_id(1): steps}, latency_seconds=1.0)
    return await world.caller(until=until).ask(call or make_call(), at_once)


async def test_a_valid_answer_is_taken_at_the_first_attempt() -> None:
    word = await ask(world := CallWorld(), None)
    assert word.outcome is Outcome.SUCCEEDED
    assert word.answer == valid_answer(make_call().prompt)
    (attempt,) = word.attempts
    assert (attempt.number, attempt.usage, attempt.stop_reason) == (1, DEFAULT_USAGE, "tool_use")
    assert attempt.latency_ms == 1000
    assert attempt.cost_micro_usd == word.cost_micro_usd == cost_of(DEFAULT_USAGE)
    assert len(world.model.sent) == 1


async def test_a_wrapped_answer_is_paid_for_once_and_kept_without_its_wrapping() -> None:
    answer = valid_answer(make_call().prompt)
    said = f"Here you are:\n```json\n{json.dumps({'input': answer})}\n```"
    word = await ask(world := CallWorld(), ModelReply("end_turn", None, DEFAULT_USAGE, said, found=(None, said)))
    assert (word.outcome, word.answer) == (Outcome.SUCCEEDED, answer)
    assert len(world.model.sent) == 1


@pytest.mark.parametrize("error_class", sorted(BY_THE_MODEL & set(BY_RETRY[Retry.UNTIL_DEADLINE])))
async def test_a_passing_failure_is_tried_until_it_passes(error_class: ErrorClass) -> None:
    word = await ask(CallWorld(), *[error_class] * 6, None)
    assert word.outcome is Outcome.SUCCEEDED
    assert [attempt.error_class for attempt in word.attempts] == [*[error_class] * 6, None]
    assert word.cost_micro_usd == cost_of(DEFAULT_USAGE)


@pytest.mark.parametrize("error_class", sorted(BY_THE_MODEL & set(BY_RETRY[Retry.UNTIL_DEADLINE])))
async def test_a_failure_that_does_not_pass_defers_the_title_at_the_deadline(error_class: ErrorClass) -> None:
    world = CallWorld()
    word = await ask(world, *[error_class] * 1000, until=600)
    assert (word.outcome, word.error_class) == (Outcome.DEFERRED, error_class)
    assert 550 < world.clock.monotonic_seconds() <= 601
    assert word.cost_micro_usd == 0


@pytest.mark.parametrize("error_class", LOST)
async def test_a_lost_answer_is_asked_for_once_more_and_costs_what_the_repeat_costs(error_class: ErrorClass) -> None:
    word = await ask(CallWorld(), error_class, None)
    assert word.outcome is Outcome.SUCCEEDED
    lost, answered = word.attempts
    assert (lost.maybe_billed, answered.maybe_billed) == (True, False)
    assert lost.cost_micro_usd == answered.cost_micro_usd == cost_of(DEFAULT_USAGE)
    assert lost.usage == answered.usage


@pytest.mark.parametrize("error_class", LOST)
async def test_an_answer_lost_twice_fails_and_both_are_charged_as_estimated(error_class: ErrorClass) -> None:
    call = make_call()
    word = await ask(CallWorld(), error_class, error_class, None)
    assert (word.outcome, word.error_class) == (Outcome.FAILED, error_class)
    estimated = call.estimate.writing_prefix().cost_micro_usd(call.model)  # no answer has come: nothing is cached
    assert [attempt.cost_micro_usd for attempt in word.attempts] == [estimated, estimated]


async def test_a_model_that_says_it_failed_is_asked_once_more_and_bills_nothing() -> None:
    word = await ask(CallWorld(), ErrorClass.MODEL_ERROR, ErrorClass.MODEL_ERROR, None)
    assert (word.outcome, word.error_class) == (Outcome.FAILED, ErrorClass.MODEL_ERROR)
    assert [(attempt.cost_micro_usd, attempt.maybe_billed) for attempt in word.attempts] == [(0, False), (0, False)]


async def test_two_ways_of_losing_an_answer_share_one_retry() -> None:
    word = await ask(CallWorld(), ErrorClass.READ_TIMEOUT, ErrorClass.MODEL_ERROR, None)
    assert word.outcome is Outcome.FAILED
    assert len(word.attempts) == 2


async def test_throttling_does_not_use_up_the_retry_of_a_lost_answer() -> None:
    steps = [ErrorClass.THROTTLED, ErrorClass.READ_TIMEOUT, ErrorClass.THROTTLED, None]
    word = await ask(CallWorld(), *steps)
    assert word.outcome is Outcome.SUCCEEDED
    assert word.cost_micro_usd == 2 * cost_of(DEFAULT_USAGE)


@pytest.mark.parametrize("error_class", sorted(BY_THE_MODEL & set(BY_RETRY[Retry.NEVER])))
async def test_a_refused_request_is_not_sent_again(error_class: ErrorClass) -> None:
    word = await ask(CallWorld(), error_class, None)
    assert (word.outcome, word.error_class) == (Outcome.FAILED, error_class)
    assert len(word.attempts) == 1
    assert word.cost_micro_usd == 0


@pytest.mark.parametrize(
    ("stop_reason", "error_class"),
    [
        ("refusal", ErrorClass.REFUSAL),
        ("content_filtered", ErrorClass.CONTENT_FILTERED),
        ("guardrail_intervened", ErrorClass.GUARDRAIL_INTERVENED),
        ("model_context_window_exceeded", ErrorClass.INVALID_REQUEST),
    ],
)
async def test_an_answer_the_model_declines_is_paid_for_and_final(stop_reason: str, error_class: ErrorClass) -> None:
    word = await ask(CallWorld(), ModelReply(stop_reason, None, DEFAULT_USAGE), None)
    assert (word.outcome, word.error_class) == (Outcome.FAILED, error_class)
    assert [attempt.stop_reason for attempt in word.attempts] == [stop_reason]
    assert word.cost_micro_usd == cost_of(DEFAULT_USAGE)


async def test_expired_credentials_are_refreshed() -> None:
    word = await ask(world := CallWorld(), ErrorClass.EXPIRED_CREDENTIALS, None)
    assert word.outcome is Outcome.SUCCEEDED
    assert world.model.refreshes == 1


async def test_credentials_that_are_refused_for_some_seconds_are_refreshed_until_they_are_taken() -> None:
    word = await ask(world := CallWorld(), *[ErrorClass.EXPIRED_CREDENTIALS] * 5, None)
    assert word.outcome is Outcome.SUCCEEDED
    assert world.model.refreshes == 5
    assert world.clock.monotonic_seconds() > 8


async def test_credentials_that_stay_expired_fail_after_a_minute() -> None:
    word = await ask(world := CallWorld(), *[ErrorClass.EXPIRED_CREDENTIALS] * 100, None)
    assert (word.outcome, word.error_class) == (Outcome.FAILED, ErrorClass.EXPIRED_CREDENTIALS)
    assert world.model.refreshes == len(word.attempts) - 1
    assert REFRESH_SECONDS <= world.clock.monotonic_seconds() <= REFRESH_SECONDS + LONGEST_PAUSE_SECONDS + 10


async def test_calls_that_fail_with_the_same_old_credentials_share_one_refresh() -> None:
    world = CallWorld()
    script = {title_id(number): [ErrorClass.EXPIRED_CREDENTIALS, None] for number in range(1, 9)}
    world.model = ScriptedModel(world.clock, script, latency_seconds=1.0)
    caller = world.caller()
    words = await asyncio.gather(*(caller.ask(make_call(number), at_once) for number in range(1, 9)))
    assert all(word.outcome is Outcome.SUCCEEDED for word in words)
    assert world.model.refreshes == 1


async def test_an_answer_cut_off_by_its_limit_gets_a_larger_one_once() -> None:
    world = CallWorld()
    word = await ask(world, CUT_OFF, None)
    assert word.outcome is Outcome.SUCCEEDED
    limit = make_call().prompt.max_tokens
    assert [sent.request.max_tokens for sent in world.model.sent] == [limit, 2 * limit]
    assert word.cost_micro_usd == cost_of(CUT_OFF.usage) + cost_of(DEFAULT_USAGE)


async def test_an_answer_cut_off_twice_fails_for_good() -> None:
    word = await ask(CallWorld(), CUT_OFF, CUT_OFF, None)
    assert (word.outcome, word.error_class) == (Outcome.FAILED, ErrorClass.MAX_TOKENS)
    assert len(word.attempts) == 2


async def test_a_model_without_room_for_a_larger_limit_is_not_asked_again() -> None:
    call = make_call()
    call = replace(call, model=replace(call.model, max_output_tokens=call.prompt.max_tokens))
    word = await ask(CallWorld(), CUT_OFF, None, call=call)
    assert (word.error_class, len(word.attempts)) == (ErrorClass.MAX_TOKENS, 1)


async def test_an_answer_that_breaks_the_schema_is_shown_its_problems_once() -> None:
    world = CallWorld()
    word = await ask(world, BROKEN, None)
    assert word.outcome is Outcome.SUCCEEDED
    first, second = (sent.request for sent in world.model.sent)
    assert first.repair is None
    assert second.repair is not None
    assert second.repair.answer == BROKEN
    assert any("grown-up" in problem for problem in second.repair.problems)
    assert word.attempts[0].error_class is ErrorClass.INVALID_ANSWER
    assert word.cost_micro_usd == 2 * cost_of(DEFAULT_USAGE)


async def test_an_answer_that_breaks_the_schema_twice_fails_for_good() -> None:
    word = await ask(CallWorld(), BROKEN, BROKEN, None)
    assert (word.outcome, word.error_class) == (Outcome.FAILED, ErrorClass.INVALID_ANSWER)
    assert "grown-up" in word.message


async def test_an_answer_with_characters_that_no_request_can_carry_is_repaired_without_them() -> None:
    world = CallWorld()
    word = await ask(world, {"level": "\ud800\x00"}, None)
    assert word.outcome is Outcome.SUCCEEDED
    repair = world.model.sent[1].request.repair
    assert repair is not None
    assert repair.answer == {"level": ""}


async def test_an_unknown_stop_reason_is_asked_again_without_a_repair() -> None:
    world = CallWorld()
    word = await ask(world, ModelReply("malformed_tool_use", None, DEFAULT_USAGE), None)
    assert word.outcome is Outcome.SUCCEEDED
    assert [sent.request.repair for sent in world.model.sent] == [None, None]


async def test_a_repair_that_gets_lost_is_sent_again_as_a_repair() -> None:
    world = CallWorld()
    word = await ask(world, BROKEN, ErrorClass.READ_TIMEOUT, None)
    assert word.outcome is Outcome.SUCCEEDED
    assert [sent.request.repair is not None for sent in world.model.sent] == [False, True, True]


async def test_the_pause_that_the_server_asks_for_is_kept_by_the_call_that_got_it() -> None:
    world = CallWorld()
    await ask(world, ModelError(ErrorClass.THROTTLED, "slow down", retry_after_seconds=37), None)
    first, second = world.model.sent
    assert second.at - first.at >= 37


async def test_no_time_for_a_repair_is_not_a_failure_for_good() -> None:
    word = await ask(CallWorld(), BROKEN, None, until=1.0)
    assert (word.outcome, word.error_class) == (Outcome.DEFERRED, ErrorClass.DEADLINE)
    assert word.message.startswith("no time for another attempt after: answer: 'min_age' is a required")
    assert word.cost_micro_usd == cost_of(DEFAULT_USAGE)


async def test_a_call_whose_turn_comes_too_late_is_not_sent() -> None:
    world = CallWorld()
    limiter = RateLimiter(world.clock, requests_per_minute=1)
    caller = world.caller(until=30.0, limiter=limiter)
    await caller.ask(make_call(1), at_once)
    word = await caller.ask(make_call(2), at_once)
    assert (word.outcome, word.error_class, word.attempts) == (Outcome.DEFERRED, ErrorClass.DEADLINE, ())
    assert word.message == "its turn would have come after MANGA_DEADLINE_SECONDS"


async def test_without_money_nothing_is_sent() -> None:
    world = CallWorld(caps=Caps(per_day_micro_usd=0))
    word = await ask(world, None)
    assert (word.outcome, word.error_class, word.attempts) == (Outcome.DEFERRED, ErrorClass.BUDGET, ())
    assert word.message == "the budget leaves no room for this call"
    assert world.model.sent == []


async def test_money_that_runs_out_before_a_repair_defers_with_the_first_attempt_on_record() -> None:
    call = make_call()
    first_micro_usd = call.estimate.writing_prefix().cost_micro_usd(call.model)
    repair_micro_usd = call.estimate.cost_micro_usd(call.model)
    cap = max(first_micro_usd, cost_of(DEFAULT_USAGE) + repair_micro_usd - 1)
    word = await ask(CallWorld(caps=Caps(per_day_micro_usd=cap)), BROKEN, None)
    assert (word.outcome, word.error_class) == (Outcome.DEFERRED, ErrorClass.BUDGET)
    assert len(word.attempts) == 1
    assert word.cost_micro_usd == cost_of(DEFAULT_USAGE)


async def test_until_an_answer_came_money_is_set_aside_for_writing_the_prompt_cache() -> None:
    call = make_call()
    assert call.estimate.prefix_cached
    writing, reading = (
        call.estimate.writing_prefix().cost_micro_usd(call.model),
        call.estimate.cost_micro_usd(call.model),
    )
    word = await ask(CallWorld(caps=Caps(per_day_micro_usd=writing - 1)), None)
    assert (word.error_class, word.attempts) == (ErrorClass.BUDGET, ())
    assert reading < writing - 1


async def test_a_prompt_beyond_its_price_is_not_sent() -> None:
    call = make_call()
    world = CallWorld()
    word = await ask(world, None, call=replace(call, model=replace(call.model, price_holds_up_to_input_tokens=10)))
    assert (word.outcome, word.error_class, word.attempts) == (Outcome.FAILED, ErrorClass.INVALID_REQUEST, ())
    assert word.message == "the prompt is longer than the model's price holds for"
    assert world.model.sent == []


async def test_a_budget_that_cannot_be_asked_defers_the_call() -> None:
    world = CallWorld()
    world.budget.failures_left = 10**9
    word = await ask(world, None)
    assert (word.outcome, word.error_class) == (Outcome.DEFERRED, ErrorClass.LEDGER_UNAVAILABLE)
    assert word.message == "the flaky budget was told to fail"
