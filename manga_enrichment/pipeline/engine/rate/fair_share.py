"""One run's share of a quota that others use, too: what it tells them, and what follows from what they tell.

Belongs here: who is there, joining, leaving, and what a share means for the pace. Stays out: the arithmetic of shares
(`fair_shares.py`), the table (`gateways/senders.py`), when it is read and written (`share_keeper.py`).

*Told* a quota, a run's ceiling is its share of it. *Untold*, its pace moves half-way to its share of the sum of all
paces with every look, so that nobody needs to know the quota. Who leaves, or is gone, bequeaths its last pace by
shares, once. Clocks of machines differ, so what counts is when a reader saw an item change.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW, Clock
from manga_enrichment.gateways.senders import Learned, Sender
from manga_enrichment.pipeline.engine.rate.adaptive_rate import SLOWEST
from manga_enrichment.pipeline.engine.rate.fair_shares import fair_shares
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter

BEAT_SECONDS = 3.0
EARLY_BEAT_SECONDS = 0.5  # when calls wait that the others do not know of
GONE_SECONDS = 7.0  # and a look later, at most, its share is used by others
LONG_AGO = timedelta(seconds=GONE_SECONDS) + MOST_CLOCK_SKEW
HALF_WAY = 0.5
LONGEST_WAIT_SECONDS = 20.0  # for paused ones
LEARN_SECONDS = 30.0
LEARNED_SHARE = 0.9  # of what was learned: to begin with
HALF_LIFE_SECONDS = 86_400.0  # of what was learned


class FairShare:
    """Shapes the pace of one limiter. lane_weights: of all lanes, this run's among them."""

    def __init__(
        self, limiter: RateLimiter, clock: Clock, name: str, lane: str, lane_weights: Mapping[str, float]
    ) -> None:
        self._limiter, self._rate = limiter, limiter.rate
        self._clock = clock
        self._name, self._lane, self._weight = name, lane, lane_weights[lane]
        self._seen: dict[str, tuple[int, float]] = {}  # by name the last beat, and when it was new (monotonic)
        self._alive: set[str] = set()
        self._beat = 0
        self._looked_at = self._learned_at = -math.inf
        self._has_looked = False
        self.long_gone: list[Sender] = []
        self._demand = math.inf
        self._left = 0.0  # the pace of those that are gone, which is still to be divided
        self._met_at = -math.inf
        self._part = self._counted = 0.0  # of an untold quota: what is known of it by this run, and its pace then
        self._rate.cap(self._weight / sum(lane_weights.values()), clock.monotonic_seconds())

    def is_due(self) -> bool:
        """Whether it is time to look: every few seconds, and soon when there is more to ask than was told."""
        seconds = self._clock.monotonic_seconds() - self._looked_at
        is_pressing = not self._demand / 2 <= self._limiter.demand() <= 2 * self._demand
        return seconds >= (EARLY_BEAT_SECONDS if is_pressing else BEAT_SECONDS)

    def could_not_look(self) -> None:
        """The table is away: try again with the next beat."""
        self._looked_at = self._clock.monotonic_seconds()

    def look(self, senders: Iterable[Sender], learned: Learned | None) -> Sender:
        """Take what the table says; what to write into it."""
        now = self._clock.monotonic_seconds()
        is_first, self._has_looked = not self._has_looked, True
        self._looked_at = now
        self._demand = self._limiter.demand()
        others = {each.name: each for each in senders if each.name != self._name}
        alive = {name: each for name, each in others.items() if self._is_alive(each, now)}
        left = [others[name].rate for name in self._alive - alive.keys() if name in others]
        self._alive = set(alive)
        self.long_gone = [each for each in others.values() if self._clock.now() - each.at > LONG_AGO]
        self._part, self._counted = self._part + self._rate.value - self._counted, self._rate.value
        if self._rate.is_told:
            self._rate.others = sum(each.rate for each in alive.values())
            self._rate.cap(fair_shares([*alive.values(), self.item()], 1.0)[self._name], now)
        else:
            if is_first:
                self._join(alive.values(), learned, now)
            self._meet(alive.values(), sum(left), now)
        refusals = [self._seen[name][1] - each.quiet_seconds for name, each in alive.items()]
        self._rate.hear_of_refusal(max(refusals, default=-math.inf))
        self._beat += 1
        return self.item()

    def item(self, *, has_left: bool = False) -> Sender:
        """What the others are to know now; has_left: nothing more is asked."""
        return Sender(
            name=self._name,
            lane=self._lane,
            weight=self._weight,
            rate=self._rate.value if self._rate.is_told else self._part + self._rate.value - self._counted,
            demand=self._demand,
            quiet_seconds=self._clock.monotonic_seconds() - self._rate.refused_at,
            is_searching=self._rate.is_starting,
            is_paused=self._rate.is_paused,
            has_left=has_left,
            beat=self._beat,
            at=self._clock.now(),
        )

    def learned(self) -> Learned | None:
        """What is to be kept now of an untold quota; None: nothing new."""
        now = self._clock.monotonic_seconds()
        if self._rate.is_told or self._rate.is_starting or now - self._learned_at < LEARN_SECONDS:
            return None
        self._learned_at = now
        return Learned(self._rate.value + self._rate.others, self._clock.now())

    def _is_alive(self, sender: Sender, now: float) -> bool:
        beat, at = self._seen.get(sender.name, (None, now))
        self._seen[sender.name] = sender.beat, at if sender.beat == beat else now
        is_old = self._clock.now() - sender.at > LONG_AGO
        return not sender.has_left and not is_old and now - self._seen[sender.name][1] <= GONE_SECONDS

    def _join(self, alive: Collection[Sender], learned: Learned | None, now: float) -> None:
        """An untold quota: where to begin."""
        found = [each.rate for each in alive if not each.is_searching]
        if found:
            self._rate.begin(0.0, sum(found), now)
            self._part, self._counted = 0.0, self._rate.value
        elif learned is not None and not alive:
            age_seconds = max(0.0, (self._clock.now() - learned.at).total_seconds())
            start = learned.rate * LEARNED_SHARE * math.pow(0.5, age_seconds / HALF_LIFE_SECONDS)
            self._rate.begin(start, learned.rate, now)
            self._part = self._counted = self._rate.value

    def _meet(self, alive: Iterable[Sender], left: float, now: float) -> None:
        """Go towards this run's share of the sum. What a paused run says is of a while ago: that is waited for."""
        others = [each for each in alive if not each.is_searching]
        self._left += left
        is_stale = any(each.is_paused for each in others) and now - self._met_at < LONGEST_WAIT_SECONDS
        if self._rate.is_starting or self._rate.is_paused or is_stale:
            return
        self._met_at = now
        total = max(SLOWEST, self._part + sum(each.rate for each in others) + self._left)
        share = fair_shares([*others, self.item()], total)[self._name]
        self._part += self._left * share / total
        pace, self._left = self._rate.value, 0.0
        self._rate.set(share if share < pace else pace + HALF_WAY * (share - pace), now)
        self._rate.others = max(0.0, total - self._rate.value)
        self._counted = self._rate.value
