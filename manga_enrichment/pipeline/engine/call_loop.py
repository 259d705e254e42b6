"""One call from its first attempt to its final word.

Belongs here: budget, permit, attempt, judging the reply, and what is tried again. Stays out: concurrency, claims and
the ledger (`engine.py`).
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from manga_enrichment.domain.analyses.validation import answer_problems
from manga_enrichment.domain.outcomes.answers import Attempt
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, ModelError, Retry
from manga_enrichment.domain.outcomes.retries import RetryState
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.model import FoundationModel, ModelCall, ModelReply, Repair
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.money.attempts import Sent, abandoned
from manga_enrichment.pipeline.engine.money.billing import quota_tokens_used
from manga_enrichment.pipeline.engine.money.budget import RunBudget
from manga_enrichment.pipeline.engine.money.estimates import CallEstimate, estimate_attempt
from manga_enrichment.pipeline.engine.money.prompt_cache import PromptCache
from manga_enrichment.pipeline.engine.rate.rate_limiter import Limiter, Permit
from manga_enrichment.pipeline.engine.verdicts import (
    CallOutcome,
    Refusal,
    judged,
    no_turn,
    out_of_time,
    telling_reason,
    unfunded,
    with_known_costs,
)

LARGER_LIMIT_FACTOR = 2


@dataclass(slots=True)
class _Progress:
    """What one call carries from attempt to attempt. sent_at: monotonic second of the last one."""

    max_tokens: int
    retries: RetryState = field(default_factory=RetryState)
    attempts: list[Attempt] = field(default_factory=list)
    repair: Repair | None = None
    reply: ModelReply | None = None
    refusal: Refusal | None = None
    sent_at: float = -math.inf

    @property
    def cost_micro_usd(self) -> int:
        return sum(attempt.cost_micro_usd for attempt in self.attempts)


class Caller:
    """Asks for single answers.

    sending: tasks whose request is at the model. Cancelled now, their answers would be lost and maybe billed; all
    others that ask can be cancelled for nothing.
    """

    def __init__(
        self,
        model: FoundationModel,
        limiter: Limiter,
        budget: RunBudget,
        clock: Clock,
        rng: random.Random,
        *,
        until: float,
        ending: Callable[[Call], ErrorClass | None],
        stake: Callable[[str, int], Awaitable[None]],
    ) -> None:
        """until: monotonic second after which nothing new is sent.

        ending: looked at before every attempt; once it names a class, the call ends with what it has. stake: awaited
        with fingerprint and estimate before a call that was billed once is sent again.
        """
        self._model = model
        self._limiter = limiter
        self._budget = budget
        self._clock = clock
        self._rng = rng
        self._until = until
        self._ending = ending
        self._stake = stake
        self._untaken_tiers: set[str] = set()  # models, for this run
        self.prompt_cache = PromptCache(clock)
        self._refreshing = asyncio.Lock()
        self._refreshed_at = -math.inf
        self.sending: set[asyncio.Task[Any]] = set()

    async def ask(self, call: Call, ready: Callable[[], Awaitable[None]], lost_micro_usd: int = 0) -> CallOutcome:
        """Try until there is a valid answer, a permanent failure, or no time or money left.

        ready: awaited before every attempt. lost_micro_usd: what a killed run may have paid for this very call.

        Ends early when its task is cancelled, and never raises: whatever happens, what was sent is told.
        """
        progress = _Progress(call.prompt.max_tokens)
        if lost_micro_usd:
            progress.attempts.append(abandoned(lost_micro_usd, self._clock.now()))
            self._budget.correct(lost_micro_usd)
        try:
            refusal = await self._try(call, progress, ready)
        except asyncio.CancelledError:
            refusal = Refusal(ErrorClass.STOPPED, "the run was ended")
        except Exception as error:  # noqa: BLE001 (told to the engine, which ends the run)
            refusal = Refusal(ErrorClass.STOPPED, f"the run was ended by {error}")
            return replace(self._outcome(call, progress, refusal), failure=error)
        return self._outcome(call, progress, refusal)

    async def _try(self, call: Call, progress: _Progress, ready: Callable[[], Awaitable[None]]) -> Refusal | None:
        while True:
            await ready()
            if not self._may_spend():
                return unfunded(self._budget.brake)
            ending = self._ending(call)
            if ending is not None:
                return telling_reason(Refusal(ending, "nothing new is asked any more"), progress.refusal)
            if call.model.model_id in self._untaken_tiers:
                call = replace(call, model=call.model.in_default_tier())
            refusal = await self._attempt(call, progress)
            if refusal is None or not self._may_try_again(call, progress, refusal.error_class):
                return refusal and telling_reason(refusal, progress.refusal)
            progress.refusal = refusal
            jitter = self._rng.random()
            pause_seconds = max(refusal.pause_seconds, progress.retries.pause_seconds(refusal.error_class, jitter))
            if self._clock.monotonic_seconds() + pause_seconds >= self._until:
                return out_of_time(refusal)
            if pause_seconds:
                await self._clock.sleep(pause_seconds)
            if refusal.error_class is ErrorClass.EXPIRED_CREDENTIALS:
                await self._refresh(progress.sent_at)

    async def _attempt(self, call: Call, progress: _Progress) -> Refusal | None:
        """Make one attempt when its turn has come; None when it brought a valid answer."""
        if self.prompt_cache.is_open(call):
            return await self._attempt_now(call, progress)
        async with self.prompt_cache.turn(call, lambda: self._is_wanted(call)):
            return await self._attempt_now(call, progress)

    async def _attempt_now(self, call: Call, progress: _Progress) -> Refusal | None:
        if call.estimate.input_tokens > call.model.price_holds_up_to_input_tokens:
            return Refusal(ErrorClass.INVALID_REQUEST, "the prompt is longer than the model's price holds for")
        estimate = estimate_attempt(self.prompt_cache.estimate(call), progress.max_tokens, progress.repair)
        estimated_cost = estimate.cost_micro_usd(call.model)
        try:
            if not await self._budget.reserve(estimated_cost):
                return unfunded(self._budget.brake, self._budget.refused_by)
        except StoreUnavailableError as error:
            return Refusal(ErrorClass.LEDGER_UNAVAILABLE, str(error))
        before = progress.cost_micro_usd
        try:
            if any(each.cost_micro_usd for each in progress.attempts if each.error_class is not ErrorClass.ABANDONED):
                await self._stake(call.fingerprint, estimated_cost)
            permit = await self._limiter.acquire(estimate.quota_tokens, self._until, lambda: self._is_wanted(call))
            if permit is None:
                return self._not_sent(call)
            return await self._send(call, progress, permit, estimate)
        finally:
            self._budget.settle(estimated_cost, progress.cost_micro_usd - before)

    def _may_spend(self) -> bool:
        return self._budget.brake is None

    def _is_wanted(self, call: Call) -> bool:
        """Whoever waits for a turn may be cancelled, or stopped, meanwhile."""
        return self._may_spend() and self._ending(call) is not ErrorClass.STOPPED

    def _not_sent(self, call: Call) -> Refusal:
        if self._may_spend() and not self._is_wanted(call):
            return Refusal(ErrorClass.STOPPED, "nothing new is asked any more")
        return no_turn(self._budget.brake)

    async def _send(self, call: Call, progress: _Progress, permit: Permit, estimate: CallEstimate) -> Refusal | None:
        """One request to the model and its line in the log."""
        request = call.as_sent(progress.max_tokens, progress.repair)
        sent = Sent.now(call, estimate, len(progress.attempts) + 1, self._clock)
        progress.reply, progress.sent_at = None, sent.at
        refusal: Refusal | None
        try:
            reply, refusal = judged(call, await self._converse(request))
        except ModelError as error:
            refusal = Refusal(error.error_class, error.message, error.retry_after_seconds or 0.0)
            self._tell_limiter_of_failure(permit, error)
            is_lost = TREATMENTS[error.error_class].maybe_billed
            attempt = sent.unanswered(refusal, self._clock.monotonic_seconds(), maybe_billed=is_lost)
        except BaseException:  # cancelled, or an error that nobody foresaw: the request may have been answered
            self._limiter.settle(permit, permit.tokens)
            lost = Refusal(ErrorClass.ABANDONED, "the run was ended before the answer came")
            progress.attempts.append(sent.unanswered(lost, self._clock.monotonic_seconds(), maybe_billed=True))
            raise
        else:
            progress.reply = reply
            attempt = sent.answered(reply, refusal, self._clock.monotonic_seconds())
            self.prompt_cache.answered(call)
            self._limiter.settle(permit, quota_tokens_used(attempt.usage, call.model.output_burndown))
        progress.attempts.append(attempt)
        return refusal

    async def _converse(self, request: ModelCall) -> ModelReply:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine that runs is some task's)
        self.sending.add(task)
        try:
            return await self._model.converse(request)
        finally:
            self.sending.discard(task)

    def _tell_limiter_of_failure(self, permit: Permit, error: ModelError) -> None:
        if error.error_class is ErrorClass.THROTTLED:
            self._limiter.refuse(permit, error.retry_after_seconds or 0.0)
        elif TREATMENTS[error.error_class].maybe_billed:
            self._limiter.settle(permit, permit.tokens)
        else:
            self._limiter.drop(permit)

    def _may_try_again(self, call: Call, progress: _Progress, error_class: ErrorClass) -> bool:
        """Whether another attempt is allowed; prepares it."""
        if error_class is ErrorClass.TIER_REFUSED and call.model.service_tier:
            self._untaken_tiers.add(call.model.model_id)
            return True
        larger = min(call.model.max_output_tokens, progress.max_tokens * LARGER_LIMIT_FACTOR)
        room = larger > progress.max_tokens
        now_seconds = self._clock.monotonic_seconds()
        if not progress.retries.may_retry(error_class, room_for_larger_limit=room, now_seconds=now_seconds):
            return False
        retry = TREATMENTS[error_class].retry
        if retry is Retry.LARGER_LIMIT_ONCE:
            progress.max_tokens = larger
        elif call.model.always_thinks:
            pass  # its thoughts would have to go back with its answer: it is asked anew
        elif retry is Retry.REPAIR_ONCE and progress.reply is not None and progress.reply.answer is not None:
            problems = tuple(answer_problems(call.analysis, progress.reply.answer, call.inputs))
            if problems:
                progress.repair = Repair(progress.reply.answer, problems)
        return True

    async def _refresh(self, sent_at: float) -> None:
        """New credentials, once for all calls that failed with the old ones."""
        async with self._refreshing:
            if self._refreshed_at <= sent_at:
                await self._model.refresh_credentials()
                self._refreshed_at = self._clock.monotonic_seconds()

    def _outcome(self, call: Call, progress: _Progress, refusal: Refusal | None) -> CallOutcome:
        """Close the books."""
        attempts = with_known_costs(progress.attempts)
        self._budget.correct(sum(attempt.cost_micro_usd for attempt in attempts) - progress.cost_micro_usd)
        if refusal is not None:
            return CallOutcome(None, attempts, refusal.error_class, refusal.message)
        answer = progress.reply.answer if progress.reply else None
        return CallOutcome(answer and call.analysis.mended(answer, call.inputs), attempts)
