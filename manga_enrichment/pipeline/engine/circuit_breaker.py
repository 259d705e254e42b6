"""Is anything let in at all? A service whose window is used up refuses every call until the next one begins.

Belongs here: runs of refusals, pausing, and one call at a time that finds out whether the pause is over. Stays out: how
fast calls leave while the gate is open (`adaptive_rate.py`).

A refusal comes back within milliseconds, an answer after seconds. So a call that has not been refused after a few times
the time that refusals take counts as let in, long before it is answered.
"""

import math
from dataclasses import dataclass

RUN_CALLS = 3  # refused in a row, with none let in between: closed
RUN_DOUBTS = 2.0  # for so long: whoever was let in during the first half of it would be known by now
FIRST_PAUSE_SECONDS = 0.5
PAUSE_GROWTH = 1.5  # a pause is at most half as long again as what has been waited: so much of an opening is missed
LONGEST_PAUSE_SECONDS = 10.0
SHORTEST_DOUBT_SECONDS = 0.1
FIRST_GUESS_SECONDS = 0.1
RECENT_REFUSALS = 8
CLEAR_WORD_SECONDS = 2.0  # Retry-After counts whole seconds: 1 may mean the blink of an eye


@dataclass(frozen=True, slots=True)
class Opening:
    """Calls are let in again. Seconds that the gate was open before, and closed; calls that were let in while open."""

    open_seconds: float
    closed_seconds: float
    let_in: int


class Gate:
    """Closed while everything is refused. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.opens_at = -math.inf
        self.run_calls = 0
        self._run_started_at = math.inf
        self._closed_at: float | None = None
        self._paused_at = -math.inf
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._opened_at: float | None = None
        self._let_in = 0
        self._sent = 0
        self._in_doubt: dict[int, float] = {}  # number of a call that may still be refused -> when it left
        self._refusal_seconds = FIRST_GUESS_SECONDS

    @property
    def is_closed(self) -> bool:
        return self._closed_at is not None

    def closed_seconds(self, now: float) -> float:
        """How long it has been closed; 0.0 while it is open."""
        return 0.0 if self._closed_at is None else now - self._closed_at

    def sent(self, now: float) -> tuple[int, Opening | None]:
        """A call leaves: its number, and whether calls before it have opened the gate."""
        opening = self._end_doubts(now)
        if self._opened_at is None:
            self._opened_at = now
        self._sent += 1
        self._let_in += 1
        self._in_doubt[self._sent] = now
        if self.is_closed:
            self.opens_at = now + self._doubt_seconds  # nobody else until this one is known
        return self._sent, opening

    def accepted(self, number: int, issued_at: float) -> Opening | None:
        """The call was answered."""
        return self._is_in(issued_at) if self._in_doubt.pop(number, None) is not None else None

    def refused(self, number: int, issued_at: float, now: float, retry_after_seconds: float) -> Opening | None:
        """The call was throttled; retry_after_seconds: what the service said, 0.0 when nothing."""
        self._refusal_seconds += (now - issued_at - self._refusal_seconds) / RECENT_REFUSALS
        self._in_doubt.pop(number, None)
        opening = self._end_doubts(now)
        self._let_in -= 1
        self.run_calls += 1
        self._run_started_at = min(self._run_started_at, issued_at)
        said = retry_after_seconds >= CLEAR_WORD_SECONDS
        if self.is_closed:
            if issued_at > self._paused_at or said:
                self._pause(now, retry_after_seconds if said else 0.0)
        elif said or (self.run_calls >= RUN_CALLS and now - self._run_started_at > RUN_DOUBTS * self._doubt_seconds):
            self._closed_at = self._run_started_at
            self._pause(now, retry_after_seconds if said else 0.0)
        return opening

    @property
    def _doubt_seconds(self) -> float:
        return max(SHORTEST_DOUBT_SECONDS, 3 * self._refusal_seconds)

    def _pause(self, now: float, said_seconds: float) -> None:
        self._paused_at = now
        self.opens_at = now + (said_seconds or self._pause_seconds)
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * PAUSE_GROWTH)

    def _end_doubts(self, now: float) -> Opening | None:
        opening = None
        while self._in_doubt:
            number, issued_at = next(iter(self._in_doubt.items()))
            if issued_at > now - self._doubt_seconds:
                break
            del self._in_doubt[number]
            opening = self._is_in(issued_at) or opening
        return opening

    def _is_in(self, issued_at: float) -> Opening | None:
        """A call was let in: what was refused before it, was not a closed gate or is one no more."""
        if issued_at < (self._paused_at if self.is_closed else self._run_started_at):
            return None
        opening = None
        if self._closed_at is not None and self._opened_at is not None:
            open_seconds = self._closed_at - self._opened_at
            opening = Opening(open_seconds, issued_at - self._closed_at, self._let_in)
            self._opened_at, self._closed_at, self._let_in = issued_at, None, 0
            self._pause_seconds = FIRST_PAUSE_SECONDS
            self.opens_at = -math.inf
        self.run_calls, self._run_started_at = 0, math.inf
        return opening
