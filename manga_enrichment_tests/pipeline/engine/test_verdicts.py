"""Verdicts: what a reply, or the end of the time, makes of a call."""

from dataclasses import replace

import botocore.session
import pytest

from manga_enrichment.domain.models.usage import NO_USAGE
from manga_enrichment.domain.outcomes.answers import Attempt
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment.pipeline.engine.verdicts import (
    STOP_REASON_ERRORS,
    SUCCESS_STOP_REASONS,
    Refusal,
    judge,
    no_turn,
    out_of_time,
    telling_reason,
    unfunded,
    with_known_costs,
)
from manga_enrichment_tests.fakes import DEFAULT_USAGE, START, valid_answer
from manga_enrichment_tests.pipeline.engine.call_world import make_call

LATE = Refusal(ErrorClass.DEADLINE, "no time")
THROTTLED = Refusal(ErrorClass.THROTTLED, "slow down", 3.0)
INVALID = Refusal(ErrorClass.INVALID_ANSWER, "no such level")
LOST = Attempt(1, START, 100, cost_micro_usd=500, error_class=ErrorClass.READ_TIMEOUT, maybe_billed=True)
ABANDONED = replace(LOST, error_class=ErrorClass.ABANDONED)
ANSWERED = Attempt(2, START, 900, DEFAULT_USAGE, 70, stop_reason="tool_use")
BOOKED_AT_ESTIMATE = replace(ANSWERED, cost_micro_usd=500, maybe_billed=True)


def test_words_instead_of_an_answer_are_a_refusal() -> None:
    call = make_call()
    problem = judge(call.analysis, call.inputs, ModelReply("end_turn", None, DEFAULT_USAGE, text="I would rather not"))
    assert problem == (ErrorClass.REFUSAL, "the model answered in words, not with the answer asked for")


@pytest.mark.parametrize("stop_reason", ["end_turn", "tool_use", "stop_sequence"])
def test_a_valid_answer_with_a_success_stop_reason_counts(stop_reason: str) -> None:
    call = make_call()
    assert judge(call.analysis, call.inputs, ModelReply(stop_reason, valid_answer(call.prompt), DEFAULT_USAGE)) is None


@pytest.mark.parametrize(
    ("stop_reason", "error_class"),
    [
        ("max_tokens", ErrorClass.MAX_TOKENS),
        ("refusal", ErrorClass.REFUSAL),
        ("content_filtered", ErrorClass.CONTENT_FILTERED),
        ("guardrail_intervened", ErrorClass.GUARDRAIL_INTERVENED),
        ("model_context_window_exceeded", ErrorClass.INVALID_REQUEST),
        ("malformed_model_output", ErrorClass.MALFORMED_ANSWER),
        ("malformed_tool_use", ErrorClass.MALFORMED_ANSWER),
        ("something new", ErrorClass.INVALID_ANSWER),
    ],
)
def test_a_valid_answer_with_another_stop_reason_does_not(stop_reason: str, error_class: ErrorClass) -> None:
    call = make_call()
    problem = judge(call.analysis, call.inputs, ModelReply(stop_reason, valid_answer(call.prompt), DEFAULT_USAGE))
    assert problem == (error_class, f"the model stopped with {stop_reason!r}")


def test_all_stop_reasons_of_converse_are_known() -> None:
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    assert set(model.shape_for("StopReason").enum) <= SUCCESS_STOP_REASONS | set(STOP_REASON_ERRORS)


@pytest.mark.parametrize(
    ("reply", "error_class"),
    [
        (ModelReply("end_turn", None, DEFAULT_USAGE, ""), ErrorClass.MALFORMED_ANSWER),
        (ModelReply("end_turn", None, DEFAULT_USAGE, " \n"), ErrorClass.MALFORMED_ANSWER),
        (ModelReply("tool_use", None, DEFAULT_USAGE, "Let me call the tool."), ErrorClass.MALFORMED_ANSWER),
        (ModelReply("end_turn", None, DEFAULT_USAGE, "I would rather not."), ErrorClass.REFUSAL),
    ],
)
def test_no_answer_at_all_is_lost_and_words_are_a_refusal(reply: ModelReply, error_class: ErrorClass) -> None:
    call = make_call()
    problem = judge(call.analysis, call.inputs, reply)
    assert problem is not None
    assert problem[0] is error_class


def test_all_problems_of_an_answer_are_told() -> None:
    call = make_call()
    answer = {**valid_answer(call.prompt), "level": "grown-up", "min_age": "young"}
    problem = judge(call.analysis, call.inputs, ModelReply("tool_use", answer, DEFAULT_USAGE))
    assert problem is not None
    assert problem[0] is ErrorClass.INVALID_ANSWER
    assert sorted(each.split(":")[0] for each in problem[1].split("; ")) == ["level", "min_age"]


@pytest.mark.parametrize(
    ("refusal", "earlier", "told"),
    [
        (LATE, THROTTLED, THROTTLED),
        (LATE, INVALID, LATE),
        (LATE, None, LATE),
        (INVALID, THROTTLED, INVALID),
    ],
)
def test_a_passing_failure_says_more_than_the_end_of_the_time(
    refusal: Refusal, earlier: Refusal | None, told: Refusal
) -> None:
    assert telling_reason(refusal, earlier) == told


def test_a_retry_that_was_due_but_not_made_leaves_nothing_final() -> None:
    assert out_of_time(THROTTLED) == THROTTLED
    late = Refusal(ErrorClass.DEADLINE, "no time for another attempt after: no such level")
    assert out_of_time(INVALID) == late


def test_the_brake_says_more_than_an_empty_budget_or_a_late_turn() -> None:
    brake = Brake("the bill looks wrong", START)
    assert unfunded(brake) == no_turn(brake) == Refusal(ErrorClass.BRAKE, brake.sentence())
    assert unfunded(None) == Refusal(ErrorClass.BUDGET, "the budget leaves no room for this call")
    late = Refusal(ErrorClass.DEADLINE, "its turn would have come after MANGA_DEADLINE_SECONDS")
    assert no_turn(None) == late


@pytest.mark.parametrize(
    ("attempts", "cost_micro_usd"),
    [
        ((LOST, ANSWERED), [70, 70]),
        ((LOST, LOST, ANSWERED), [70, 70, 70]),
        ((ANSWERED, LOST), [70, 500]),
        ((ABANDONED, ANSWERED), [500, 70]),
        ((LOST, BOOKED_AT_ESTIMATE), [500, 500]),
        ((LOST, LOST), [500, 500]),
        ((LOST, ANSWERED, LOST, replace(ANSWERED, cost_micro_usd=90)), [70, 70, 90, 90]),
    ],
)
def test_a_lost_answer_costs_what_the_next_one_cost(attempts: tuple[Attempt, ...], cost_micro_usd: list[int]) -> None:
    known = with_known_costs(attempts)
    assert [attempt.cost_micro_usd for attempt in known] == cost_micro_usd
    assert [replace(attempt, cost_micro_usd=0, usage=NO_USAGE) for attempt in known] == [
        replace(attempt, cost_micro_usd=0, usage=NO_USAGE) for attempt in attempts
    ], "in their order, and nothing else of them changes"
    assert {attempt.usage for attempt in known if attempt.cost_micro_usd != 500} <= {DEFAULT_USAGE}
