"""A rate that follows what a service accepts: slow start finds it, multiplicative AIMD keeps it.

Belongs here: what an accepted and a rejected call say about the rate. Stays out: waiting for one's turn
(`rate_limiter.py`), slow start (`rate_search.py`), pausing while nothing is let in (`circuit_breaker.py`).

*Steps*: a rejected call takes a tenth off the rate, but calls that left before the last cut are old news. An accepted
call that had to wait for its turn gives back `target(rate)` of a cut. So a rate stays where the rejected share is its
target. Senders that share a quota see about the same share of rejections; since the target falls as the rate rises,
the slow ones see less than their target and speed up, the fast ones slow down, and they meet. Nobody needs to know of
the others or of the quota. (Constant steps up, as in TCP, are fair too, but need the quota's scale.)

*Open breaker*: what was rejected in one row counts once. The rate becomes what would have lasted from one recovery to
the next, and does not rise before the rejected calls are made up for. Several senders that were told nothing use such
a quota up, but keep the shares they happen to have: tell the quota there.

*Acceleration*: slow start ends below the quota, so steps up are large until the first rejection.

*Rejections that no rate avoids* (a service that is short of capacity): when a series of cuts has taken three quarters
of the rate and still few calls are rejected, slowing down is not the cure, and cuts become small, but for one in seven,
until the rejected share has fallen to about its target.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from manga_enrichment.pipeline.engine.rate.circuit_breaker import CircuitBreaker, Recovery
from manga_enrichment.pipeline.engine.rate.rate_search import RateSearch

CUT = 0.1
SMALL_CUT = 0.01
DEEP = 0.25  # of the pace that a series of cuts began at
SMALL_CUTS_IN_A_ROW = 6  # then a whole one again: a quota that has shrunk by much is found out so
END_OF_SERIES = 2.0  # times the target: so few rejected, after a row that was accepted
MANY_REFUSED = 0.1  # share of the recent calls: the pace is to blame
RECENT_CALLS = 100
MOST_REJECTED = 0.3
LARGEST_RAISE = 0.05  # by one accepted call
MOST_ACCELERATION = 5.0  # how many times larger a raise is when no refusal has come for long
CREDIT_BEFORE_ACCELERATION = 3.0
CREDIT_AFTER_SEARCH = CREDIT_BEFORE_ACCELERATION + MOST_ACCELERATION  # slow start ends below the quota
MOST_DEBT = 6.0
PAID_BACK = 0.01  # by one accepted call: what an open breaker cost may come to that share of the calls
LASTING_MARGIN = 1.03  # a little too fast uses all of a window; too slow does not
FEW_SECONDS = 1.0  # a window that short, or with that few calls, says little about a quota
FEW_CALLS = 20
CHANCE_CALLS = 2  # small ones that found room in what large ones left: no new window at all
KEPT_BY_CHANCE = 0.8
SLOWEST = 0.01


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to send one call.

    tokens  what was reserved for it
    waited  the limiter made it wait: only then its acceptance says that a faster pace might do
    number  counts the calls of one limiter, from 1
    """

    issued_at: float
    tokens: int
    waited: bool
    number: int


def target_rejection_of_told_quota(pace: float) -> float:
    """The refused share that a sender of this share of a told quota aims at: 1.3 % at a half, 3.8 % at an eighth.

    Whoever has the quota to itself is held by the ceiling before anything is refused.
    """
    return min(MOST_REJECTED, 0.008 * math.pow(pace, -0.75))


def target_rejection_of_unknown_quota(pace: float) -> float:
    """The same for a pace in calls/s: 5 % at a call in four seconds, 1.5 % at two a second, 0.15 % at a hundred."""
    return min(MOST_REJECTED, 0.023 * math.pow(pace, -0.6))


class AdaptiveRate:
    """One sender's pace. Times are seconds of one monotonic clock; `value` is in calls/s or a share of a quota."""

    def __init__(self, start: float, ceiling: float, target: Callable[[float], float], *, told: bool) -> None:
        """target: the refused share at which a pace stays as it is. told: the ceiling is a quota; else search."""
        self.value = start
        self._ceiling = ceiling
        self._target_rejection = target
        self._told = told
        self._search = None if told else RateSearch()
        self._breaker = CircuitBreaker()
        self._cut_at = -math.inf
        self._series_from = math.inf  # the pace when the present series of cuts began
        self._small_cuts = 0
        self._since_cut = 0  # accepted calls that had waited for their turn
        self._credit = 0.0  # refusals that would have been target since the last one; negative: owed
        self._refused_share = 0.0
        self._before_run = start
        self._sum = 0.0  # the pace, added up over the seconds since the breaker closed
        self._summed_at = 0.0

    @property
    def retry_at(self) -> float:
        """Nothing should leave before."""
        return self._breaker.retry_at

    def sent(self, now: float) -> int:
        """A call leaves; its number."""
        self._refused_share *= 1.0 - 1.0 / RECENT_CALLS
        number, recovery = self._breaker.sent(now)
        self._recover(recovery, now)
        if number == 1:
            self._summed_at = now
        if self._search is not None:
            self._search.sent()
        return number

    def accepted(self, permit: Permit, now: float) -> None:
        """A call was let in."""
        self._recover(self._breaker.accepted(permit.number, permit.issued_at), now)
        if not permit.waited or self._breaker.is_open:
            return
        if self._search is not None:
            self._follow(self._search.accepted(permit.issued_at, now, self.value), now)
        else:
            self._raise(now)

    def refused(self, permit: Permit, now: float, retry_after_seconds: float) -> None:
        """A call was throttled; retry_after_seconds: what the service said, 0.0 when nothing."""
        self._refused_share += (1.0 - self._refused_share) / RECENT_CALLS
        was_open, before = self._breaker.is_open, self.value
        self._recover(self._breaker.refused(permit.number, permit.issued_at, now, retry_after_seconds), now)
        if self._breaker.run_calls == 1:
            self._before_run = before
        if self._breaker.is_open:
            self._stay_open(was_open, now)
        elif self._search is not None:
            self._follow(self._search.refused(permit.issued_at, now, self.value), now)
        elif permit.issued_at > self._cut_at:
            self._cut(now)

    def _raise(self, now: float) -> None:
        target = self._target_rejection(self.value)
        self._credit += target if self._credit >= 0.0 else max(target, PAID_BACK)
        self._since_cut += 1
        if self._since_cut * target >= 1.0 and self._refused_share < END_OF_SERIES * target:
            self._series_from = math.inf
        if self._credit > 0.0:
            acceleration = min(MOST_ACCELERATION, max(1.0, self._credit - CREDIT_BEFORE_ACCELERATION + 1.0))
            self._set(self.value * (1.0 + min(LARGEST_RAISE, CUT * target * acceleration)), now)

    def _cut(self, now: float) -> None:
        if self._series_from == math.inf:
            self._series_from = self.value
        self._cut_at, self._since_cut = now, 0
        self._credit = min(0.0, self._credit)
        is_deep = self.value < DEEP * self._series_from and self._refused_share < MANY_REFUSED
        is_small = is_deep and self._small_cuts < SMALL_CUTS_IN_A_ROW
        self._small_cuts = self._small_cuts + 1 if is_small else 0
        self._set(self.value * (1.0 - (SMALL_CUT if is_small else CUT)), now)

    def _stay_open(self, was_open: bool, now: float) -> None:
        if self._search is not None:
            self._end_search()
        else:
            refused = 1 if was_open else self._breaker.run_calls
            self._credit = max(-MOST_DEBT, min(0.0, self._credit) - refused)
        if not was_open:
            self._add_up(now)
            self._sum -= self.value * self._breaker.open_seconds(now)

    def _recover(self, recovery: Recovery | None, now: float) -> None:
        """Go on at the pace that would have lasted. Those who were told a quota keep theirs: whoever shares it then
        runs the same race for every window."""
        if recovery is None:
            return
        used = max(self._sum, self._before_run * recovery.closed_seconds)
        lasting = LASTING_MARGIN * used / (recovery.closed_seconds + recovery.open_seconds)
        if recovery.closed_seconds < FEW_SECONDS or recovery.let_in < FEW_CALLS:
            lasting = max(lasting, self._before_run * (KEPT_BY_CHANCE if recovery.let_in <= CHANCE_CALLS else 0.5))
        self.value = self._before_run if self._told else self._bounded(min(self._before_run, lasting))
        self._series_from = math.inf
        self._cut_at = self._summed_at = now
        self._sum = 0.0

    def _follow(self, pace: float, now: float) -> None:
        """Take the pace the search wants next; the end of the search is where the steps begin."""
        if self._search is not None and self._search.found:
            self._end_search()
        self._set(pace, now)

    def _end_search(self) -> None:
        self._search = None
        self._credit = CREDIT_AFTER_SEARCH

    def _set(self, pace: float, now: float) -> None:
        self._add_up(now)
        self.value = self._bounded(pace)

    def _add_up(self, now: float) -> None:
        self._sum += self.value * (now - self._summed_at)
        self._summed_at = now

    def _bounded(self, pace: float) -> float:
        return min(self._ceiling, max(SLOWEST, pace))
