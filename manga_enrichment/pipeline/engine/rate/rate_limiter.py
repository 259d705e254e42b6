"""How fast one model may be asked: requests/min and tokens/min, told or learned.

*Told* a quota, calls are paced just below it, so that nothing is throttled. *Untold*, or when others use the same
quota, the pace follows what is accepted (`adaptive_rate.py`). Bedrock takes input + max_tokens from the tokens/min
quota when a call starts and settles on what was used, output times the model's burndown, when it ends; `settle` does
the same here.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Protocol

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.pipeline.engine.rate.adaptive_rate import AdaptiveRate
from manga_enrichment.pipeline.engine.rate.circuit_breaker import Permit

__all__ = ["Limiter", "Permit", "RateLimiter"]

TOLD_SHARE = 0.99  # of a told quota: room for clock drift and for the jitter of the network
FIRST_CALLS_PER_SECOND = 5.0
REQUEST_BURST_SECONDS = 0.2  # how much unused time may be caught up at once
TOKEN_BURST_SECONDS = 0.5  # more: calls differ in size, and what is given back comes in pieces
DEMAND_HEADROOM = 1.25  # a run that has what it used last has no room to use more
LATELY_SECONDS = 6.0  # and three for the next look of each side: what rests is used by others within twelve
SERVED_WITHIN_SECONDS = 2.0  # what waits, if there is room
LONGEST_NAP_SECONDS = 0.1  # tokens that are given back may make a call ready sooner than it seemed


class TokenBucket:
    """Fills at `per_second` times a pace, up to `burst_seconds` worth. More than that passes when full, on credit."""

    def __init__(self, per_second: float, burst_seconds: float) -> None:
        self.per_second = per_second
        self._burst_seconds = burst_seconds
        self._level = math.inf  # full
        self._filled_at = 0.0

    def ready_at(self, amount: float, pace: float, now: float) -> float:
        """When the amount may be taken: `now`, or later."""
        rate = self.per_second * pace
        capacity = rate * self._burst_seconds
        self._level = min(capacity, self._level + (now - self._filled_at) * rate)
        self._filled_at = now
        return now + max(0.0, min(amount, capacity) - self._level) / rate

    def take(self, amount: float) -> None:
        """Take an amount; a negative one gives back."""
        self._level -= amount

    def empty(self) -> None:
        """Nothing may be caught up on."""
        self._level = min(self._level, 0.0)


class Limiter(Protocol):
    """What asking takes of a `RateLimiter`."""

    async def acquire(
        self, tokens: int, until: float, is_wanted: Callable[[], bool] = lambda: True
    ) -> Permit | None: ...

    def settle(self, permit: Permit, tokens_used: int) -> None: ...

    def drop(self, permit: Permit) -> None: ...

    def refuse(self, permit: Permit, retry_after_seconds: float = 0.0) -> None: ...


class RateLimiter:
    """One model's pace within this process. Not thread-safe: one event loop.

    throttled: calls that were refused. queued: calls that wait elsewhere for a turn here.
    """

    def __init__(
        self, clock: Clock, *, requests_per_minute: int | None = None, tokens_per_minute: int | None = None
    ) -> None:
        """A quota that is None is not told. With neither, the pace is found by trying."""
        self._clock = clock
        self._turn = asyncio.Lock()
        self.throttled = self.queued = self._waiting = 0
        self._last = (1, 0)  # what a call takes: a request, and so many tokens
        self._taken: deque[tuple[float, tuple[int, ...]]] = deque()
        told = requests_per_minute is not None or tokens_per_minute is not None
        self.rate = AdaptiveRate(1.0 if told else FIRST_CALLS_PER_SECOND, told=told)
        self._buckets: dict[int, TokenBucket] = {}  # by place in what a call takes; filled at the pace times that
        if requests_per_minute is not None or not told:
            per_second = TOLD_SHARE * requests_per_minute / 60 if requests_per_minute is not None else 1.0
            self._buckets[0] = TokenBucket(per_second, REQUEST_BURST_SECONDS)
        if tokens_per_minute is not None:
            self._buckets[1] = TokenBucket(TOLD_SHARE * tokens_per_minute / 60, TOKEN_BURST_SECONDS)

    async def acquire(self, tokens: int, until: float, is_wanted: Callable[[], bool] = lambda: True) -> Permit | None:
        """Wait for a turn, in order of asking. None when it would come after `until` (monotonic seconds).

        is_wanted: looked at while waiting; None once the turn is not wanted any more.
        """
        if not self._waiting and (permit := self._at_once(tokens, until, is_wanted)):  # as most calls find it
            return permit
        waited = self._turn.locked()
        self._waiting += 1
        try:
            async with self._turn:
                while True:
                    ready_at = self.ready_at(tokens)
                    now = self._clock.monotonic_seconds()  # after ready_at, which is never before its own now
                    if max(ready_at, now) > until or not is_wanted():
                        return None
                    if ready_at <= now:
                        return self.take(tokens, waited=waited)
                    waited = True
                    await self._clock.sleep(min(ready_at - now, LONGEST_NAP_SECONDS))
        finally:
            self._waiting -= 1

    def _at_once(self, tokens: int, until: float, is_wanted: Callable[[], bool]) -> Permit | None:
        ready_at = self.ready_at(tokens)
        is_ready = ready_at <= self._clock.monotonic_seconds() <= until
        return self.take(tokens, waited=False) if is_ready and is_wanted() else None

    def ready_at(self, tokens: int) -> float:
        """When a call of this size may leave, as far as is known now (monotonic seconds)."""
        now, pace = self._clock.monotonic_seconds(), self.rate.pace
        self._last = 1, tokens
        ready_at = self.rate.retry_at
        for which, bucket in self._buckets.items():
            ready_at = max(ready_at, bucket.ready_at(self._last[which], pace, now))
        return ready_at

    def take(self, tokens: int, *, waited: bool) -> Permit:
        """Let a call leave that is ready; waited: it had to, because of the pace."""
        self._take(1, tokens)
        permit = Permit(self._clock.monotonic_seconds(), tokens, waited)
        self.rate.sent(permit)
        return permit

    def settle(self, permit: Permit, tokens_used: int) -> None:
        """A call was accepted and used this many quota tokens (input + output times burndown)."""
        if 1 in self._buckets:
            self._take(0, tokens_used - permit.tokens)
        self.rate.accepted(permit, self._clock.monotonic_seconds())

    def drop(self, permit: Permit) -> None:
        """A call failed in a way that says nothing about the quota: return its tokens."""
        self._take(0, -permit.tokens)

    def refuse(self, permit: Permit, retry_after_seconds: float = 0.0) -> None:
        """A call was throttled: return its tokens and slow down.

        retry_after_seconds: how long the service asked to wait, 0.0 when it did not; from 2 s on nothing is sent.
        """
        self.throttled += 1
        self._take(0, -permit.tokens)
        self.rate.refused(permit, self._clock.monotonic_seconds(), retry_after_seconds)
        if 0 in self._buckets:
            self._buckets[0].empty()  # a burst after a cut would be refused in a row, and bring a row of cuts

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return self._waiting + self.queued

    @property
    def calls_per_second(self) -> float | None:
        """How many leave at most; None where only tokens are counted."""
        return self._buckets[0].per_second * self.rate.pace if 0 in self._buckets else None

    def demand(self) -> float:
        """What could be used, in the unit of the pace: what was used lately and a little more, and what waits."""
        since = self._clock.monotonic_seconds() - LATELY_SECONDS
        lately = [amounts for at, amounts in self._taken if at > since]
        wanted = (
            (
                DEMAND_HEADROOM / LATELY_SECONDS * sum(amounts[which] for amounts in lately)
                + self.waiting / SERVED_WITHIN_SECONDS * self._last[which]
            )
            / bucket.per_second
            for which, bucket in self._buckets.items()
        )
        return max(0.0, *wanted)

    def _take(self, *amounts: int) -> None:
        now = self._clock.monotonic_seconds()
        self._taken.append((now, amounts))
        while self._taken[0][0] < now - LATELY_SECONDS:
            self._taken.popleft()
        for which, bucket in self._buckets.items():
            bucket.take(amounts[which])
