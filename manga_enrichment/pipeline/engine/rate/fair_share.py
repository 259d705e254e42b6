"""One run's share of a quota that others use, too: what it tells them, and what follows from what they tell.

Belongs here: who is there, joining, and what a share means for the pace. Stays out: the table (`gateways/senders.py`),
when it is read and written (`share_keeper.py`).

All keep one number, the total that they think they may ask together, and each takes its share of it. With every look a
run goes on from the mean of all totals, each weighted by its sender's part: so all know what each has found out, nobody
takes anything along when it leaves, and whoever wakes begins where the others are. Clocks of machines differ, so what
counts is when a reader saw an item change.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW, Clock
from manga_enrichment.gateways.senders import Learned, Sender
from manga_enrichment.pipeline.engine.rate.rate_limiter import FIRST_CALLS_PER_SECOND, RateLimiter

BEAT_SECONDS = 3.0
EARLY_BEAT_SECONDS = 0.5  # when much more or less is wanted than the others know
GONE_SECONDS = 7.0  # and a look later, at most, its share is used by others
LONG_AGO = timedelta(seconds=GONE_SECONDS) + MOST_CLOCK_SKEW
MAKE_ROOM_SECONDS = BEAT_SECONDS + EARLY_BEAT_SECONDS  # until others know of a share that has grown
SMALLEST_SHARE = 0.001  # of one who has nothing to ask just now
GROWN = 1.1  # times what it was: a share for which others have to make room
ALONE = 1.2  # times what all agree on: nobody goes further alone before the next look
LEARN_SECONDS = 30.0
LEARNED_SHARE = 0.9  # of a limit that was learned: to begin with
HALF_LIFE_SECONDS = 86_400.0  # of what was learned
DOUBTFUL = 2 / 3  # of a limit is left by age: it is searched for again


class FairShare:
    """Shapes the pace of one limiter. lane_weights: of all lanes, this run's among them."""

    def __init__(
        self, limiter: RateLimiter, clock: Clock, name: str, lane: str, lane_weights: Mapping[str, float]
    ) -> None:
        self._limiter, self._rate = limiter, limiter.rate
        self._clock = clock
        self._name, self._lane, self._weight = name, lane, lane_weights[lane]
        self._seen: dict[tuple[str, datetime], float] = {}  # when an item was new here (monotonic)
        self._most = self._rate.most
        self._looked_at = self._learned_at = -math.inf
        self._demand = 0.0
        self.long_gone: list[Sender] = []
        if self._rate.is_told:
            self._rate.share = self._weight / sum(lane_weights.values())

    def is_due(self) -> bool:
        """Whether it is time to look: every few seconds, and soon when much more or less is wanted than was told."""
        seconds = self._clock.monotonic_seconds() - self._looked_at
        is_pressing = not self._demand / 2 <= self._limiter.demand() <= 2 * self._demand
        return seconds >= (EARLY_BEAT_SECONDS if is_pressing else BEAT_SECONDS)

    def look(self, senders: Iterable[Sender], learned: Learned | None) -> Sender:
        """Take what the table says; what to write into it."""
        is_first, now = math.isinf(self._looked_at), self._clock.monotonic_seconds()
        self._looked_at, self._demand = now, self._limiter.demand()
        others = [each for each in senders if each.name != self._name]
        self.long_gone = [each for each in others if self._clock.now() - each.at > LONG_AGO]
        self._seen = {(each.name, each.at): self._seen.get((each.name, each.at), now) for each in others}
        seen = {each: self._seen[each.name, each.at] for each in others if each not in self.long_gone}
        alive = {each: at for each, at in seen.items() if now - at <= GONE_SECONDS}
        if learned is not None and is_first and self._rate.is_starting:
            self._begin(learned, now)
        share = self._agree([*alive, self._item()], now)
        if alive and (is_first or share > GROWN * self._rate.share):
            self._rate.deaf_until = now + MAKE_ROOM_SECONDS
        self._rate.share = share
        for each, at in alive.items():
            self._rate.hear_of_refusal(at - each.quiet_seconds)
        return self._item()

    def learned(self, before: Learned | None, *, is_last: bool = False) -> Learned | None:
        """What is to be kept now of an untold quota in the place of what is known; None: nothing new.

        is_last: it is not asked for later. Most runs begin below what was learned, and a short one ends there: unless
        it was refused it only knows less. Where nobody was, the total may be a pace that nothing was ever sent at, so
        what was tried counts. One that was refused while it searched has not found the quota yet.
        """
        rate, now = self._rate, self._clock.monotonic_seconds()
        is_refused = max(rate.refused_at, rate.heard_at) > -math.inf
        found = rate.total if is_refused else rate.tried
        is_new = rate.refused_at > -math.inf or found > self._worth(before)
        is_due = is_last or now - self._learned_at >= LEARN_SECONDS
        if rate.is_told or (is_refused and rate.is_starting) or not (is_new and is_due):
            return None
        self._learned_at = now
        return Learned(found, self._clock.now(), is_limit=is_refused)

    def _begin(self, learned: Learned, now: float) -> None:
        """Near what an earlier run learned. Where that met no limit, or long ago, the search goes on from there."""
        known = self._aged(learned)
        if not self._is_sure(learned):
            self._rate.set(max(self._rate.total, known), now)
        elif known * LEARNED_SHARE > self._rate.total:
            self._rate.begin(known * LEARNED_SHARE, now)

    def _aged(self, learned: Learned) -> float:
        age_seconds = max(0.0, (self._clock.now() - learned.at).total_seconds())
        return learned.rate * math.pow(0.5, age_seconds / HALF_LIFE_SECONDS)

    def _is_sure(self, learned: Learned) -> bool:
        return learned.is_limit and self._aged(learned) > DOUBTFUL * learned.rate

    def _worth(self, before: Learned | None) -> float:
        """What must be exceeded to say more of the quota: all of a limit, however much less a run begins at."""
        if before is None:
            return FIRST_CALLS_PER_SECOND
        return before.rate if self._is_sure(before) else max(FIRST_CALLS_PER_SECOND, self._aged(before))

    def _item(self) -> Sender:
        return Sender(
            name=self._name,
            lane=self._lane,
            weight=self._weight,
            total=self._rate.total,
            demand=self._demand,
            quiet_seconds=self._clock.monotonic_seconds() - self._rate.refused_at,
            is_guess=self._rate.is_starting or self._rate.is_paused,
            at=self._clock.now(),
        )

    def _agree(self, senders: Collection[Sender], now: float) -> float:
        """Take the mean of what all know of the quota, by their parts of it; this run's share of it."""
        rate = self._rate
        known = [each for each in senders if not each.is_guess]
        capacity = max((each.total for each in known), default=rate.total)
        parts = fair_shares(senders, capacity)
        weight = sum(parts[each.name] for each in known)
        is_fresh, rate.is_fresh = rate.is_fresh, False  # told first: a mean by whoever looks first is no mean
        if weight > 0.0 and not (rate.is_paused or is_fresh):
            total = sum(parts[each.name] * each.total for each in known) / weight
            rate.most = min(self._most, math.inf if len(known) == 1 else ALONE * total)
            if rate.is_starting:
                rate.begin(total, now)
            else:
                rate.set(total, now)
        return max(SMALLEST_SHARE, parts[self._name] / capacity)


def fair_shares(senders: Iterable[Sender], capacity: float) -> dict[str, float]:
    """Each sender's part of the capacity, by name; their sum is the capacity. A lane's runs divide its part."""
    lanes: dict[str, list[Sender]] = defaultdict(list)
    for sender in senders:
        lanes[sender.lane].append(sender)
    wants = {lane: (max(run.weight for run in runs), sum(run.demand for run in runs)) for lane, runs in lanes.items()}
    shares: dict[str, float] = {}
    for lane, part in max_min(wants, capacity).items():
        shares |= max_min({run.name: (1.0, run.demand) for run in lanes[lane]}, part)
    return shares


def max_min(wants: Mapping[str, tuple[float, float]], capacity: float) -> dict[str, float]:
    """Nobody gets more than it can use while others can use it; what nobody can use is given by weight.

    wants: weight and demand by name.
    """
    given: dict[str, float] = {}
    weights = sum(weight for weight, _ in wants.values())
    left, hungry = capacity, weights
    for name, (weight, demand) in sorted(wants.items(), key=lambda want: want[1][1] / want[1][0]):
        given[name] = min(demand, max(0.0, left * weight / hungry))
        left, hungry = left - given[name], hungry - weight
    return {name: amount + max(0.0, left) * wants[name][0] / weights for name, amount in given.items()}
