"""How fast all senders of a quota together may ask, as one of them finds out, and its own share of that.

Belongs here: what an accepted and a refused call say about the quota. Stays out: waiting for one's turn
(`rate_limiter.py`), pausing while nothing is let in (`circuit_breaker.py`), whose share is how large
(`fair_share.py`).

*Steps*: a refused call takes a tenth off the total, but calls that left before the last cut are old news. An accepted
call that had to wait for its turn gives back `target` of a cut. So a total stays where the refused share is its target,
however many senders there are. Steps up grow when nobody was refused for longer than somebody should have been, and
when a total that has fallen meets no refusal: what fell with the service comes back with it.

*Slow start* ends when many of the recent calls are refused. So a service that refuses some at any pace does not end it.
When slowing down to a quarter brings no fewer refusals, pace is not what they come from, and slow start begins anew.

*Open breaker*: the total becomes what would have lasted from one recovery to the next.
"""

import math
from collections import deque

from manga_enrichment.pipeline.engine.rate.circuit_breaker import CircuitBreaker, Permit, Recovery

CUT = 0.1
RECENT_CALLS = 100
MANY_REFUSED = 0.2  # share of the recent calls: more than chance, the pace is to blame
UNAVOIDABLE = 0.02  # share of the recent calls: more than a pace that fits the quota has
DEEP = 0.25  # of the total at which more than a few and less than many began to be refused; less when many share it
TARGET_OF_TOLD_QUOTA = 0.011  # whoever has one to itself is held by the ceiling before anything is refused
SLOW_START = 1.0  # calls/s more with each accepted call: the rate grows e-fold within a second
MOST_ACCELERATION = 5.0  # how many times larger a raise is when no refusal has come for long
CREDIT_BEFORE_ACCELERATION = 2.0
LARGEST_CREDIT = CREDIT_BEFORE_ACCELERATION + MOST_ACCELERATION
LASTING_MARGIN = 1.03  # a little too fast uses all of a window; too slow does not
LASTING_MARGIN_OF_MANY = 1.04  # who share a window have calls refused each before they know that it is used up
FEW_SECONDS = 1.0  # a window that short says little about a quota
KEPT_AFTER_FEW = 0.8
LONGEST_HOLD_SECONDS = 60.0  # what would have lasted is kept for as long as the window was
SLOWEST = 0.01
FALLEN = 1.25  # times the total is the usual one
QUIET_SECONDS = 6.0  # nobody was refused: a total that has fallen may come back
LEARN_SECONDS = 60.0  # until a larger total is the usual one
FORGET_SECONDS = 900.0  # until a smaller one is: by then the quota is another


def target_of_untold_quota(total: float) -> float:
    """The refused share to aim at, at so many calls/s: 2.6 % at one in four seconds, 0.13 % at a hundred a second."""
    return 0.013 / math.sqrt(total)


class AdaptiveRate:
    """One sender's view. Times are seconds of one monotonic clock; `total` is in calls/s or a share of a told quota.

    share: of the total. refused_at, heard_at: the last time, of a call of its own, of another sender's. is_starting: an
    untold quota is searched for. is_fresh: found since the last look. deaf_until: others make room so long.
    tried: as many calls of an untold quota as left in one second, and no more than the total was then.
    """

    def __init__(self, start: float, *, told: bool) -> None:
        self.total = self._before_run = self._series_from = start
        self.share = 1.0
        self.is_told, self.is_starting, self.is_fresh = told, not told, False
        self.refused_at = self.heard_at = self.deaf_until = self._cut_at = self._hold_until = -math.inf
        self.most = start if told else math.inf
        self.tried = 0.0
        self._second: deque[float] = deque()  # when the calls of the last second left
        self._usual = 0.0  # the total of minutes
        self._breaker = CircuitBreaker()
        self._credit = 0.0  # refusals that would have been target since the last one
        self._refused_share = 0.0  # of the recent calls
        self._set_at = 0.0

    @property
    def pace(self) -> float:
        return self.total * self.share

    @property
    def retry_at(self) -> float:
        """Nothing should leave before."""
        return self._breaker.retry_at

    @property
    def is_paused(self) -> bool:
        """Everything is refused just now: the total is that of before."""
        return self._breaker.is_open

    def begin(self, total: float, now: float) -> None:
        """Go on with a total without having searched for it."""
        self.is_starting, self._credit = False, LARGEST_CREDIT
        self.set(total, now)

    def hear_of_refusal(self, at: float) -> None:
        """Another sender of the same quota was refused."""
        if at > self.heard_at:
            self.heard_at, self._credit = at, 0.0

    def sent(self, permit: Permit) -> None:
        """A call leaves."""
        self._refused_share *= 1.0 - 1.0 / RECENT_CALLS
        self._recover(self._breaker.sent(permit), permit.issued_at)
        if not self.is_told:
            self._second.append(permit.issued_at)
            while self._second[0] <= permit.issued_at - 1.0:
                self._second.popleft()
            self.tried = max(self.tried, min(self.total, len(self._second)))

    def accepted(self, permit: Permit, now: float) -> None:
        """A call was let in."""
        self._recover(self._breaker.accepted(permit), now)
        if not permit.waited or now < self._hold_until or self.is_paused:
            return
        if self.is_starting:
            self.set(self.total + SLOW_START / self.share, now)
        else:
            self._raise(now)

    def refused(self, permit: Permit, now: float, retry_after_seconds: float) -> None:
        """A call was throttled; retry_after_seconds: what the service said, 0.0 when nothing."""
        self.refused_at = now
        self._refused_share += (1.0 - self._refused_share) / RECENT_CALLS
        before = self.total
        self._recover(self._breaker.refused(permit, now, retry_after_seconds), now)
        if self._breaker.run_calls == 1:
            self._before_run = before
        if self.is_starting:
            if self._refused_share >= MANY_REFUSED or self.is_paused:
                self.is_starting, self._credit = False, LARGEST_CREDIT
        elif not self.is_paused and permit.issued_at > self._cut_at and now > self.deaf_until:
            self._cut(now)

    def set(self, total: float, now: float) -> None:
        if not (self.is_starting or self.is_paused):
            memory_seconds = LEARN_SECONDS if self.total > self._usual else FORGET_SECONDS
            self._usual += (self.total - self._usual) * min(1.0, (now - self._set_at) / memory_seconds)
        self._set_at = now
        self.total = min(self.most, max(SLOWEST, total))

    def _cut(self, now: float) -> None:
        few = self._refused_share < UNAVOIDABLE and self._credit >= 1.0
        if few or self._refused_share > MANY_REFUSED:
            self._series_from = self.total
        self._cut_at, self._credit = now, 0.0
        self.set(self.total * (1.0 - CUT), now)
        deep = DEEP * self.share**0.25 * self._series_from  # many begin far too fast before each knows it
        self.is_starting = self.total < deep and self._refused_share > UNAVOIDABLE

    def _raise(self, now: float) -> None:
        target = TARGET_OF_TOLD_QUOTA if self.is_told else target_of_untold_quota(self.total)
        fallen = max(1.0, self._usual / self.total)
        self._credit += target / self.share  # refusals of all that are target in the time of one call of ours
        if fallen > FALLEN and now - max(self.refused_at, self.heard_at) > QUIET_SECONDS:
            self._credit = max(self._credit, LARGEST_CREDIT)
        acceleration = min(MOST_ACCELERATION, max(1.0, self._credit - CREDIT_BEFORE_ACCELERATION))
        if acceleration > 1.0:
            acceleration /= self.share  # each for all
        self.set(self.total * (1.0 + CUT * target * math.sqrt(fallen) * acceleration), now)

    def _recover(self, recovery: Recovery | None, now: float) -> None:
        """Go on at the pace that would have lasted; those who were told a quota keep theirs."""
        if recovery is None:
            return
        margin = LASTING_MARGIN if self.share == 1.0 else LASTING_MARGIN_OF_MANY
        lasting = margin * recovery.let_in / recovery.seconds / self.share
        if recovery.closed_seconds < FEW_SECONDS:
            lasting = min(self._before_run, max(lasting, self._before_run * KEPT_AFTER_FEW))
        self._set_at = self._cut_at = self.refused_at = now
        self._hold_until = now + min(LONGEST_HOLD_SECONDS, recovery.seconds)
        self.is_fresh, self._credit, self._series_from = True, 0.0, self._before_run
        self.set(self._before_run if self.is_told else lasting, now)
