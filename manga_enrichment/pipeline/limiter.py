"""How fast one model may be asked: requests/min and tokens/min, told or learned.

*Told* a quota, calls are paced evenly just below it, so that nothing is throttled. *Untold*, or when others use the
same quota, the pace follows what is accepted: a throttle cuts it to the share that got through (multiplicative
decrease), quiet time raises it by a fixed step (additive increase). Bedrock takes input + max_tokens from the
tokens/min quota when a call starts and settles on what was used, output times the model's burndown, when it ends;
`settle` gives back the difference.
"""

import asyncio
import math
from dataclasses import dataclass

from manga_enrichment.gateways import Clock

TOLD_SHARE = 0.99  # of a told quota: room for clock drift and for the jitter of the network
BURST_SECONDS = 0.1  # how much unused time may be caught up at once
CUT = 0.98  # of the accepted share, after a throttle
STEP_PER_SECOND = 0.01  # of the reference pace
FAST_STEP_PER_SECOND = 0.05  # while far below the last pace that was throttled, or long unthrottled
QUIET_SECONDS = 20.0
WINDOW_SECONDS = 1.0
SLOWEST_PER_SECOND = 0.05


class Pacer:
    """Evenly spaced permits of varying size (the generic cell rate algorithm). per_second may be inf."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._next_at: float | None = None

    def ready_at(self, now: float) -> float:
        """When the next permit may start; not later than `now` when it may start at once."""
        if self._next_at is None:
            return now
        return max(self._next_at, now - BURST_SECONDS)

    def take(self, amount: float, now: float) -> None:
        self._next_at = self.ready_at(now) + (amount / self.per_second if self.per_second < math.inf else 0.0)

    def give_back(self, amount: float) -> None:
        """Correct an estimate: positive returns unused amount, negative takes more."""
        if self._next_at is not None and self.per_second < math.inf:
            self._next_at -= amount / self.per_second


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to send one call; tokens is what was reserved for it."""

    issued_at: float
    tokens: int


class Limiter:
    """One model's pace within this process. Not thread-safe: one event loop."""

    def __init__(
        self, clock: Clock, *, requests_per_minute: int | None = None, tokens_per_minute: int | None = None
    ) -> None:
        self._clock = clock
        self._ceiling = requests_per_minute * TOLD_SHARE / 60 if requests_per_minute else math.inf
        self._requests = Pacer(self._ceiling)
        self._tokens = Pacer(tokens_per_minute * TOLD_SHARE / 60 if tokens_per_minute else math.inf)
        self._turn = asyncio.Lock()
        self._reference = self._ceiling
        self._last_cut_at = -math.inf
        self._last_raise_at = -math.inf
        self._cut_from = math.inf
        self._window_started_at = clock.monotonic_seconds()
        self._accepted = 0
        self._refused = 0
        self.throttled = 0

    @property
    def requests_per_second(self) -> float:
        """The present pace; inf until something limits it."""
        return self._requests.per_second

    async def acquire(self, tokens: int, until: float) -> Permit | None:
        """Wait for a turn, in order of asking. None when it would come after `until` (monotonic seconds)."""
        async with self._turn:
            while True:
                now = self._clock.monotonic_seconds()
                self._raise_pace(now)
                ready_at = max(self._requests.ready_at(now), self._tokens.ready_at(now))
                if ready_at > until:
                    return None
                if ready_at <= now:
                    break
                await self._clock.sleep(min(ready_at - now, 1.0))
            self._requests.take(1, now)
            self._tokens.take(tokens, now)
            return Permit(now, tokens)

    def settle(self, permit: Permit, tokens_used: int) -> None:
        """A call was accepted and used this many quota tokens (input + output times burndown)."""
        self._accepted += 1
        self._tokens.give_back(permit.tokens - tokens_used)

    def lost(self) -> None:
        """A call was accepted but its usage is unknown: its tokens stay taken."""
        self._accepted += 1

    def refuse(self, permit: Permit) -> None:
        """A call was throttled: return its tokens and slow down, once per burst of throttles."""
        now = self._clock.monotonic_seconds()
        self.throttled += 1
        self._refused += 1
        self._tokens.give_back(permit.tokens)
        if permit.issued_at <= self._last_cut_at:
            return
        self._cut_pace(now)

    def _cut_pace(self, now: float) -> None:
        elapsed = max(now - self._window_started_at, 0.05)
        accepted_share = self._accepted / (self._accepted + self._refused)
        pace = self._requests.per_second
        if pace == math.inf:
            pace = (self._accepted + self._refused) / elapsed
        if self._reference == math.inf:
            self._reference = max(self._accepted / elapsed, SLOWEST_PER_SECOND)
        self._cut_from = pace * max(accepted_share, 0.5)
        self._requests.per_second = max(SLOWEST_PER_SECOND, self._cut_from * CUT)
        self._last_cut_at = self._last_raise_at = now
        self._start_window(now)

    def _raise_pace(self, now: float) -> None:
        if now - self._window_started_at > WINDOW_SECONDS:
            self._start_window(now)
        pace = self._requests.per_second
        if pace >= self._ceiling or now - self._last_raise_at < 0.1:
            return
        quiet_seconds = now - self._last_cut_at
        fast = pace < 0.9 * self._cut_from or quiet_seconds > QUIET_SECONDS
        step = (FAST_STEP_PER_SECOND if fast else STEP_PER_SECOND) * self._reference
        self._requests.per_second = min(self._ceiling, pace + step * (now - self._last_raise_at))
        self._last_raise_at = now

    def _start_window(self, now: float) -> None:
        self._window_started_at = now
        self._accepted = 0
        self._refused = 0
