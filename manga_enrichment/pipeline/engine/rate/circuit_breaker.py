"""A circuit breaker: open while a service refuses everything, as one does whose window is used up.

Belongs here: runs of refusals, pausing, and (half-open) one call at a time that finds out whether the pause is over.
Stays out: how fast calls leave while it is closed (`adaptive_rate.py`).

A refusal comes back within milliseconds, an answer after seconds. So a call that has not been refused after a few times
the time that refusals take counts as let in, long before it is answered.
"""

import math
from dataclasses import dataclass

RUN_CALLS = 3  # refused in a row, with none let in between: it opens
RUN_VERDICTS = 2.0  # for so long: whoever was let in during the first half of it would be known by now
FIRST_PAUSE_SECONDS = 0.5
PAUSE_GROWTH = 1.5  # a pause is at most half as long again as what has been waited: so much of a new window is missed
LONGEST_PAUSE_SECONDS = 10.0
SHORTEST_VERDICT_SECONDS = 0.1
FIRST_REFUSAL_SECONDS = 0.1
RECENT_REFUSALS = 8
CLEAR_WORD_SECONDS = 2.0  # Retry-After counts whole seconds: 1 may mean the blink of an eye


@dataclass(frozen=True, slots=True)
class Recovery:
    """Calls are let in again. Seconds it was closed before, then open; calls that were let in while it was closed."""

    closed_seconds: float
    open_seconds: float
    let_in: int


class CircuitBreaker:
    """Open while everything is refused. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.retry_at = -math.inf
        self.run_calls = 0
        self._run_started_at = math.inf
        self._open_since: float | None = None
        self._paused_at = -math.inf
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._closed_since: float | None = None
        self._let_in = 0
        self._sent = 0
        self._pending: dict[int, float] = {}  # number of a call that may still be refused -> when it left
        self._refusal_seconds = FIRST_REFUSAL_SECONDS

    @property
    def is_open(self) -> bool:
        return self._open_since is not None

    def open_seconds(self, now: float) -> float:
        """How long it has been open; 0.0 while it is closed."""
        return 0.0 if self._open_since is None else now - self._open_since

    def sent(self, now: float) -> tuple[int, Recovery | None]:
        """A call leaves: its number, and whether calls before it have closed the breaker again."""
        recovery = self._settle_pending(now)
        if self._closed_since is None:
            self._closed_since = now
        self._sent += 1
        self._let_in += 1
        self._pending[self._sent] = now
        if self.is_open:
            self.retry_at = now + self._verdict_seconds  # nobody else until this one is known
        return self._sent, recovery

    def accepted(self, number: int, issued_at: float) -> Recovery | None:
        """The call was answered."""
        return self._let_through(issued_at) if self._pending.pop(number, None) is not None else None

    def refused(self, number: int, issued_at: float, now: float, retry_after_seconds: float) -> Recovery | None:
        """The call was throttled; retry_after_seconds: what the service said, 0.0 when nothing."""
        self._refusal_seconds += (now - issued_at - self._refusal_seconds) / RECENT_REFUSALS
        self._pending.pop(number, None)
        recovery = self._settle_pending(now)
        self._let_in -= 1
        self.run_calls += 1
        self._run_started_at = min(self._run_started_at, issued_at)
        said = retry_after_seconds >= CLEAR_WORD_SECONDS
        if self.is_open:
            if issued_at > self._paused_at or said:
                self._pause(now, retry_after_seconds if said else 0.0)
        elif said or (
            self.run_calls >= RUN_CALLS and now - self._run_started_at > RUN_VERDICTS * self._verdict_seconds
        ):
            self._open_since = self._run_started_at
            self._pause(now, retry_after_seconds if said else 0.0)
        return recovery

    @property
    def _verdict_seconds(self) -> float:
        return max(SHORTEST_VERDICT_SECONDS, 3 * self._refusal_seconds)

    def _pause(self, now: float, said_seconds: float) -> None:
        self._paused_at = now
        self.retry_at = now + (said_seconds or self._pause_seconds)
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * PAUSE_GROWTH)

    def _settle_pending(self, now: float) -> Recovery | None:
        recovery = None
        while self._pending:
            number, issued_at = next(iter(self._pending.items()))
            if issued_at > now - self._verdict_seconds:
                break
            del self._pending[number]
            recovery = self._let_through(issued_at) or recovery
        return recovery

    def _let_through(self, issued_at: float) -> Recovery | None:
        """A call was let in: what was refused before it, did not open the breaker or does so no more."""
        if issued_at < (self._paused_at if self.is_open else self._run_started_at):
            return None
        recovery = None
        if self._open_since is not None and self._closed_since is not None:
            closed_seconds = self._open_since - self._closed_since
            recovery = Recovery(closed_seconds, issued_at - self._open_since, self._let_in)
            self._closed_since, self._open_since, self._let_in = issued_at, None, 0
            self._pause_seconds = FIRST_PAUSE_SECONDS
            self.retry_at = -math.inf
        self.run_calls, self._run_started_at = 0, math.inf
        return recovery
