"""How fast one model may be asked: requests/min and tokens/min, told or learned.

*Told* a quota, calls are paced just below it, so that nothing is throttled. *Untold*, or when others use the same
quota, the pace follows what is accepted (`adaptive_rate.py`). Bedrock takes input + max_tokens from the tokens/min
quota when a call starts and settles on what was used, output times the model's burndown, when it ends; `settle` does
the same here.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.pipeline.engine.rate.adaptive_rate import AdaptiveRate, Permit

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
    """Fills at `per_second` up to `burst_seconds` worth. A larger amount passes when it is full and leaves a debt."""

    def __init__(self, per_second: float, burst_seconds: float, now: float) -> None:
        self._per_second = per_second
        self._burst_seconds = burst_seconds
        self._level = per_second * burst_seconds
        self._filled_at = now

    def ready_at(self, amount: float, now: float) -> float:
        """When the amount may be taken: `now`, or later."""
        self._fill(now)
        missing = min(amount, self._capacity) - self._level
        return now + missing / self._per_second if missing > 0.0 else now

    def take(self, amount: float) -> None:
        """Take an amount; a negative one gives back."""
        self._level -= amount

    def empty(self) -> None:
        """Nothing may be caught up on."""
        self._level = min(self._level, 0.0)

    def set_rate(self, per_second: float, now: float) -> None:
        self._fill(now)
        self._per_second = per_second

    @property
    def _capacity(self) -> float:
        return self._per_second * self._burst_seconds

    def _fill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._filled_at) * self._per_second)
        self._filled_at = now


class Limiter(Protocol):
    """What asking takes of a `RateLimiter`."""

    async def acquire(
        self, tokens: int, until: float, is_wanted: Callable[[], bool] = lambda: True
    ) -> Permit | None: ...

    def settle(self, permit: Permit, tokens_used: int) -> None: ...

    def lost(self, permit: Permit) -> None: ...

    def drop(self, permit: Permit) -> None: ...

    def refuse(self, permit: Permit, retry_after_seconds: float = 0.0) -> None: ...


class RateLimiter:
    """One model's pace within this process. Not thread-safe: one event loop."""

    def __init__(
        self, clock: Clock, *, requests_per_minute: int | None = None, tokens_per_minute: int | None = None
    ) -> None:
        """A quota that is None is not told. With neither, the pace is found by trying."""
        self._clock = clock
        self._turn = asyncio.Lock()
        self.throttled = 0
        self.queued = 0  # calls that wait elsewhere for a turn here
        self._waiting = 0
        self._last_tokens = 0
        self._taken: deque[tuple[float, int, int]] = deque()  # when, requests, tokens
        now = clock.monotonic_seconds()
        told = requests_per_minute is not None or tokens_per_minute is not None
        if told:
            self.rate = AdaptiveRate(1.0, told=True)
        else:
            self.rate = AdaptiveRate(FIRST_CALLS_PER_SECOND, told=False)
        # What the pace is a multiple of: the told quotas, or one call a second.
        self._base_requests = _told_per_second(requests_per_minute) if told else 1.0
        self._base_tokens = _told_per_second(tokens_per_minute)
        self._requests = self._bucket(self._base_requests, REQUEST_BURST_SECONDS, now)
        self._tokens = self._bucket(self._base_tokens, TOKEN_BURST_SECONDS, now)

    def _bucket(self, base: float | None, burst_seconds: float, now: float) -> TokenBucket | None:
        return None if base is None else TokenBucket(base * self.rate.pace, burst_seconds, now)

    async def acquire(self, tokens: int, until: float, is_wanted: Callable[[], bool] = lambda: True) -> Permit | None:
        """Wait for a turn, in order of asking. None when it would come after `until` (monotonic seconds).

        is_wanted: looked at while waiting; None once the turn is not wanted any more.
        """
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

    def ready_at(self, tokens: int) -> float:
        """When a call of this size may leave, as far as is known now (monotonic seconds)."""
        now = self._clock.monotonic_seconds()
        self._last_tokens = tokens
        return max(
            self.rate.retry_at,
            now if self._requests is None else self._requests.ready_at(1.0, now),
            now if self._tokens is None else self._tokens.ready_at(tokens, now),
        )

    def take(self, tokens: int, *, waited: bool) -> Permit:
        """Let a call leave that is ready; waited: it had to, because of the pace."""
        now = self._clock.monotonic_seconds()
        self._take(1, tokens)
        number = self.rate.sent(now)
        self._follow_rate(now)
        return Permit(now, tokens, waited=waited, number=number)

    def settle(self, permit: Permit, tokens_used: int) -> None:
        """A call was accepted and used this many quota tokens (input + output times burndown)."""
        self._take(0, tokens_used - permit.tokens)
        self.lost(permit)

    def lost(self, permit: Permit) -> None:
        """A call was accepted but its usage is unknown: its tokens stay taken."""
        now = self._clock.monotonic_seconds()
        self.rate.accepted(permit, now)
        self._follow_rate(now)

    def drop(self, permit: Permit) -> None:
        """A call failed in a way that says nothing about the quota: return its tokens."""
        self._take(0, -permit.tokens)

    def refuse(self, permit: Permit, retry_after_seconds: float = 0.0) -> None:
        """A call was throttled: return its tokens and slow down.

        retry_after_seconds: how long the service asked to wait, 0.0 when it did not; from 2 s on nothing is sent.
        """
        now = self._clock.monotonic_seconds()
        self.throttled += 1
        self._take(0, -permit.tokens)
        self.rate.refused(permit, now, retry_after_seconds)
        self._follow_rate(now)
        if self._requests is not None:
            self._requests.empty()  # a burst after a cut would be refused in a row, and bring a row of cuts

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return self._waiting + self.queued

    def demand(self) -> float:
        """What could be used, in the unit of the pace: what was used lately and a little more, and what waits."""
        since, waiting = self._clock.monotonic_seconds() - LATELY_SECONDS, self.waiting / SERVED_WITHIN_SECONDS
        lately = [taken for taken in self._taken if taken[0] > since]
        factor = DEMAND_HEADROOM / LATELY_SECONDS
        requests = factor * sum(requests for _, requests, _ in lately) + waiting
        tokens = factor * sum(tokens for _, _, tokens in lately) + waiting * self._last_tokens
        of_requests = 0.0 if self._base_requests is None else requests / self._base_requests
        of_tokens = 0.0 if self._base_tokens is None else tokens / self._base_tokens
        return max(0.0, of_requests, of_tokens)

    def _take(self, requests: int, tokens: int) -> None:
        now = self._clock.monotonic_seconds()
        self._taken.append((now, requests, tokens))
        while self._taken[0][0] < now - LATELY_SECONDS:
            self._taken.popleft()
        if self._requests is not None:
            self._requests.take(requests)
        if self._tokens is not None:
            self._tokens.take(tokens)

    def _follow_rate(self, now: float) -> None:
        if self._requests is not None and self._base_requests is not None:
            self._requests.set_rate(self._base_requests * self.rate.pace, now)
        if self._tokens is not None and self._base_tokens is not None:
            self._tokens.set_rate(self._base_tokens * self.rate.pace, now)


def _told_per_second(per_minute: int | None) -> float | None:
    return None if per_minute is None else per_minute * TOLD_SHARE / 60
