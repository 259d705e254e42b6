"""A rate that follows what a service accepts: slow start finds it, multiplicative AIMD keeps it.

Belongs here: what an accepted and a refused call say about the rate. Stays out: waiting for one's turn
(`rate_limiter.py`), pausing while nothing is let in (`circuit_breaker.py`), the parts of other senders
(`fair_share.py`).

*Steps*: a refused call takes a tenth off the rate, but calls that left before the last cut are old news. An accepted
call that had to wait for its turn gives back `target` of a cut. So a rate stays where the refused share is its target,
which is that of all senders' rates together, as if they were one. It is larger for a rate that has fallen: what fell
with the service comes back with it.

*Refusals that no rate avoids* (a service that is short of capacity): when a series of cuts has taken nine tenths of
the rate and still few calls are refused, slowing down is not the cure, and cuts become small, but for one in seven,
until the refused share has fallen to about its target.

*Acceleration*: steps up grow when nobody was refused for longer than somebody should have been.

*Open breaker*: what was refused in one row counts once. The rate becomes what would have lasted from one recovery to
the next, and does not rise before the refused calls are made up for.
"""

import math
from dataclasses import dataclass

from manga_enrichment.pipeline.engine.rate.circuit_breaker import CircuitBreaker, Recovery

CUT = 0.1
SMALL_CUT = 0.01
DEEP = 0.1  # of the pace that a series of cuts began at
SMALL_CUTS_IN_A_ROW = 6  # then a whole one again: a quota that has shrunk by much is found out so
END_OF_SERIES = 2.0  # times the target: so few refused, after a row that was accepted
MANY_REFUSED = 0.1  # share of the recent calls: the pace is to blame
RECENT_CALLS = 100
MOST_REFUSED = 0.3
TARGET_OF_TOLD_QUOTA = 0.008  # whoever has one to itself is held by the ceiling before anything is refused
LARGEST_RAISE = 0.1  # by one accepted call
SLOW_START = 1.0  # calls/s more with each accepted call: the rate grows e-fold within a second
ENOUGH_REFUSED = 5  # to end slow start: fewer may have nothing to do with the pace, and would end it far too low
TOO_MANY_REFUSED = 0.1  # share of the calls of slow start: a service may refuse some at any pace
MOST_ACCELERATION = 5.0  # how many times larger a raise is when no refusal has come for long
CREDIT_BEFORE_ACCELERATION = 3.0
CREDIT_AFTER_START = CREDIT_BEFORE_ACCELERATION + MOST_ACCELERATION  # slow start ends below the quota
MOST_DEBT = 6.0
PAID_BACK = 0.01  # by one accepted call: what an open breaker cost may come to that share of the calls
LASTING_MARGIN = 1.03  # a little too fast uses all of a window; too slow does not
FEW_SECONDS = 1.0  # a window that short, or with that few calls, says little about a quota
FEW_CALLS = 20
CHANCE_CALLS = 2  # small ones that found room in what large ones left: no new window at all
KEPT_BY_CHANCE = 0.8
SLOWEST = 0.01
SMALLEST_SHARE = 0.001  # of one who has nothing to ask just now
FALLEN = 0.8  # of the usual pace
QUIET_SECONDS = 10.0  # nobody was refused: a rate that has fallen may come back
LEARN_SECONDS = 60.0  # until a faster pace is the usual one
FORGET_SECONDS = 900.0  # until a slower one is: by then the quota is another


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


def target_of_untold_quota(pace: float) -> float:
    """The refused share to aim at, at so many calls/s: 5 % at a call in four seconds, 0.15 % at a hundred a second."""
    return 0.023 * math.pow(pace, -0.6)


class AdaptiveRate:
    """One sender's pace. Times are seconds of one monotonic clock; `value` is in calls/s or a share of a told quota.

    others: the pace of all other senders together. refused_at: when a call of its own was last refused.
    is_starting: an untold quota is being searched for.
    """

    def __init__(self, start: float, *, told: bool) -> None:
        self.value = start
        self.others = 0.0
        self.is_told = told
        self.is_starting = not told
        self.refused_at = self._heard_at = -math.inf
        self._ceiling = start if told else math.inf
        self._usual = 0.0  # the pace that all senders together had for minutes
        self._breaker = CircuitBreaker()
        self._sent_at_start = self._refused_at_start = 0
        self._credit = 0.0  # refusals that would have been target since the last one; negative: owed
        self._before_run = start
        self._cut_at = -math.inf
        self._series_from = math.inf  # the pace when the present series of cuts began
        self._small_cuts = 0
        self._since_cut = 0  # accepted calls that had waited for their turn
        self._refused_share = 0.0
        self._set_at = 0.0

    @property
    def retry_at(self) -> float:
        """Nothing should leave before."""
        return self._breaker.retry_at

    @property
    def is_paused(self) -> bool:
        """Everything is refused just now: the pace is that of before."""
        return self._breaker.is_open

    def cap(self, share: float, now: float) -> None:
        """Take this share of a told quota; nothing where none was told."""
        if self.is_told:
            kept, self._ceiling = self.value / self._ceiling, max(SMALLEST_SHARE, share)
            self.set(kept * self._ceiling, now)

    def begin(self, pace: float, usual: float, now: float) -> None:
        """Go on at a pace without having searched for it; usual: one of all senders that was fine before."""
        self.is_starting, self._credit, self._usual = False, CREDIT_AFTER_START, usual
        self.set(pace, now)

    def hear_of_refusal(self, at: float) -> None:
        """Another sender of the same quota was refused."""
        if at > self._heard_at:
            self._heard_at = at
            self._credit = min(0.0, self._credit)

    def sent(self, now: float) -> int:
        """A call leaves; its number."""
        self._refused_share *= 1.0 - 1.0 / RECENT_CALLS
        self._sent_at_start += self.is_starting
        number, recovery = self._breaker.sent(now)
        self._recover(recovery, now)
        return number

    def accepted(self, permit: Permit, now: float) -> None:
        """A call was let in."""
        self._recover(self._breaker.accepted(permit.number, permit.issued_at), now)
        if not permit.waited or self._breaker.is_open:
            return
        if self.is_starting:
            self.set(self.value + SLOW_START, now)
        else:
            self._raise(now)

    def refused(self, permit: Permit, now: float, retry_after_seconds: float) -> None:
        """A call was throttled; retry_after_seconds: what the service said, 0.0 when nothing."""
        self.refused_at = now
        self._refused_share += (1.0 - self._refused_share) / RECENT_CALLS
        was_open, before = self._breaker.is_open, self.value
        self._recover(self._breaker.refused(permit.number, permit.issued_at, now, retry_after_seconds), now)
        if self._breaker.run_calls == 1:
            self._before_run = before
        if self.is_starting:
            self._refused_at_start += 1
            enough = max(ENOUGH_REFUSED, TOO_MANY_REFUSED * self._sent_at_start)
            if self._refused_at_start < enough and not self._breaker.is_open:
                return
            self.is_starting = False
            self._credit = CREDIT_AFTER_START
        if self._breaker.is_open:
            refused = 1 if was_open else self._breaker.run_calls
            self._credit = max(-MOST_DEBT, min(0.0, self._credit) - refused)
        elif permit.issued_at > self._cut_at:
            self._cut(now)

    def set(self, pace: float, now: float) -> None:
        if not (self.is_told or self.is_starting or self._breaker.is_open):
            # Bounded, since what slow start leaves behind is far too fast and soon over.
            difference = min(max(1.0, self._usual), self._total - self._usual)
            seconds = (now - self._set_at) / (LEARN_SECONDS if difference > 0.0 else FORGET_SECONDS)
            self._usual += difference * min(1.0, seconds)
        self._set_at = now
        self.value = min(self._ceiling, max(SLOWEST * min(1.0, self._ceiling), pace))

    @property
    def _total(self) -> float:
        return self.value + self.others

    def _cut(self, now: float) -> None:
        if self._series_from == math.inf:
            self._series_from = self.value
        self._cut_at, self._since_cut = now, 0
        self._credit = min(0.0, self._credit)
        is_deep = self.value < DEEP * self._series_from and self._refused_share < MANY_REFUSED
        is_small = is_deep and self._small_cuts < SMALL_CUTS_IN_A_ROW
        self._small_cuts = self._small_cuts + 1 if is_small else 0
        self.set(self.value * (1.0 - (SMALL_CUT if is_small else CUT)), now)

    def _raise(self, now: float) -> None:
        target = TARGET_OF_TOLD_QUOTA if self.is_told else target_of_untold_quota(self._total)
        fallen = max(1.0, self._ceiling / self.value if self.is_told else self._usual / self._total)
        has_fallen = fallen > 1.0 / FALLEN
        target = min(MOST_REFUSED, target * math.sqrt(fallen))
        self._since_cut += 1
        if self._since_cut * target >= 1.0 and self._refused_share < END_OF_SERIES * target:
            self._series_from = math.inf
        of_all = target * self._total / self.value  # refusals of all that are target in the time of one call of ours
        self._credit += of_all if self._credit >= 0.0 else max(target, PAID_BACK)
        if has_fallen and now - max(self.refused_at, self._heard_at) > QUIET_SECONDS:
            self._credit = max(self._credit, CREDIT_AFTER_START)
        if self._credit > 0.0:
            acceleration = min(MOST_ACCELERATION, max(1.0, self._credit - CREDIT_BEFORE_ACCELERATION + 1.0))
            if has_fallen and acceleration > 1.0:
                acceleration *= self._total / self.value  # each for all
            self.set(self.value * (1.0 + min(LARGEST_RAISE, CUT * target * acceleration)), now)

    def _recover(self, recovery: Recovery | None, now: float) -> None:
        """Go on at the pace that would have lasted; those who were told a quota keep theirs."""
        if recovery is None:
            return
        lasting = LASTING_MARGIN * recovery.let_in / (recovery.closed_seconds + recovery.open_seconds)
        if recovery.closed_seconds < FEW_SECONDS or recovery.let_in < FEW_CALLS:
            lasting = max(lasting, self._before_run * (KEPT_BY_CHANCE if recovery.let_in <= CHANCE_CALLS else 0.5))
        self._series_from = math.inf
        self._set_at = self._cut_at = self.refused_at = now
        self.set(self._before_run if self.is_told else min(self._before_run, lasting), now)
