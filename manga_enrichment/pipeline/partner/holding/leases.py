"""Leases: as long as a request is worked at, its message stays hidden and its status row stays ours.

Belongs here: renewing both together, knowing when they are lost or their request is cancelled. Stays out: claiming
(`pipeline/partner/intake.py`), giving up in good order (`requeue.py`).

The row decides: whoever holds (owner, generation) in it before `lease_until` owns the request. The message's visibility
follows the row, never the other way round, and is renewed after it: SQS delivers again when the row's lease has run
out. Only while DynamoDB is away the message is kept hidden without it, for nobody could claim the request then, and a
receive for nothing counts; when it is back, the row is renewed as if nothing had been, unless somebody has claimed it.
Clocks differ, so others claim only `clock_skew` after a lease has ended. Until its first renewal a lease therefore ends
that much before the message shows again; a renewal hides the message that much longer. A delivery that can not be
claimed yet would be a receive for nothing.

A lost receipt handle is therefore no lost lease. The message comes again, the claim finds the request live and
puts the newer handle into the row, and the next renewal uses that one.
"""

import logging
import math
import random
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW, Clock
from manga_enrichment.gateways.errors import FencedError, QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.work_units import UnitRequest

LONGEST_LEASE = timedelta(hours=12)
"""SQS hides a message no longer than this after it was received."""
SAFETY = timedelta(minutes=5)
FIRST_LEASE = 0.4
"""Of a queue's visibility timeout, at least; leases are renewed after a third of it."""
RETRY_SECONDS = 2.0
SHORTEST_BEAT_SECONDS = 1.0
RENEWERS = 8
LOOK_SECONDS = 2.0
"""Between two looks for cancelled requests, while something is asked."""
_IDLE_SECONDS = 5.0

_log = logging.getLogger(__name__)


def hidden_seconds(queue: str, clock_skew: timedelta) -> int | None:
    """How long a receive is to hide messages, so that a first lease can be renewed; None: as long as the queue does."""
    visibility_seconds = QUEUES[queue].visibility_seconds
    needed = math.ceil(visibility_seconds * FIRST_LEASE + clock_skew.total_seconds()) + 1
    return needed if needed > visibility_seconds else None


def first_lease_until(queue: str, received_at: datetime, clock_skew: timedelta) -> datetime:
    """Of a message that its receive hides: over for everybody when it shows again."""
    seconds = hidden_seconds(queue, clock_skew) or QUEUES[queue].visibility_seconds
    return received_at + timedelta(seconds=seconds - 1) - clock_skew


class _Renewal(Enum):
    """done; over: nothing to renew any more; away: the store is, to be tried again soon."""

    DONE = auto()
    OVER = auto()
    AWAY = auto()


@dataclass(slots=True)
class _Held:
    """since: when its row got the lease, as far as is known here."""

    request: UnitRequest
    until: datetime
    since: datetime

    def is_due(self, now: datetime) -> bool:
        """A beat may come soon after a request was taken over, whose row needs no second write then."""
        visibility = timedelta(seconds=self.request.visibility_seconds)
        return now - self.since >= visibility / 4 or self.until - now < visibility / 2


class Leases:
    """The requests that this process holds. Safe to use from several threads; `beat` from one at a time."""

    def __init__(
        self,
        queue: RequestQueue,
        requests: RequestStore,
        clock: Clock,
        rng: random.Random,
        clock_skew: timedelta = MOST_CLOCK_SKEW,
    ) -> None:
        self.clock_skew = clock_skew
        self._queue = queue
        self._requests = requests
        self._clock = clock
        self._rng = rng
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        self._away = 0  # rows of this beat that the store was away for

    def add(self, request: UnitRequest, until: datetime) -> None:
        """Hold a request whose row has this lease already."""
        with self._lock:
            self._held[request.request_id] = _Held(request, until, self._clock.now())

    def drop(self, request_id: str) -> None:
        """Settled or released: renew it no more."""
        with self._lock:
            self._held.pop(request_id, None)

    def holds(self, request_id: str) -> bool:
        """Whether work for it may go on: nobody else can have claimed it yet."""
        with self._lock:
            held = self._held.get(request_id)
        return held is not None and self._clock.now() < held.until

    def wants(self, request_id: str) -> bool:
        """Whether something may be asked for it: it is ours, and nobody has cancelled it as far as is known."""
        with self._lock:
            held = self._held.get(request_id)
        return held is not None and not held.request.is_cancelled and self._clock.now() < held.until

    def look_for_cancelled(self) -> None:
        """Find out which of those that are held were cancelled meanwhile; while the store is away, later."""
        wanted = [each.request_id for each in self.held() if not each.is_cancelled]
        try:
            found = self._requests.cancelled(wanted) if wanted else set()
        except StoreUnavailableError as error:
            _log.warning("could not look for cancelled requests: %s", error)
            return
        with self._lock:
            for held in (self._held[each] for each in found if each in self._held):
                held.request = replace(held.request, is_cancelled=True)

    def held(self) -> list[UnitRequest]:
        with self._lock:
            return [each.request for each in self._held.values()]

    def beat(self) -> float:
        """Renew what is due and return the seconds until the next time. Failed renewals are tried again soon."""
        now = self._clock.now()
        with self._lock:
            present = list(self._held.values())
        extended, failed = self._renew_rows([each for each in present if each.is_due(now)])
        if self._extend_messages(extended):
            failed = True
            for each in present:
                each.since = datetime.min.replace(tzinfo=UTC)
        interval = self._interval_seconds(present)
        return min(RETRY_SECONDS, interval) if failed else interval

    def _renew_rows(self, present: Sequence[_Held]) -> tuple[list[UnitRequest], bool]:
        """Whose message is to stay hidden, and whether the store was away for any.

        Side by side: a sensor renews the requests of all runs that wait, which may be thousands, in one tick. A store
        that was away for as many as are tried at once is not asked for the others before the next beat.
        """
        self._away = 0
        with ThreadPoolExecutor(RENEWERS) as pool:
            fates = list(pool.map(self._try_row, present))
        kept = [held.request for held, fate in zip(present, fates, strict=True) if fate is not _Renewal.OVER]
        return kept, _Renewal.AWAY in fates

    def _try_row(self, held: _Held) -> _Renewal:
        request_id = held.request.request_id
        if self._away >= RENEWERS:
            return _Renewal.AWAY
        try:
            return _Renewal.DONE if self._renew_row(held) else _Renewal.OVER
        except FencedError:
            self.drop(request_id)
            _log.warning("lost the lease of request %s: another generation has it", request_id)
            return _Renewal.OVER
        except StoreUnavailableError as error:
            _log.warning("could not renew request %s: %s", request_id, error)
            with self._lock:
                self._away += 1
            return _Renewal.AWAY

    def _renew_row(self, held: _Held) -> datetime | None:
        """The new end of the lease; None when it has reached the longest that SQS allows."""
        request, now = held.request, self._clock.now()
        last = request.received_at + LONGEST_LEASE - SAFETY - self.clock_skew
        until = min(now + timedelta(seconds=request.visibility_seconds), last)
        if until <= now:
            return None
        row = self._requests.update(request.request_id, request.owner, request.generation, lease_until=until)
        with self._lock:
            held.request, held.until, held.since = request.with_handle_of(row), until, now
        return until

    def _extend_messages(self, requests: Iterable[UnitRequest]) -> bool:
        """True when SQS did not answer."""
        handles: dict[tuple[str, int], list[str]] = {}
        for request in requests:
            handles.setdefault((request.queue, request.visibility_seconds), []).append(request.receipt_handle)
        for (name, seconds), own in handles.items():
            try:
                lost = self._queue.extend(name, own, seconds + int(self.clock_skew.total_seconds()) + 1)
            except QueueUnavailableError as error:
                _log.warning("could not extend %d messages of %s: %s", len(own), name, error)
                return True  # asking for the others would take as long again
            if lost:
                _log.info("%d messages of %s will be delivered again while we work at them", len(lost), name)
        return False

    def _interval_seconds(self, present: Iterable[_Held]) -> float:
        """A third of the shortest visibility, up to a fifth less, so that many runs do not beat at once."""
        shortest = min((held.request.visibility_seconds for held in present), default=None)
        if shortest is None:
            return _IDLE_SECONDS
        return max(SHORTEST_BEAT_SECONDS, shortest / 3 * (1 - self._rng.random() / 5))


class Heartbeat:
    """Beats in a thread of its own from `start` to `stop`: ops wait for pools and retries, a lease does not."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_stopped, name="lease-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after the beat that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _beat_until_stopped(self) -> None:
        pause_seconds = 0.0
        while not self._stop.wait(pause_seconds):
            try:
                pause_seconds = self._leases.beat()
            except Exception:  # noqa: BLE001 (the next beat may work, and without one the work is lost)
                _log.exception("a lease heartbeat failed")
                pause_seconds = RETRY_SECONDS
