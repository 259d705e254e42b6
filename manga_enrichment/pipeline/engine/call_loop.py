"""One call from its first attempt to its final word.

Belongs here: budget, permit, attempt, judging the reply, and what is tried again. Stays out: concurrency, claims and
the ledger (`engine.py`).
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, TitleInputs
from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.answers import Attempt
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, ModelError, Retry
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.outcomes.retries import RetryState
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.model import FoundationModel, ModelCall, ModelReply, Repair
from manga_enrichment.pipeline.engine.budget import RunBudget
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.estimates import CallEstimate, estimate_attempt
from manga_enrichment.pipeline.engine.rate_limiter import Permit, RateLimiter

SUCCESS_STOP_REASONS = frozenset({"end_turn", "tool_use", "stop_sequence"})
_STOP_REASON_ERRORS = {
    "max_tokens": ErrorClass.MAX_TOKENS,
    "refusal": ErrorClass.REFUSAL,
    "content_filtered": ErrorClass.CONTENT_FILTERED,
    "guardrail_intervened": ErrorClass.CONTENT_FILTERED,
    "model_context_window_exceeded": ErrorClass.INVALID_REQUEST,
}
LARGER_LIMIT_FACTOR = 2
_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class CallOutcome:
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


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why an attempt brought no valid answer, and how long the server asked us to wait."""

    error_class: ErrorClass
    message: str
    pause_seconds: float = 0.0


@dataclass(slots=True)
class _Progress:
    """What one call carries from attempt to attempt."""

    max_tokens: int
    retries: RetryState = field(default_factory=RetryState)
    attempts: list[Attempt] = field(default_factory=list)
    repair: Repair | None = None
    reply: ModelReply | None = None
    refusal: _Refusal | None = None


class Caller:
    """Asks for single answers."""

    def __init__(
        self,
        model: FoundationModel,
        limiter: RateLimiter,
        budget: RunBudget,
        clock: Clock,
        rng: random.Random,
        *,
        until: float,
        ending: Callable[[Call], ErrorClass | None],
    ) -> None:
        """until: monotonic second after which nothing new is sent.

        ending: looked at before every attempt; once it names a class, the call ends with what it has.
        """
        self._model = model
        self._limiter = limiter
        self._budget = budget
        self._clock = clock
        self._rng = rng
        self._until = until
        self._ending = ending
        self._cached_prefixes: set[tuple[str, str]] = set()  # model id and analysis
        self._refreshing = asyncio.Lock()
        self._refreshed_at = -math.inf

    async def ask(self, call: Call, ready: Callable[[], Awaitable[None]]) -> CallOutcome:
        """Try until there is a valid answer, a permanent failure, or no time or money left.

        ready: awaited before every attempt.
        """
        progress = _Progress(call.prompt.max_tokens)
        refusal: _Refusal | None
        while True:
            await ready()
            ending = self._ending(call)
            if ending is not None:
                refusal = _Refusal(ending, "nothing new is asked any more")
                return self._outcome(progress, _reason(refusal, progress.refusal))
            refusal = await self._attempt(call, progress)
            if refusal is None or not self._may_try_again(call, progress, refusal.error_class):
                return self._outcome(progress, refusal and _reason(refusal, progress.refusal))
            progress.refusal = refusal
            jitter = self._rng.random()
            pause_seconds = max(refusal.pause_seconds, progress.retries.pause_seconds(refusal.error_class, jitter))
            if self._clock.monotonic_seconds() + pause_seconds >= self._until:
                return self._outcome(progress, _out_of_time(refusal))
            if pause_seconds:
                await self._clock.sleep(pause_seconds)
            if refusal.error_class is ErrorClass.EXPIRED_CREDENTIALS:
                await self._refresh(progress.attempts[-1])

    async def _attempt(self, call: Call, progress: _Progress) -> _Refusal | None:
        """Make one attempt; None when it brought a valid answer."""
        if call.estimate.input_tokens > call.model.price_holds_up_to_input_tokens:
            return _Refusal(ErrorClass.INVALID_REQUEST, "the prompt is longer than the model's price holds for")
        estimate = estimate_attempt(self._estimate_of(call), progress.max_tokens, progress.repair)
        estimated_cost = estimate.cost_micro_usd(call.model)
        try:
            if not await self._budget.reserve(estimated_cost):
                return _Refusal(ErrorClass.BUDGET, "the budget leaves no room for this call")
        except StoreUnavailableError as error:
            return _Refusal(ErrorClass.LEDGER_UNAVAILABLE, str(error))
        spent = 0
        try:
            permit = await self._limiter.acquire(estimate.quota_tokens, self._until)
            if permit is None:
                return _Refusal(ErrorClass.DEADLINE, "its turn would have come after MANGA_DEADLINE_SECONDS")
            refusal = await self._send(call, progress, permit, estimate)
            spent = progress.attempts[-1].cost_micro_usd
            return refusal
        finally:
            self._budget.settle(estimated_cost, spent)

    def _estimate_of(self, call: Call) -> CallEstimate:
        """Until an answer came, the prompt cache may not hold the prefix, and any call may pay for writing it."""
        is_cached = (call.model.model_id, call.analysis.name) in self._cached_prefixes
        return call.estimate if is_cached else call.estimate.writing_prefix()

    async def _send(self, call: Call, progress: _Progress, permit: Permit, estimate: CallEstimate) -> _Refusal | None:
        """Ask the model once, and write the attempt down."""
        started_at, started = self._clock.now(), self._clock.monotonic_seconds()
        asked = ModelCall(call.model, call.prompt, progress.max_tokens, progress.repair, call.estimate.prefix_cached)
        refusal: _Refusal | None
        try:
            reply = await self._model.converse(asked)
        except ModelError as error:
            progress.reply = None
            usage, stop_reason, maybe_billed = Usage(), "", TREATMENTS[error.error_class].maybe_billed
            cost = estimate.cost_micro_usd(call.model) if maybe_billed else 0
            refusal = _Refusal(error.error_class, error.message, error.retry_after_seconds or 0.0)
            self._tell_limiter_of_failure(permit, error)
        else:
            progress.reply = reply
            self._cached_prefixes.add((call.model.model_id, call.analysis.name))
            usage, stop_reason, maybe_billed = reply.usage, reply.stop_reason, False
            cost = cost_micro_usd(usage, call.model.price)
            self._limiter.settle(permit, _quota_tokens_used(usage, call.model.output_burndown))
            refusal = _verdict(call, reply)
        latency_ms = round((self._clock.monotonic_seconds() - started) * 1000)
        number = len(progress.attempts) + 1
        attempt = Attempt(number, started_at, latency_ms, usage, cost, None, stop_reason, maybe_billed)
        progress.attempts.append(_refused(attempt, refusal) if refusal else attempt)
        return refusal

    def _tell_limiter_of_failure(self, permit: Permit, error: ModelError) -> None:
        if error.error_class is ErrorClass.THROTTLED:
            self._limiter.refuse(permit, error.retry_after_seconds or 0.0)
        elif TREATMENTS[error.error_class].maybe_billed:
            self._limiter.lost(permit)
        else:
            self._limiter.drop(permit)

    def _may_try_again(self, call: Call, progress: _Progress, error_class: ErrorClass) -> bool:
        """Whether another attempt is allowed; prepares it."""
        larger = min(call.model.max_output_tokens, progress.max_tokens * LARGER_LIMIT_FACTOR)
        room = larger > progress.max_tokens
        if not progress.retries.may_retry(error_class, room_for_larger_limit=room):
            return False
        retry = TREATMENTS[error_class].retry
        if retry is Retry.LARGER_LIMIT_ONCE:
            progress.max_tokens = larger
        elif retry is Retry.REPAIR_ONCE and progress.reply is not None and progress.reply.answer is not None:
            problems = tuple(answer_problems(call.analysis, progress.reply.answer, call.inputs))
            if problems:
                progress.repair = Repair(progress.reply.answer, problems)
        return True

    async def _refresh(self, attempt: Attempt) -> None:
        """New credentials, once for all calls that failed with the old ones."""
        async with self._refreshing:
            if self._refreshed_at <= attempt.started_at.timestamp():
                await self._model.refresh_credentials()
                self._refreshed_at = self._clock.now().timestamp()

    def _outcome(self, progress: _Progress, refusal: _Refusal | None) -> CallOutcome:
        """Close the books."""
        attempts = _with_known_costs(progress.attempts)
        before = sum(attempt.cost_micro_usd for attempt in progress.attempts)
        self._budget.correct(sum(attempt.cost_micro_usd for attempt in attempts) - before)
        if refusal is not None:
            return CallOutcome(None, attempts, refusal.error_class, refusal.message)
        return CallOutcome(progress.reply.answer if progress.reply else None, attempts)


def judge(analysis: AnalysisType, inputs: TitleInputs, reply: ModelReply) -> tuple[ErrorClass, str] | None:
    """None when the reply is a valid answer, else why it is not."""
    if reply.stop_reason not in SUCCESS_STOP_REASONS:
        error_class = _STOP_REASON_ERRORS.get(reply.stop_reason, ErrorClass.INVALID_ANSWER)
        return error_class, f"the model stopped with {reply.stop_reason!r}"
    if reply.answer is None:
        return ErrorClass.REFUSAL, "the model answered in words, not with the answer asked for"
    problems = answer_problems(analysis, reply.answer, inputs)
    return (ErrorClass.INVALID_ANSWER, "; ".join(problems)) if problems else None


def _verdict(call: Call, reply: ModelReply) -> _Refusal | None:
    problem = judge(call.analysis, call.inputs, reply)
    return None if problem is None else _Refusal(*problem)


def _refused(attempt: Attempt, refusal: _Refusal) -> Attempt:
    return replace(attempt, error_class=refusal.error_class, message=refusal.message[:_MESSAGE_CHARACTERS])


def _quota_tokens_used(usage: Usage, burndown: int) -> int:
    return usage.input_tokens + usage.cache_write_tokens + usage.output_tokens * burndown


def _reason(refusal: _Refusal, earlier: _Refusal | None) -> _Refusal:
    """When the time ran out over a passing failure, that failure says more."""
    if refusal.error_class is ErrorClass.DEADLINE and earlier and TREATMENTS[earlier.error_class].transient:
        return earlier
    return refusal


def _out_of_time(refusal: _Refusal) -> _Refusal:
    """A retry was due but not made: nothing final can be said then."""
    if TREATMENTS[refusal.error_class].transient:
        return refusal
    return _Refusal(ErrorClass.DEADLINE, f"no time for another attempt after: {refusal.message}")


def _with_known_costs(attempts: list[Attempt]) -> tuple[Attempt, ...]:
    """A lost answer costs what the same call cost when it was answered."""
    known: list[Attempt] = []
    answered: Attempt | None = None
    for attempt in reversed(attempts):
        if attempt.maybe_billed and answered is not None:
            known.append(replace(attempt, cost_micro_usd=answered.cost_micro_usd, usage=answered.usage))
            continue
        if not attempt.maybe_billed and attempt.stop_reason:
            answered = attempt
        known.append(attempt)
    return tuple(reversed(known))
