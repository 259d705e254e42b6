"""A circuit breaker: open while a service refuses everything, as one does whose window is used up.

Belongs here: runs of refusals, pausing, and (half-open) one call at a time that finds out whether the pause is over.
Stays out: how fast calls leave while it is closed (`adaptive_rate.py`).

A refusal comes back within milliseconds, an answer after seconds. So a call that has not been refused after a few times
the time that refusals take counts as let in, long before it is answered.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

RUN_CALLS = 3  # refused in a row, with none let in between: it opens
RUN_VERDICTS = 2.0  # for so long: whoever was let in during the first half of it would be known by now
FIRST_PAUSE_SECONDS = 0.75
PAUSE_GROWTH = 1.5  # a pause is at most half as long again as what has been waited: so much of a new window is missed
LONGEST_PAUSE_SECONDS = 5.0
FIRST_REFUSAL_SECONDS = 0.1
RECENT_REFUSALS = 8
CLEAR_WORD_SECONDS = 2.0  # Retry-After counts whole seconds: 1 may mean the blink of an eye


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """The right to send one call. tokens: reserved for it. waited: it had to, because of the pace."""

    issued_at: float
    tokens: int
    waited: bool


class Recovery(NamedTuple):
    """Calls are let in again. Seconds since the last time, and of them closed; calls that were let in meanwhile."""

    seconds: float
    closed_seconds: float
    let_in: int


class CircuitBreaker:
    """Open while everything is refused. Times are seconds of one monotonic clock. run_calls: refused in a row."""

    def __init__(self) -> None:
        self.retry_at = self._paused_at = -math.inf
        self.is_open = False
        self.run_calls = self._let_in = 0
        self._run_since = math.inf
        self._closed_since = math.inf
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._pending: dict[Permit, None] = {}  # calls that may still be refused, in their order
        self._refusal_seconds = FIRST_REFUSAL_SECONDS

    def sent(self, permit: Permit) -> Recovery | None:
        """A call leaves; whether calls before it have closed the breaker again."""
        recovery = self._settle_pending(permit.issued_at)
        self._closed_since = min(self._closed_since, permit.issued_at)
        self._let_in += 1
        self._pending[permit] = None
        if self.is_open:
            self.retry_at = permit.issued_at + self._verdict_seconds  # nobody else until this one is known
        return recovery

    def accepted(self, permit: Permit) -> Recovery | None:
        """The call was answered."""
        return self._let_through(permit) if permit in self._pending else None

    def refused(self, permit: Permit, now: float, retry_after_seconds: float) -> Recovery | None:
        """The call was throttled; retry_after_seconds: what the service said, 0.0 when nothing."""
        self._refusal_seconds += (now - permit.issued_at - self._refusal_seconds) / RECENT_REFUSALS
        self._pending.pop(permit, None)
        recovery = self._settle_pending(now)
        self._let_in -= 1
        self.run_calls += 1
        self._run_since = min(self._run_since, permit.issued_at)
        said_seconds = retry_after_seconds if retry_after_seconds >= CLEAR_WORD_SECONDS else 0.0
        is_run = self.run_calls >= RUN_CALLS and now - self._run_since > RUN_VERDICTS * self._verdict_seconds
        if said_seconds or (permit.issued_at > self._paused_at if self.is_open else is_run):
            self.is_open, self._paused_at = True, now
            self.retry_at = now + (said_seconds or self._pause_seconds)
            self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * PAUSE_GROWTH)
        return recovery

    @property
    def _verdict_seconds(self) -> float:
        return max(FIRST_REFUSAL_SECONDS, 3 * self._refusal_seconds)

    def _settle_pending(self, now: float) -> Recovery | None:
        recovery = None
        while self._pending and (permit := next(iter(self._pending))).issued_at <= now - self._verdict_seconds:
            recovery = self._let_through(permit) or recovery
        return recovery

    def _let_through(self, permit: Permit) -> Recovery | None:
        """A call was let in: what was refused before it, did not open the breaker or does so no more."""
        self._pending.pop(permit, None)
        at = permit.issued_at
        if at < (self._paused_at if self.is_open else self._run_since):
            return None
        recovery = None
        if self.is_open:
            recovery = Recovery(at - self._closed_since, self._run_since - self._closed_since, self._let_in)
            self._closed_since, self.is_open, self._let_in = at, False, 0
            self._pause_seconds, self.retry_at = FIRST_PAUSE_SECONDS, -math.inf
        self.run_calls, self._run_since = 0, math.inf
        return recovery
