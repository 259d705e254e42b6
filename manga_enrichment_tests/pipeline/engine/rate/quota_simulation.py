"""Limiters against a simulated service with hidden quotas, in virtual time and without an event loop.

The service counts as Bedrock does: a bucket of requests, a bucket of tokens that is charged input + max_tokens when a
call arrives and settled on input + output x 5 when it ends. What it has comes back drop by drop, or all at once when a
window ends. Every sender has more to ask than it may. A refused call comes back at once, an accepted one after its
latency; the network adds some milliseconds each way, or next to nothing.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from manga_enrichment.gateways.senders import Learned
from manga_enrichment.gateways.senders import Sender as SenderItem
from manga_enrichment.pipeline.engine.rate.circuit_breaker import Permit
from manga_enrichment.pipeline.engine.rate.fair_share import FairShare
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter

BURNDOWN = 5


class SteppedClock:
    """A clock that its owner sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic_seconds(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the simulation waits for itself")


@dataclass(frozen=True, slots=True)
class CallSize:
    input_tokens: int = 900
    max_tokens: int = 700
    output_tokens: int = 180

    @property
    def reserved(self) -> int:
        return self.input_tokens + self.max_tokens

    @property
    def used(self) -> int:
        return self.input_tokens + BURNDOWN * self.output_tokens


def varied(rng: random.Random) -> CallSize:
    return CallSize(int(rng.lognormvariate(6.8, 0.35)), 700, min(700, int(rng.lognormvariate(5.2, 0.3))))


@dataclass(frozen=True, slots=True)
class Quota:
    """What the service lets in, and how.

    burst_seconds, smallest_burst  a bucket holds that many seconds' worth, and at least that many calls
    window_seconds                 length of a fixed window: it may be used up at any time in it; None: a bucket
    says_when                      a refusal carries Retry-After (whole seconds, rounded up)
    refused_anyway                 share of the calls that are refused whatever is left
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_seconds: float = 1.0
    smallest_burst: float = 5.0
    window_seconds: float | None = None
    says_when: bool = False
    refused_anyway: float = 0.0


@dataclass(frozen=True, slots=True)
class Sender:
    """One process: when it starts and what it was told; its lane, and when it has something to ask.

    weight        of its lane
    leaves_at     it has nothing more to ask then and says so
    killed_at     it stops then and says nothing
    asks_during   spans of seconds in which it has calls; else it has none
    asks_every    seconds from one call that it has then to the next; None: it has as many as it may send
    cut_off       span of seconds in which it cannot reach the table; None: never
    """

    starts_at: float = 0.0
    told_requests: int | None = None
    told_tokens: int | None = None
    lane: str = ""
    weight: float = 1.0
    leaves_at: float = math.inf
    killed_at: float = math.inf
    asks_during: Sequence[tuple[float, float]] = ((0.0, math.inf),)
    asks_every: float | None = None
    cut_off: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    at: float
    sender: int
    accepted: bool
    used: int


class _Bucket:
    """Amounts a minute. In a fixed window, what is left lapses when the window ends."""

    def __init__(self, per_minute: float, quota: Quota, smallest: float) -> None:
        self.rate = per_minute / 60
        self._window_seconds = quota.window_seconds
        self.capacity = max(self.rate * (quota.window_seconds or quota.burst_seconds), smallest)
        self.level = self.capacity
        self.at = 0.0

    def has(self, amount: float, now: float) -> bool:
        self._fill(now)
        return self.level >= min(amount, self.capacity) - 1e-9

    def seconds_until(self, amount: float, now: float) -> float:
        """Until there is as much; 0.0 when there is."""
        if self.has(amount, now):
            return 0.0
        if self._window_seconds is not None:
            return self._window_seconds - now % self._window_seconds
        return (min(amount, self.capacity) - self.level) / self.rate

    def take(self, amount: float) -> None:
        self.level = min(self.capacity, self.level - amount)

    def _fill(self, now: float) -> None:
        if self._window_seconds is None:
            self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
        elif now // self._window_seconds > self.at // self._window_seconds:
            self.level = self.capacity
        self.at = now


@dataclass
class _Process:
    number: int
    limiter: RateLimiter
    free: int
    size: CallSize
    asked_at: float
    sender: Sender
    share: FairShare | None = None
    waits: bool = False
    wanted_at: deque[float] = field(default_factory=deque)  # of calls that come one by one and have not left

    @property
    def ready_calls(self) -> int:
        """That could leave, were it not for the pace."""
        return self.free if self.sender.asks_every is None else min(self.free, len(self.wanted_at))

    def asks(self, now: float) -> bool:
        ends_at = min(self.sender.leaves_at, self.sender.killed_at)
        return now < ends_at and any(since <= now < until for since, until in self.sender.asks_during)

    def reaches_table(self, now: float) -> bool:
        cut_off = self.sender.cut_off
        return now < self.sender.killed_at and (cut_off is None or not cut_off[0] <= now < cut_off[1])


@dataclass
class Simulation:
    """Run once.

    changes    (second, requests per minute) of the hidden quota
    strangers  (since, until, calls a second) that others than our senders ask for, and get
    tables     whether there is a table of senders
    learned    what the table knows of the quota in the beginning
    waits      of the calls that came one by one: when they left, and how long they had waited
    """

    quota: Quota
    senders: Sequence[Sender]
    seed: int = 0
    changes: Sequence[tuple[float, float]] = ()
    sizes: Callable[[random.Random], CallSize] = lambda _rng: CallSize()
    latency_seconds: tuple[float, float] = (0.2, 1.0)
    network_seconds: tuple[float, float] = (0.005, 0.025)
    concurrency: int = 1024
    strangers: Sequence[tuple[float, float, float]] = ()
    table: bool = True
    learned: Learned | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)

    def run(self, seconds: float) -> "Simulation":
        self._rng = random.Random(self.seed)
        self._clock = SteppedClock()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._items: dict[str, SenderItem] = {}
        self._weights = {sender.lane or str(number): sender.weight for number, sender in enumerate(self.senders)}
        self._requests, self._tokens = (
            None if limit is None else _Bucket(limit, self.quota, smallest)
            for limit, smallest in (
                (self.quota.requests_per_minute, self.quota.smallest_burst),
                (self.quota.tokens_per_minute, 5 * CallSize().reserved),
            )
        )
        for number, sender in enumerate(self.senders):
            self._at(sender.starts_at, self._start, number, sender)
        for at, limit in self.changes:
            self._at(at, self._change, limit)
        for since, until, per_second in self.strangers:
            self._at(since, self._strange, until, per_second)
        while self._events and self._events[0][0] <= seconds:
            at, _, event, arguments = heapq.heappop(self._events)
            self._clock.seconds = at
            event(*arguments)
        return self

    def _at(self, at: float, event: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (at, next(self._order), event, arguments))

    def _change(self, limit: float) -> None:
        assert self._requests is not None
        self._requests.has(0, self._clock.seconds)
        self._requests.rate = limit / 60

    def _strange(self, until: float, per_second: float) -> None:
        """A call of somebody else's."""
        assert self._requests is not None
        now = self._clock.seconds
        if self._requests.has(1, now):
            self._requests.take(1)
        if now < until:
            self._at(now + 1 / per_second, self._strange, until, per_second)

    def _start(self, number: int, sender: Sender) -> None:
        limiter = RateLimiter(
            self._clock, requests_per_minute=sender.told_requests, tokens_per_minute=sender.told_tokens
        )
        size, now = self.sizes(self._rng), self._clock.seconds
        process = _Process(number, limiter, self.concurrency, size, now, sender)
        if self.table:
            lane = sender.lane or str(number)
            process.share = FairShare(limiter, self._clock, f"run-{number}", lane, self._weights)
            self._at(now, self._beat, process, process.share)
        for since, _ in sender.asks_during:
            self._at(max(now, since), self._wake, process)

    def _wake(self, process: _Process) -> None:
        now, every = self._clock.seconds, process.sender.asks_every
        if not process.ready_calls or every is None:
            process.asked_at = now
        if every is not None and process.asks(now):
            process.wanted_at.append(now)
            self._at(now + every, self._wake, process)
        if not process.waits:
            self._go_on(process)

    def _beat(self, process: _Process, share: FairShare) -> None:
        """Look at the table when it is time; the last word is that there is nothing more to ask."""
        now = self._clock.seconds
        if not process.reaches_table(now):
            if now < process.sender.killed_at:
                self._at(now + 0.5, self._beat, process, share)
            return
        if now >= process.sender.leaves_at:
            del self._items[f"run-{process.number}"]
            return
        if share.is_due():
            self._items[f"run-{process.number}"] = share.look(list(self._items.values()), self.learned)
            self.learned = share.learned(self.learned) or self.learned
            if not process.waits:
                self._go_on(process)
        self._at(now + 0.5 + self._rng.random() * 0.01, self._beat, process, share)

    def _go_on(self, process: _Process) -> None:
        """Send what may be sent now, in order; then wait for the next one's turn."""
        now = self._clock.seconds
        process.waits, process.limiter.queued = False, 0
        if not process.asks(now):
            return
        while process.ready_calls:
            ready_at = process.limiter.ready_at(process.size.reserved)
            if ready_at > now:
                process.waits, process.limiter.queued = True, process.ready_calls
                self._at(min(ready_at, now + 0.1) + self._rng.random() * 0.001, self._go_on, process)
                return
            permit = process.limiter.take(process.size.reserved, waited=now > process.asked_at)
            process.free -= 1
            if process.wanted_at:
                self.waits.append((now, now - process.wanted_at.popleft()))
            self._at(now + self._network(), self._arrive, process, permit, process.size)
            process.size = self.sizes(self._rng)

    def _arrive(self, process: _Process, permit: Permit, size: CallSize) -> None:
        now = self._clock.seconds
        wanted = [(bucket, n) for bucket, n in ((self._requests, 1), (self._tokens, size.reserved)) if bucket]
        wait_seconds = max(bucket.seconds_until(amount, now) for bucket, amount in wanted)
        is_refused = wait_seconds > 0.0 or self._rng.random() < self.quota.refused_anyway
        self.arrivals.append(Arrival(now, process.number, not is_refused, size.used))
        if is_refused:
            retry_after = float(math.ceil(wait_seconds)) if self.quota.says_when else 0.0
            self._at(now + self._network(), self._refused, process, permit, retry_after)
            return
        for bucket, amount in wanted:
            bucket.take(amount)
        self._at(now + self._rng.uniform(*self.latency_seconds), self._finish, process, permit, size)

    def _finish(self, process: _Process, permit: Permit, size: CallSize) -> None:
        if self._tokens is not None:
            self._tokens.has(0, self._clock.seconds)
            self._tokens.take(size.used - size.reserved)
        self._at(self._clock.seconds + self._network(), self._answered, process, permit, size)

    def _answered(self, process: _Process, permit: Permit, size: CallSize) -> None:
        process.limiter.settle(permit, size.used)
        self._release(process)

    def _refused(self, process: _Process, permit: Permit, retry_after_seconds: float) -> None:
        process.limiter.refuse(permit, retry_after_seconds)
        self._release(process)

    def _release(self, process: _Process) -> None:
        process.free += 1
        if process.free == 1:
            process.asked_at = self._clock.seconds
        if not process.waits:
            self._go_on(process)

    def _network(self) -> float:
        return self._rng.uniform(*self.network_seconds)

    def accepted_per_minute(self, since: float, until: float, *, tokens: bool = False) -> float:
        """Calls (or tokens) let in per minute."""
        let_in = sum(each.used if tokens else 1 for each in self.arrivals if each.accepted and since <= each.at < until)
        return let_in * 60 / (until - since)

    def throttled_share(self, since: float, until: float) -> float:
        seen = [each.accepted for each in self.arrivals if since <= each.at < until]
        return seen.count(False) / len(seen)

    def got(self, since: float, until: float) -> list[float]:
        """What each sender got per second."""
        counts = [0] * len(self.senders)
        for each in self.arrivals:
            counts[each.sender] += each.accepted and since <= each.at < until
        return [count / (until - since) for count in counts]

    def fair_shares(self, since: float, until: float) -> list[float]:
        """What each sender got by what its weight makes due, its lane's divided among its runs; 1.0 is fair."""
        got = self.got(since, until)
        lanes = [sender.lane or str(number) for number, sender in enumerate(self.senders)]
        due = [sender.weight / lanes.count(lane) for sender, lane in zip(self.senders, lanes, strict=True)]
        return [mine * sum(due) / (weight * max(1e-9, sum(got))) for mine, weight in zip(got, due, strict=True)]
