"""How fast all senders of a quota together may ask, as one of them finds out, and its own share of that.

Belongs here: what an accepted and a refused call say about the quota. Stays out: waiting for one's turn
(`rate_limiter.py`), pausing while nothing is let in (`circuit_breaker.py`), whose share is how large
(`fair_share.py`).

*Steps*: a refused call takes a tenth off the total, but calls that left before the last cut are old news. An accepted
call that had to wait for its turn gives back `target` of a cut. So a total stays where the refused share is its target,
however many senders there are. The target is larger for a total that has fallen: what fell with the service comes back
with it. Steps up grow when nobody was refused for longer than somebody should have been.

*Slow start* ends when many of the recent calls are refused. So a service that refuses some at any pace does not end it.

*Refusals that no pace avoids* (a service that is short of capacity): when a series of cuts, begun at few refusals, has
taken three quarters of the total and there are no fewer, slowing down is not the cure, and slow start begins anew.

*Open breaker*: what was refused in one row counts once. The total becomes what would have lasted from one recovery to
the next, and does not rise before the refused calls are made up for.
"""

import math
from dataclasses import dataclass

from manga_enrichment.pipeline.engine.rate.circuit_breaker import CircuitBreaker, Recovery

CUT = 0.1
RECENT_CALLS = 100
MANY_REFUSED = 0.2  # share of the recent calls: more than chance, the pace is to blame
UNAVOIDABLE = 0.02  # share of the recent calls: more than a pace that fits the quota has
DEEP = 0.25  # of the total that a series of cuts began at
TARGET_OF_TOLD_QUOTA = 0.008  # whoever has one to itself is held by the ceiling before anything is refused
LARGEST_RAISE = 0.1  # by one accepted call
SLOW_START = 1.0  # calls/s more with each accepted call: the rate grows e-fold within a second
MOST_ACCELERATION = 5.0  # how many times larger a raise is when no refusal has come for long
CREDIT_BEFORE_ACCELERATION = 3.0
CREDIT_AFTER_START = CREDIT_BEFORE_ACCELERATION + MOST_ACCELERATION  # slow start ends below the quota
MOST_DEBT = 6.0
PAID_BACK = 0.01  # by one accepted call: what an open breaker cost may come to that share of the calls
LASTING_MARGIN = 1.03  # a little too fast uses all of a window; too slow does not
LASTING_MARGIN_OF_MANY = 1.05  # who share a window do not all find out at once that it is used up
FEW_SECONDS = 1.0  # a window that short, or with that few calls, says little about a quota
FEW_CALLS = 20
CHANCE_CALLS = 2  # small ones that found room in what large ones left: no new window at all
KEPT_BY_CHANCE = 0.8
SLOWEST = 0.01
SMALLEST_SHARE = 0.001  # of one who has nothing to ask just now
FALLEN = 0.8  # of the usual total
QUIET_SECONDS = 10.0  # nobody was refused: a total that has fallen may come back
LEARN_SECONDS = 60.0  # until a larger total is the usual one
FORGET_SECONDS = 900.0  # until a smaller one is: by then the quota is another


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


def target_of_untold_quota(total: float) -> float:
    """The refused share to aim at, at so many calls/s: 5 % at a call in four seconds, 0.15 % at a hundred a second."""
    return 0.023 * math.pow(total, -0.6)


class AdaptiveRate:
    """One sender's view. Times are seconds of one monotonic clock; `total` is in calls/s or a share of a told quota.

    share: of the total. refused_at: when a call of its own was last refused. is_starting: an untold quota is being
    searched for. deaf_until: what is refused before has to do with others that make room, not with the quota.
    """

    def __init__(self, start: float, *, told: bool) -> None:
        self.total = start
        self.share = 1.0
        self.is_told = told
        self.is_starting = not told
        self.refused_at = self.deaf_until = self._heard_at = -math.inf
        self._told_most = self._most = start if told else math.inf
        self._usual = start if told else 0.0  # the total of minutes
        self._breaker = CircuitBreaker()
        self._credit = 0.0  # refusals that would have been target since the last one; negative: owed
        self._before_run = start
        self._cut_at = -math.inf
        self._refused_share = 0.0  # of the recent calls
        self._series_from = 0.0  # the total when the present series of cuts began
        self._since_cut = 0  # accepted calls that had waited for their turn
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

    def begin(self, total: float, usual: float, now: float) -> None:
        """Go on with a total without having searched for it; usual: one that was fine before."""
        self.is_starting, self._credit, self._usual = False, CREDIT_AFTER_START, usual
        self.set(total, now)

    def agree(self, total: float, most: float, now: float) -> None:
        """Go on with what all senders say, and not above `most` before the next time."""
        self._most = min(self._told_most, most)
        if self.is_starting:
            self.begin(total, total, now)
        else:
            self.set(total, now)

    def hear_of_refusal(self, at: float) -> None:
        """Another sender of the same quota was refused."""
        if at > self._heard_at:
            self._heard_at = at
            self._credit = min(0.0, self._credit)

    def sent(self, now: float) -> int:
        """A call leaves; its number."""
        self._refused_share *= 1.0 - 1.0 / RECENT_CALLS
        number, recovery = self._breaker.sent(now)
        self._recover(recovery, now)
        return number

    def accepted(self, permit: Permit, now: float) -> None:
        """A call was let in."""
        self._recover(self._breaker.accepted(permit.number, permit.issued_at), now)
        if not permit.waited or self._breaker.is_open:
            return
        if self.is_starting:
            self.set(self.total + SLOW_START / self.share, now)
        else:
            self._raise(now)

    def refused(self, permit: Permit, now: float, retry_after_seconds: float) -> None:
        """A call was throttled; retry_after_seconds: what the service said, 0.0 when nothing."""
        self.refused_at = now
        self._refused_share += (1.0 - self._refused_share) / RECENT_CALLS
        was_open, before = self._breaker.is_open, self.total
        self._recover(self._breaker.refused(permit.number, permit.issued_at, now, retry_after_seconds), now)
        if self._breaker.run_calls == 1:
            self._before_run = before
        if self.is_starting:
            if self._refused_share < MANY_REFUSED and not self._breaker.is_open:
                return
            self.is_starting = False
            self._credit = CREDIT_AFTER_START
        if self._breaker.is_open:
            refused = 1 if was_open else self._breaker.run_calls
            self._credit = max(-MOST_DEBT, min(0.0, self._credit) - refused)
        elif permit.issued_at > self._cut_at and now > self.deaf_until:
            self._cut(now)

    def set(self, total: float, now: float) -> None:
        if not (self.is_told or self.is_starting or self._breaker.is_open):
            # Bounded, since what slow start leaves behind is far too fast and soon over.
            difference = min(max(1.0, self._usual), self.total - self._usual)
            seconds = (now - self._set_at) / (LEARN_SECONDS if difference > 0.0 else FORGET_SECONDS)
            self._usual += difference * min(1.0, seconds)
        self._set_at = now
        self.total = min(self._most, max(SLOWEST, total))

    def _cut(self, now: float) -> None:
        if self._refused_share > MANY_REFUSED / 2:  # left over from a pace that was far too fast
            self._series_from = 0.0
        elif self._series_from == 0.0:
            self._series_from = self.total
        self._cut_at, self._since_cut = now, 0
        self._credit = min(0.0, self._credit)
        self.set(self.total * (1.0 - CUT), now)
        if self.total < DEEP * self._series_from and self._refused_share > UNAVOIDABLE:
            self.is_starting, self._series_from = True, 0.0

    def _raise(self, now: float) -> None:
        target = TARGET_OF_TOLD_QUOTA if self.is_told else target_of_untold_quota(self.total)
        fallen = max(1.0, self._usual / self.total)
        has_fallen = fallen > 1.0 / FALLEN
        target *= math.sqrt(fallen)
        self._since_cut += 1
        if self._since_cut * target >= 1.0:
            self._series_from = 0.0
        of_all = target / self.share  # refusals of all that are target in the time of one call of ours
        self._credit += of_all if self._credit >= 0.0 else max(target, PAID_BACK)
        if has_fallen and now - max(self.refused_at, self._heard_at) > QUIET_SECONDS:
            self._credit = max(self._credit, CREDIT_AFTER_START)
        if self._credit > 0.0:
            acceleration = min(MOST_ACCELERATION, max(1.0, self._credit - CREDIT_BEFORE_ACCELERATION + 1.0))
            if acceleration > 1.0:
                acceleration /= self.share  # each for all
            self.set(self.total * (1.0 + min(LARGEST_RAISE, CUT * target * acceleration)), now)

    def _recover(self, recovery: Recovery | None, now: float) -> None:
        """Go on at the pace that would have lasted; those who were told a quota keep theirs."""
        if recovery is None:
            return
        margin = LASTING_MARGIN if self.share == 1.0 else LASTING_MARGIN_OF_MANY
        lasting = margin * recovery.let_in / (recovery.closed_seconds + recovery.open_seconds) / self.share
        if recovery.closed_seconds < FEW_SECONDS or recovery.let_in < FEW_CALLS:
            lasting = max(lasting, self._before_run * (KEPT_BY_CHANCE if recovery.let_in <= CHANCE_CALLS else 0.5))
        self._series_from = 0.0
        self._set_at = self._cut_at = self.refused_at = now
        self.set(self._before_run if self.is_told else min(self._before_run, lasting), now)
