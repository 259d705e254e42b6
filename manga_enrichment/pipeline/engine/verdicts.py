"""Verdicts: what a reply, an error or the end of the time makes of a call.

Belongs here: judging a reply, and pure functions over refusals and attempts. Stays out: sending and trying again
(`call_loop.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, TitleInputs
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.outcomes.answers import Attempt
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.text.rule import is_blank
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.money.budget import cap_behind

SUCCESS_STOP_REASONS = frozenset({"end_turn", "tool_use", "stop_sequence"})
STOP_REASON_ERRORS = {
    "max_tokens": ErrorClass.MAX_TOKENS,
    "refusal": ErrorClass.REFUSAL,
    "content_filtered": ErrorClass.CONTENT_FILTERED,
    "guardrail_intervened": ErrorClass.GUARDRAIL_INTERVENED,
    "malformed_model_output": ErrorClass.MALFORMED_ANSWER,
    "malformed_tool_use": ErrorClass.MALFORMED_ANSWER,
    "model_context_window_exceeded": ErrorClass.INVALID_REQUEST,
}
"""With those above all that Converse has, and what else a model is known to say; a test compares."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended: error_class is None when `answer` is valid. failure: an error that no gateway promises."""

    answer: Mapping[str, Any] | None
    attempts: tuple[Attempt, ...]
    error_class: ErrorClass | None = None
    message: str = ""
    failure: Exception | None = None

    @property
    def outcome(self) -> Outcome:
        return Outcome.SUCCEEDED if self.error_class is None else TREATMENTS[self.error_class].outcome

    @property
    def cost_micro_usd(self) -> int:
        return sum(attempt.cost_micro_usd for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an attempt brought no valid answer, and how long the server asked us to wait."""

    error_class: ErrorClass
    message: str
    pause_seconds: float = 0.0


def judge(analysis: AnalysisType, inputs: TitleInputs, reply: ModelReply) -> tuple[ErrorClass, str] | None:
    """None when the reply is a valid answer, else why it is not."""
    if reply.guarding is not None and reply.guarding.kept_back:
        return ErrorClass.GUARDRAIL_INTERVENED, f"the guardrail kept back the {reply.guarding.kept_back}"
    if reply.stop_reason not in SUCCESS_STOP_REASONS and not (reply.guarding and reply.guarding.is_masked):
        error_class = STOP_REASON_ERRORS.get(reply.stop_reason, ErrorClass.INVALID_ANSWER)
        return error_class, f"the model stopped with {reply.stop_reason!r}"
    if reply.answer is None and (reply.stop_reason == "tool_use" or is_blank(reply.text)):
        return ErrorClass.MALFORMED_ANSWER, f"the model stopped with {reply.stop_reason!r} and gave no answer"
    if reply.answer is None:
        return ErrorClass.REFUSAL, "the model answered in words, not with the answer asked for"
    problems = answer_problems(analysis, reply.answer, inputs)
    return (ErrorClass.INVALID_ANSWER, "; ".join(problems)) if problems else None


def judged(call: Call, reply: ModelReply) -> tuple[ModelReply, Refusal | None]:
    """The reply, with the answer freed of its wrapping where it must be, and why it is no valid answer."""
    problem = judge(call.analysis, call.inputs, reply)
    if problem is not None:
        reply = reply.shaped_for(call.analysis)
        problem = judge(call.analysis, call.inputs, reply)
    return reply, None if problem is None else Refusal(*problem)


_UNFUNDED = {
    ErrorClass.BUDGET: "the budget leaves no room for this call",
    ErrorClass.PARTNER_DAY_CAP: "the partner's cap of the day leaves no room for this call",
    ErrorClass.PARTNER_MONTH_CAP: "the partner's cap of the month leaves no room for this call",
}


def unfunded(brake: Brake | None, refused_by: str = "") -> Refusal:
    """Why no money could be set aside for a call. refused_by: the counter without room for it."""
    if brake is not None:
        return Refusal(ErrorClass.BRAKE, brake.sentence())
    cap = cap_behind(refused_by)
    return Refusal(cap, _UNFUNDED[cap])


def no_turn(brake: Brake | None) -> Refusal:
    """Why a call that had its money was not sent."""
    if brake is not None:
        return unfunded(brake)
    return Refusal(ErrorClass.DEADLINE, "its turn would have come after MANGA_DEADLINE_SECONDS")


def telling_reason(refusal: Refusal, earlier: Refusal | None) -> Refusal:
    """When the time ran out over a passing failure, that failure says more."""
    if refusal.error_class is ErrorClass.DEADLINE and earlier and TREATMENTS[earlier.error_class].transient:
        return earlier
    return refusal


def out_of_time(refusal: Refusal) -> Refusal:
    """A retry was due but not made: nothing final can be said then."""
    if TREATMENTS[refusal.error_class].transient:
        return refusal
    return Refusal(ErrorClass.DEADLINE, f"no time for another attempt after: {refusal.message}")


def with_known_costs(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """A lost answer costs what the same request cost when it was answered; what a killed run lost stays estimated."""
    known: list[Attempt] = []
    answered: Attempt | None = None
    for attempt in reversed(attempts):
        is_lost = attempt.maybe_billed and not attempt.stop_reason and attempt.error_class is not ErrorClass.ABANDONED
        if is_lost and answered is not None:
            known.append(_at_the_cost_of(attempt, answered))
            continue
        if not attempt.maybe_billed and attempt.stop_reason:
            answered = attempt
        known.append(attempt)
    return tuple(reversed(known))


def _at_the_cost_of(lost: Attempt, answered: Attempt) -> Attempt:
    return replace(
        lost,
        cost_micro_usd=answered.cost_micro_usd,
        usage=answered.usage,
        guardrail_micro_usd=answered.guardrail_micro_usd,
        service_tier=answered.service_tier,
    )
