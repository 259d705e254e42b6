"""A pace that follows what a service accepts: found by doubling, then kept by small steps.

Belongs here: what an accepted and a refused call say about the pace. Stays out: waiting for one's turn (`limiter.py`).

*Search* (only when no quota was told): double until a tenth of the calls is refused, then halve the logarithmic gap
between the fastest accepted and the slowest refused pace until they are within a tenth.

*Steps*: every refused call takes 4 % (at most 20 calls/s) off the pace; every accepted one that had to wait for its
turn gives a small part of that back. The pace settles where the refused share equals that part. The part is larger
for slow senders than for fast ones, which is what lets senders that share a quota, and do not know of each other,
drift to equal shares: quickly when the quota was told (its share is a common measure); over some ten thousand calls
when it was not, and at a few calls a second one may stay far behind, so tell those who share a small quota.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

CUT = 0.04
MOST_CUT_PER_SECOND = 20.0  # calls/s that one refusal may take: hundreds a second are refused in one round trip
RECENT_CALLS = 8  # a refusal among that many takes one cut, and more when more of them were refused
PLAINLY_TOO_FAST = 0.2  # share of the recent calls that were refused
CALM = 0.1
REFUSED_SHARE = 0.1  # of a round of the search: the pace is too fast
CLOSE = 1.1  # search no further between two paces with this ratio
OLD_NEWS = 1.25  # a refusal at a pace that much above the present one tells nothing new
RAISED_QUOTA = 1.25  # that far above the last pace with a refusal, and none: search anew
SLOWEST = 0.01


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to send one call.

    tokens  what was reserved for it
    waited  the limiter made it wait: only then its acceptance says that a faster pace might do
    pace    the pace it was issued at: a refusal is old news once the pace is much lower
    """

    issued_at: float
    tokens: int
    waited: bool
    pace: float


def share_of_told_quota(pace: float) -> float:
    """The refused share at which a sender that uses this share of a told quota stays as fast as it is.

    Whoever has the quota to itself is held by the ceiling before anything is refused.
    """
    return min(0.05, 0.008 / pace)


def share_of_unknown_quota(pace: float) -> float:
    """The same for a pace in calls/s: 2 % below a call in four seconds, 0.6 % at a hundred a second."""
    return min(0.02, max(0.0005, 0.017 - 0.0023 * math.log(pace)))


class Pace:
    """One sender's pace. Times are seconds of one monotonic clock; `value` is in calls/s or a share of a quota."""

    def __init__(self, start: float, ceiling: float, tolerated: Callable[[float], float], *, search: bool) -> None:
        """tolerated: the refused share at which a pace stays as it is. search: start by searching."""
        self.value = start
        self._ceiling = ceiling
        self._tolerated = tolerated
        self._search = _Search() if search else None
        self._searches = search
        self._limit = 0.0  # fastest pace of the last time calls were refused; 0.0 when none were
        self._recent_refused = 0.0
        self._fell_from = 0.0  # the pace at which calls began to be refused by the row
        self._last_cut_at = -math.inf
        self._round_trip_seconds = 0.5
        self._round_started_at = -math.inf
        self._round_pace = start
        self._calls_per_second = 0.0
        self._counted_at = 0.0

    @property
    def is_found(self) -> bool:
        """Not searching any more."""
        return self._search is None

    def sent(self, now: float) -> None:
        """A call leaves."""
        self._calls_per_second = self._recent_calls_per_second(now) + 1.0
        self._counted_at = now
        if self._search is not None:
            self._search.sent += 1

    def accepted(self, permit: Permit, now: float) -> None:
        """A call was let in."""
        self._recent_refused *= 1.0 - 1.0 / RECENT_CALLS
        self._round_trip_seconds += (now - permit.issued_at - self._round_trip_seconds) / RECENT_CALLS
        if not permit.waited:
            return
        if self._search is not None:
            self._follow(self._search.accepted(permit, now, self.value), now)
            return
        self._set(self.value * (1.0 + self._cut(now) * self._tolerated(self.value)))
        if self._searches and self._may_be_far_off():
            self._search = _Search(self.value, now)

    def refused(self, permit: Permit, now: float) -> None:
        """A call was throttled."""
        self._recent_refused += (1.0 - self._recent_refused) / RECENT_CALLS
        if self._search is not None:
            self._follow(self._search.refused(permit, now, self.value), now)
        elif permit.pace <= OLD_NEWS * self.value:
            is_same_time = now - self._last_cut_at < 1.0
            self._limit = max(self.value, self._limit if is_same_time else 0.0)
            self._last_cut_at = now
            if self._recent_refused > PLAINLY_TOO_FAST and self._fell_from == 0.0:
                self._fell_from = self.value
            lower = self.value * (1.0 - self._cut(now) * self._harder())
            self._set(max(lower, self._lowest_of_this_round(now)))

    def _lowest_of_this_round(self, now: float) -> float:
        """At most half is lost while the calls before the first refusal are still being answered: until they are,
        nobody knows what is left (tokens reserved for them come back only then)."""
        if now - self._round_started_at > self._round_trip_seconds:
            self._round_started_at = now
            self._round_pace = self.value
        return self._round_pace / 2

    def _may_be_far_off(self) -> bool:
        """Far above the last refused pace, or far below the pace it fell from and all is calm again."""
        if self._recent_refused > CALM:
            return False
        fell_far = self.value < self._fell_from / 2
        self._fell_from = 0.0
        return fell_far or 0.0 < RAISED_QUOTA * self._limit < self.value

    def _harder(self) -> float:
        """How many cuts one refusal takes: more than one when the pace is plainly too fast."""
        return RECENT_CALLS * self._recent_refused if self._recent_refused > PLAINLY_TOO_FAST else 1.0

    def _cut(self, now: float) -> float:
        return min(CUT, MOST_CUT_PER_SECOND / max(self._recent_calls_per_second(now), 1.0))

    def _recent_calls_per_second(self, now: float) -> float:
        return self._calls_per_second * math.exp(self._counted_at - now)

    def _follow(self, pace: float, now: float) -> None:
        """Take the pace the search wants next; the end of the search is where the steps begin."""
        if self._search is not None and self._search.found:
            self._search = None
            self._limit, self._last_cut_at, self._recent_refused = self.value, now, 0.0
        self._set(pace)

    def _set(self, pace: float) -> None:
        self.value = min(self._ceiling, max(SLOWEST, pace))


class _Search:
    """Two bounds that close in on a quota. A round ends when calls sent at its pace have been answered."""

    def __init__(self, good: float = 0.0, changed_at: float = -math.inf) -> None:
        """good: a pace known to be accepted, 0.0 when none is."""
        self.sent = 0
        self.found = False
        self._good = good
        self._bad = math.inf
        self._floor = 0.0  # the pace of an accepted call, quartered: others' calls must not drive us out
        self._nothing_accepted_before = False
        self._changed_at = changed_at
        self._accepted = 0
        self._refused = 0

    def accepted(self, permit: Permit, now: float, pace: float) -> float:
        """The pace after an accepted call that was sent at `pace` or before."""
        if permit.issued_at <= self._changed_at:
            return pace
        self._accepted += 1
        self._floor = max(self._floor, pace / 4)
        if self._accepted < 2:  # the first may live on what the service saved up while we were slower
            return pace
        if self._is_too_fast():
            return self._slower(now, pace)
        self._good = pace
        self._nothing_accepted_before = False
        if self._bad <= pace:
            self._bad = math.inf
        return self._next(now, pace)

    def refused(self, permit: Permit, now: float, pace: float) -> float:
        if permit.issued_at < self._changed_at:
            return pace
        self._refused += 1
        return self._slower(now, pace) if self._is_too_fast() else pace

    def _is_too_fast(self) -> bool:
        enough = 2 if self._good == 0.0 else 1  # the first may be somebody else's fault, and we would go far down
        return self._refused >= max(enough, REFUSED_SHARE * self.sent)

    def _slower(self, now: float, pace: float) -> float:
        nothing_accepted = self._refused == self.sent
        if pace <= self._floor or self._bad <= self._good * CLOSE:
            if not (nothing_accepted and self._nothing_accepted_before):
                self.found = True
                return max(self._floor, self._good)
            self._good = self._floor = 0.0  # what was accepted then, lived on what the service had saved up
        self._bad = pace
        self._nothing_accepted_before = nothing_accepted
        return self._next(now, pace)

    def _next(self, now: float, pace: float) -> float:
        self._changed_at = now
        self.sent = self._accepted = self._refused = 0
        if self._good == 0.0:
            return max(self._floor, pace / 4)
        if self._bad == math.inf:
            return pace * 2
        return math.sqrt(self._good * self._bad) if self._bad > self._good * CLOSE else self._bad
