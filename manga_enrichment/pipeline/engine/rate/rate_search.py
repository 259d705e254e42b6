"""The first pace, when no quota was told: double, then close in.

Doubling goes on until a tenth of the calls is refused; then the logarithmic gap between the fastest accepted and the
slowest refused pace is halved until they are within a tenth. Stays out: what happens from then on (`adaptive_rate.py`).
"""

import math

REFUSED_SHARE = 0.1  # of a round: the pace is too fast
ENOUGH_REFUSED = 2.0  # one may be a chance that has nothing to do with the pace, and would end the search far too low
CLOSE = 1.1  # search no further between two paces with this ratio


class RateSearch:
    """Two bounds that close in on a quota. A round ends when calls sent at its pace have been answered.

    found: the pace returned last is near the quota; search no further.
    """

    def __init__(self) -> None:
        self._sent = 0
        self.found = False
        self._good = 0.0
        self._bad = math.inf
        self._changed_at = -math.inf
        self._accepted = 0
        self._refused = 0

    def sent(self) -> None:
        """A call leaves."""
        self._sent += 1

    def accepted(self, issued_at: float, now: float, pace: float) -> float:
        """The next pace, after an accepted call that left at `issued_at`; `pace` is the present one."""
        if issued_at <= self._changed_at:
            return pace
        self._accepted += 1
        if self._accepted < 2:  # the first may live on what the service saved up while we were slower
            return pace
        if self._is_too_fast():
            return self._slower(now, pace)
        self._good = pace
        if self._bad <= pace:
            self._bad = math.inf
        return self._next(now, pace)

    def refused(self, issued_at: float, now: float, pace: float) -> float:
        """The next pace, after a throttled call."""
        if issued_at < self._changed_at:
            return pace
        self._refused += 1
        return self._slower(now, pace) if self._is_too_fast() else pace

    def _is_too_fast(self) -> bool:
        return self._refused >= max(ENOUGH_REFUSED, REFUSED_SHARE * self._sent)

    def _slower(self, now: float, pace: float) -> float:
        if self._good == 0.0 or pace <= self._good * CLOSE:
            self.found = True
            return pace
        self._bad = pace
        return self._next(now, pace)

    def _next(self, now: float, pace: float) -> float:
        self._changed_at = now
        self._sent = self._accepted = self._refused = 0
        if self._bad == math.inf:
            return pace * 2
        if self._bad <= self._good * CLOSE:
            self.found = True
            return self._good
        return math.sqrt(self._good * self._bad)
