"""One run's share of a quota that others use, too: what it tells them, and what follows from what they tell.

Belongs here: who is there, joining, leaving, and what a share means for the pace. Stays out: the arithmetic of shares
(`fair_shares.py`), the table (`gateways/senders.py`), when it is read and written (`share_keeper.py`).

All keep one number, the total that they think they may ask together, and each takes its share of it. With every look a
run goes on from the mean of all totals, each weighted by its sender's part: so all know what each has found out, nobody
takes anything along when it leaves, and whoever wakes begins where the others are. Clocks of machines differ, so what
counts is when a reader saw an item change.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW, Clock
from manga_enrichment.gateways.senders import Learned, Sender
from manga_enrichment.pipeline.engine.rate.adaptive_rate import SMALLEST_SHARE
from manga_enrichment.pipeline.engine.rate.fair_shares import fair_shares
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter

BEAT_SECONDS = 3.0
EARLY_BEAT_SECONDS = 0.5  # when much more or less is wanted than the others know
GONE_SECONDS = 7.0  # and a look later, at most, its share is used by others
LONG_AGO = timedelta(seconds=GONE_SECONDS) + MOST_CLOCK_SKEW
MAKE_ROOM_SECONDS = BEAT_SECONDS + EARLY_BEAT_SECONDS  # until others know of a share that has grown
GROWN = 1.1  # times what it was: a share for which others have to make room
ALONE = 1.2  # times what all agree on: nobody goes further alone before the next look
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
        self._beat = 0
        self._looked_at = self._learned_at = -math.inf
        self.long_gone: list[Sender] = []
        self._demand = math.inf
        if self._rate.is_told:
            self._rate.share = self._weight / sum(lane_weights.values())

    def is_due(self) -> bool:
        """Whether it is time to look: every few seconds, and soon when much more or less is wanted than was told."""
        seconds = self._clock.monotonic_seconds() - self._looked_at
        is_pressing = not self._demand / 2 <= self._limiter.demand() <= 2 * self._demand
        return seconds >= (EARLY_BEAT_SECONDS if is_pressing else BEAT_SECONDS)

    def could_not_look(self) -> None:
        """The table is away: try again with the next beat. Who knows what others met."""
        self._looked_at = self._clock.monotonic_seconds()
        self._rate.hear_of_refusal(self._looked_at)

    def look(self, senders: Iterable[Sender], learned: Learned | None) -> Sender:
        """Take what the table says; what to write into it."""
        now = self._looked_at = self._clock.monotonic_seconds()
        self._demand = self._limiter.demand()
        others = [each for each in senders if each.name != self._name]
        alive = [each for each in others if self._is_alive(each, now)]
        self.long_gone = [each for each in others if self._clock.now() - each.at > LONG_AGO]
        if learned is not None and self._beat == 0 and self._rate.is_starting:
            age_seconds = max(0.0, (self._clock.now() - learned.at).total_seconds())
            start = learned.rate * LEARNED_SHARE * math.pow(0.5, age_seconds / HALF_LIFE_SECONDS)
            self._rate.begin(start, learned.rate, now)
        self._agree(alive, now)
        refusals = [self._seen[each.name][1] - each.quiet_seconds for each in alive]
        self._rate.hear_of_refusal(max(refusals, default=-math.inf))
        self._beat += 1
        return self.item()

    def item(self, *, has_left: bool = False) -> Sender:
        """What the others are to know now; has_left: nothing more is asked."""
        return Sender(
            name=self._name,
            lane=self._lane,
            weight=self._weight,
            total=self._rate.total,
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
        return Learned(self._rate.total, self._clock.now())

    def _is_alive(self, sender: Sender, now: float) -> bool:
        beat, at = self._seen.get(sender.name, (None, now))
        self._seen[sender.name] = sender.beat, at if sender.beat == beat else now
        is_old = self._clock.now() - sender.at > LONG_AGO
        return not sender.has_left and not is_old and now - self._seen[sender.name][1] <= GONE_SECONDS

    def _agree(self, alive: Collection[Sender], now: float) -> None:
        """Take the mean of what all know of the quota, by their parts of it, and this run's share of it."""
        rate, own = self._rate, self.item()
        known = [each for each in (*alive, own) if not (each.is_searching or each.is_paused)]
        capacity = max((each.total for each in known), default=rate.total)
        parts = fair_shares([*alive, own], capacity)
        share = max(SMALLEST_SHARE, parts[self._name] / capacity)
        weight = sum(parts[each.name] for each in known)
        if weight > 0.0 and not rate.is_paused:
            total = sum(parts[each.name] * each.total for each in known) / weight
            rate.agree(total, math.inf if len(known) == 1 else ALONE * total, now)
        if alive and (share > GROWN * rate.share or self._beat == 0):
            rate.deaf_until = now + MAKE_ROOM_SECONDS
        rate.share = share
