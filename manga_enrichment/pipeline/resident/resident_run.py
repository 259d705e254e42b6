"""The resident run: receives, works at many requests at once, hands over, ends.

Belongs here: its life. Stays out: its requests (`open_requests.py`), polls (`receiving.py`), its slot (`slot.py`), who
is started (`roster.py`).

    receives    until its time is over, its successor has its slot, or it is told to end
    finishes    what is open, for a while; then nothing new is asked, and calls at the model have their grace
    gives back  the rest, as every run does

Whatever ends it without warning costs nobody more than a lease: messages show again, the next generation claims.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.residents import Resident
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.failures import cancelled, raise_first
from manga_enrichment.pipeline.engine.invocation import Invocation
from manga_enrichment.pipeline.engine.loop_watch import watch_loop
from manga_enrichment.pipeline.engine.outage_retry import in_thread
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment.pipeline.partner.ask import Stopping
from manga_enrichment.pipeline.partner.ending.settle import Settling
from manga_enrichment.pipeline.partner.holding.leases import LOOK_SECONDS, Leases
from manga_enrichment.pipeline.partner.holding.requeue import Requeue
from manga_enrichment.pipeline.partner.intake import Claimant
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.resident.acks import Acks
from manga_enrichment.pipeline.resident.open_requests import OpenRequests
from manga_enrichment.pipeline.resident.parts import Post, ResidentParts
from manga_enrichment.pipeline.resident.receiving import Receiver
from manga_enrichment.pipeline.resident.report import ResidentReport
from manga_enrichment.pipeline.resident.request_steps import Workplace
from manga_enrichment.pipeline.resident.room import Room
from manga_enrichment.pipeline.resident.shared_engines import SharedEngines
from manga_enrichment.pipeline.resident.slot import Slot
from manga_enrichment.pipeline.resident.step_threads import StepThreads
from manga_enrichment.pipeline.store.flusher import Flusher

THREADS = 32
STEP_THREADS = 20
"""The others are for polls, heartbeats and engines."""
TELL_SECONDS = 60.0
CUT_SECONDS = 90.0
"""For results and giving back, once nothing is at the model any more."""
SHORTEST_LIFE_SECONDS = 60.0
_LOOK_SECONDS = 0.5

_log = logging.getLogger(__name__)


class ResidentRun:
    """One run of one slot. stop: set when this process is to end. tell: told of the work so far, once a minute at
    most and only when there was some; it may block."""

    def __init__(
        self,
        parts: ResidentParts,
        post: Post,
        queues: Sequence[str],
        stop: threading.Event,
        tell: Callable[[ResidentReport], None] = lambda _report: None,
    ) -> None:
        self._parts = parts
        self._post = post
        self._queues = queues
        self._stop = stop
        self._tell = tell
        self._clock = parts.clock
        self._halt = threading.Event()
        self._report = ResidentReport()
        now = parts.clock.now()
        row = Resident(post.lane, post.slot, post.epoch, post.run_id, 0, now, now + parts.settings.life)
        self._slot = Slot(parts.residents, parts.clock, row)
        self._leases = Leases(parts.queue, parts.requests, parts.clock, parts.rng, parts.settings.clock_skew)
        self._flusher = Flusher(parts.tables, parts.clock, post.run_id)

    def run(self) -> ResidentReport:
        """Raises what no request can be blamed for; what was open is given back then, too."""
        return self._clock.run(self._main())

    async def _main(self) -> ResidentReport:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        if not await in_thread(self._slot.beat):
            self._report.ended = "another run has its slot"
            return self._report
        invoke, settings = self._parts.invoke, self._parts.invoke_settings
        invocation = Invocation(invoke, settings, Tally("resident"), self._post.run_id, invoke.open_model())
        try:
            await self._live(invocation)
        finally:
            await invocation.close()
        return self._report

    async def _live(self, invocation: Invocation) -> None:
        stored = StoredRequests(self._parts.tables)
        engines = self._engines(invocation)
        place = self._workplace(stored, engines)
        receivers: list[Receiver] = []
        intake = self._parts.intake(self._claimant(stored))
        opened = OpenRequests(
            place,
            intake,
            self._report,
            deferral_seconds=self._parts.settings.deferral_seconds,
            doubt=partial(_doubt, receivers),
        )
        receivers += self._receivers(intake, place, opened)
        receiving = [asyncio.create_task(each) for each in _polls(receivers, self._queues)]
        own = self._renew, self._look_for_cancelled, self._say
        keepers = self._slot.keep, engines.keep_house, self._flusher.keep_flushing, *own
        keeping = [asyncio.create_task(each) for each in (*(keep() for keep in keepers), watch_loop(self._clock))]
        try:
            self._report.ended = await self._until_over([*receiving, *keeping], receivers, opened)
            await self._finish(receiving, opened, engines)
        finally:
            self._report.ended = self._report.ended or "it failed"
            self._halt.set()
            await self._end([*receiving, *keeping], opened, engines)

    async def _until_over(
        self, tasks: Sequence["asyncio.Task[Any]"], receivers: Sequence[Receiver], opened: OpenRequests
    ) -> str:
        """Why nothing is to be received any more."""
        began = self._clock.monotonic_seconds()
        while True:
            raise_first([error for task in tasks if task.done() and (error := task.exception()) is not None])
            opened.raise_what_failed()
            self._slot.is_busy = any(each.is_busy for each in receivers)
            if self._stop.is_set():
                return "it was told to end"
            if self._slot.is_lost:
                return "its successor has begun"
            if self._slot.left.total_seconds() <= 0:
                return "its time was over"
            if self._report.stopped and self._clock.monotonic_seconds() - began >= SHORTEST_LIFE_SECONDS:
                return "nothing can succeed until somebody mends something"
            await self._clock.sleep(_LOOK_SECONDS)

    async def _finish(
        self, receiving: Sequence["asyncio.Task[Any]"], opened: OpenRequests, engines: SharedEngines
    ) -> None:
        def is_idle() -> bool:
            opened.raise_what_failed()
            return not opened.count and all(task.done() for task in receiving)

        settings = self._parts.settings
        await self._until(lambda: is_idle() or self._stop.is_set(), settings.finish_seconds)
        self._halt.set()
        if not await self._until(is_idle, settings.grace_seconds):
            await engines.cut()
            await self._until(is_idle, CUT_SECONDS)

    async def _end(self, tasks: Sequence["asyncio.Task[Any]"], opened: OpenRequests, engines: SharedEngines) -> None:
        failures: list[BaseException] = []
        if opened.count:
            await engines.cut()
        await engines.close()
        await opened.give_back("the run was ended")
        with suppress(StoreUnavailableError):
            await in_thread(lambda: self._slot.beat(has_left=True))
        await cancelled(tasks, failures)

    async def _until(self, holds: Callable[[], bool], seconds: float) -> bool:
        until = self._clock.monotonic_seconds() + seconds
        while not (is_so := holds()) and self._clock.monotonic_seconds() < until:
            await self._clock.sleep(_LOOK_SECONDS)
        return is_so

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(await in_thread(self._leases.beat))

    async def _look_for_cancelled(self) -> None:
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await in_thread(self._leases.look_for_cancelled)

    async def _say(self) -> None:
        told = 0
        while True:
            await self._clock.sleep(TELL_SECONDS)
            if (now := self._report.received.total()) != told:
                told = now
                await in_thread(self._tell, self._report)

    # Parts

    def _left_seconds(self) -> float:
        is_over = self._report.ended or self._stop.is_set() or self._slot.is_lost
        return 0.0 if is_over else self._slot.left.total_seconds()

    def _may_ask(self, call: Call) -> bool:
        return not self._halt.is_set() and self._leases.wants(call.claim.rpartition(":")[0])

    def _engines(self, invocation: Invocation) -> SharedEngines:
        settings = self._parts.invoke_settings.engine
        return SharedEngines(
            invocation,
            self._parts.tables,
            self._post.run_id,
            self._may_ask,
            places=settings.concurrency,
            open_calls=max(settings.concurrency, self._parts.settings.room.calls),
            policies=self._parts.invoke_settings.policies,
        )

    def _claimant(self, stored: StoredRequests) -> Claimant:
        return Claimant(self._parts.new_owner, self._parts.settings.clock_skew, stored, self._post.run_id)

    def _workplace(self, stored: StoredRequests, engines: SharedEngines) -> Workplace:
        parts = self._parts
        releasing = Requeue(parts.queue, parts.requests, parts.tables, parts.clock, stored)

        def settling() -> Settling:
            return parts.settling(stored, self._flusher, self._halt.is_set())

        return Workplace(
            run_id=self._post.run_id,
            tables=parts.tables,
            ledger=parts.invoke.ledger,
            clock=parts.clock,
            rng=parts.rng,
            planning=parts.planning,
            asking=parts.asking,
            engines=engines,
            settling=settling,
            acks=Acks(settling, releasing),
            releasing=releasing,
            leases=self._leases,
            stored=stored,
            stopping=Stopping(
                self._leases.wants, self._halt, parts.settings.grace_seconds, self._leases.look_for_cancelled
            ),
            room=Room(parts.settings.room),
            threads=StepThreads(STEP_THREADS),
            say=_log.debug,
        )

    def _receivers(self, intake: Any, place: Workplace, opened: OpenRequests) -> list[Receiver]:
        return [
            Receiver(
                name,
                intake,
                place.room,
                self._clock,
                left_seconds=self._left_seconds,
                may_receive=lambda: not (opened.wants_to_be_alone or place.threads.is_behind),
                begin=opened.begin,
            )
            for name in self._queues
        ]


def _doubt(receivers: Sequence[Receiver]) -> None:
    for each in receivers:
        each.doubt()


def _polls(receivers: Sequence[Receiver], queues: Sequence[str]) -> Iterator[Any]:
    for receiver, name in zip(receivers, queues, strict=True):
        yield receiver.run()
        if QUEUES[name].is_fifo:
            yield receiver.resume()
