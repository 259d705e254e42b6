"""One call from its first attempt to its final word.

Belongs here: budget, permit, attempt, judging the reply, and what is tried again. Stays out: concurrency, claims and
the ledger (`engine.py`).
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, TitleInputs
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.answers import Attempt
from manga_enrichment.domain.outcomes import TREATMENTS, ErrorClass, ModelError, Outcome, Retry
from manga_enrichment.domain.retries import RetryState
from manga_enrichment.domain.usage import Usage, cost_micro_usd
from manga_enrichment.gateways import Clock, FoundationModel, ModelReply, ModelRequest, Repair
from manga_enrichment.pipeline.budget import RunBudget
from manga_enrichment.pipeline.calls import Call
from manga_enrichment.pipeline.limiter import Limiter, Permit

SUCCESS_STOP_REASONS = frozenset({"end_turn", "tool_use", "stop_sequence"})
_STOP_REASON_ERRORS = {
    "max_tokens": ErrorClass.MAX_TOKENS,
    "refusal": ErrorClass.REFUSAL,
    "content_filtered": ErrorClass.CONTENT_FILTERED,
    "guardrail_intervened": ErrorClass.CONTENT_FILTERED,
    "model_context_window_exceeded": ErrorClass.INVALID_REQUEST,
}
LARGER_LIMIT_FACTOR = 2


@dataclass(frozen=True, slots=True)
class FinalWord:
    """How a call ended: error_class is None when `answer` is valid."""

    answer: Mapping[str, Any] | None
    attempts: tuple[Attempt, ...]
    error_class: ErrorClass | None = None
    message: str = ""

    @property
    def outcome(self) -> Outcome:
        return Outcome.SUCCEEDED if self.error_class is None else TREATMENTS[self.error_class].outcome

    @property
    def cost_micro_usd(self) -> int:
        return sum(attempt.cost_micro_usd for attempt in self.attempts)


@dataclass(slots=True)
class _Progress:
    """What one call carries from attempt to attempt."""

    max_tokens: int
    retries: RetryState = field(default_factory=RetryState)
    attempts: list[Attempt] = field(default_factory=list)
    repair: Repair | None = None
    reply: ModelReply | None = None


class Caller:
    """Asks for single answers. `until` is the monotonic second after which nothing new is sent."""

    def __init__(
        self,
        model: FoundationModel,
        limiter: Limiter,
        budget: RunBudget,
        clock: Clock,
        rng: random.Random,
        until: float,
    ) -> None:
        self._model = model
        self._limiter = limiter
        self._budget = budget
        self._clock = clock
        self._rng = rng
        self._until = until

    async def ask(self, call: Call) -> FinalWord:
        """Try until there is a valid answer, a permanent failure, or no time or money left."""
        progress = _Progress(call.prompt.max_tokens)
        while True:
            refused = await self._attempt(call, progress)
            error_class, message, pause_seconds = refused or (None, "", 0.0)
            if error_class is None or not self._again(call, progress, error_class):
                return _final_word(progress, error_class, message)
            if TREATMENTS[error_class].retry is Retry.REFRESH_ONCE:
                await self._model.refresh_credentials()
            pause_seconds = max(pause_seconds, progress.retries.pause_seconds(error_class, self._rng.random()))
            if self._clock.monotonic_seconds() + pause_seconds >= self._until:
                return _final_word(progress, error_class, message)
            await self._clock.sleep(pause_seconds)

    async def _attempt(self, call: Call, progress: _Progress) -> tuple[ErrorClass, str, float] | None:
        """Send one request. None when it brought a valid answer, else (class, message, pause the server asked for)."""
        estimate = call.estimated_micro_usd()
        if call.estimate.input_tokens > call.model.price_holds_up_to_input_tokens:
            return ErrorClass.INVALID_REQUEST, "the prompt is longer than the model's price holds for", 0.0
        if not await self._budget.reserve(estimate):
            return ErrorClass.BUDGET, "the budget leaves no room for this call", 0.0
        spent = 0
        try:
            quota_tokens = call.estimate.quota_tokens + progress.max_tokens - call.prompt.max_tokens
            permit = await self._limiter.acquire(quota_tokens, self._until)
            if permit is None:
                return ErrorClass.DEADLINE, "its turn would have come after MANGA_DEADLINE_SECONDS", 0.0
            spent, refused = await self._send(call, progress, permit, estimate)
            return refused
        finally:
            await self._budget.settle(estimate, spent)

    async def _send(
        self, call: Call, progress: _Progress, permit: Permit, estimate_micro_usd: int
    ) -> tuple[int, tuple[ErrorClass, str, float] | None]:
        started_at, started = self._clock.now(), self._clock.monotonic_seconds()
        attempt = Attempt(len(progress.attempts) + 1, started_at, 0)
        refused: tuple[ErrorClass, str, float] | None
        try:
            request = ModelRequest(
                call.model, call.prompt, progress.max_tokens, progress.repair, call.estimate.prefix_cached
            )
            reply = await self._model.converse(request)
        except ModelError as error:
            progress.reply = None
            maybe_billed = TREATMENTS[error.error_class].maybe_billed
            attempt = replace(
                attempt, maybe_billed=maybe_billed, cost_micro_usd=estimate_micro_usd if maybe_billed else 0
            )
            refused = (error.error_class, error.message, error.retry_after_seconds or 0.0)
            self._tell_limiter_of_failure(permit, error.error_class)
        else:
            progress.reply = reply
            attempt = replace(
                attempt,
                usage=reply.usage,
                cost_micro_usd=cost_micro_usd(reply.usage, call.model.price),
                stop_reason=reply.stop_reason,
            )
            self._limiter.settle(permit, _quota_tokens_used(reply.usage, call.model.output_burndown))
            problem = judge(call.analysis, call.inputs, reply)
            refused = None if problem is None else (*problem, 0.0)
        latency_ms = round((self._clock.monotonic_seconds() - started) * 1000)
        error_class, message = refused[:2] if refused else (None, "")
        progress.attempts.append(
            replace(attempt, latency_ms=latency_ms, error_class=error_class, message=message[:300])
        )
        return attempt.cost_micro_usd, refused

    def _tell_limiter_of_failure(self, permit: Permit, error_class: ErrorClass) -> None:
        if error_class is ErrorClass.THROTTLED:
            self._limiter.refuse(permit)
        elif TREATMENTS[error_class].maybe_billed:
            self._limiter.lost()
        else:
            self._limiter.settle(permit, 0)

    def _again(self, call: Call, progress: _Progress, error_class: ErrorClass) -> bool:
        larger = min(call.model.max_output_tokens, progress.max_tokens * LARGER_LIMIT_FACTOR)
        room = larger > progress.max_tokens
        if not progress.retries.may_retry(error_class, room_for_larger_limit=room):
            return False
        retry = TREATMENTS[error_class].retry
        if retry is Retry.LARGER_LIMIT_ONCE:
            progress.max_tokens = larger
        elif retry is Retry.REPAIR_ONCE and progress.reply is not None and progress.reply.answer is not None:
            problems = tuple(answer_problems(call.analysis, progress.reply.answer, call.inputs))
            progress.repair = Repair(progress.reply.answer, problems)
        return True


def judge(analysis: AnalysisType, inputs: TitleInputs, reply: ModelReply) -> tuple[ErrorClass, str] | None:
    """None when the reply is a valid answer, else why it is not."""
    if reply.stop_reason not in SUCCESS_STOP_REASONS:
        error_class = _STOP_REASON_ERRORS.get(reply.stop_reason, ErrorClass.INVALID_ANSWER)
        return error_class, f"the model stopped with {reply.stop_reason!r}"
    if reply.answer is None:
        return ErrorClass.REFUSAL, "the model answered in words, not with the answer asked for"
    problems = answer_problems(analysis, reply.answer, inputs)
    return (ErrorClass.INVALID_ANSWER, "; ".join(problems)) if problems else None


def _quota_tokens_used(usage: Usage, burndown: int) -> int:
    return usage.input_tokens + usage.cache_write_tokens + usage.output_tokens * burndown


def _final_word(progress: _Progress, error_class: ErrorClass | None, message: str) -> FinalWord:
    """Close the books: a lost answer costs what the same request cost when it was answered."""
    attempts = []
    answered: Attempt | None = None
    for attempt in reversed(progress.attempts):
        if attempt.stop_reason:
            answered = attempt
        elif attempt.maybe_billed and answered is not None:
            attempts.append(replace(attempt, cost_micro_usd=answered.cost_micro_usd, usage=answered.usage))
            continue
        attempts.append(attempt)
    answer = progress.reply.answer if error_class is None and progress.reply else None
    return FinalWord(answer, tuple(reversed(attempts)), error_class, message)
