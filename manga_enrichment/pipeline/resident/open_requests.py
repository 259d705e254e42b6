"""The requests that a resident run has open: each a task, from its message to its ack.

Belongs here: claiming, what the end of its work means for a request, counting. Stays out: its steps
(`request_steps.py`), when the run ends (`resident_run.py`).
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.queue import Message
from manga_enrichment.pipeline.engine.outage_retry import in_thread
from manga_enrichment.pipeline.partner.holding.fifo_deferral import DeferredMessage
from manga_enrichment.pipeline.partner.holding.leases import first_lease_until
from manga_enrichment.pipeline.partner.holding.requeue import INTERRUPTED_DELAY_SECONDS, release_all
from manga_enrichment.pipeline.partner.intake import Intake
from manga_enrichment.pipeline.partner.intake_report import IntakeOutcome
from manga_enrichment.pipeline.partner.step_ends import StepEnd, end_of
from manga_enrichment.pipeline.partner.work_units import UnitRequest
from manga_enrichment.pipeline.resident.report import ResidentReport
from manga_enrichment.pipeline.resident.request_steps import Workplace, work_through

ALONE_SECONDS = 30.0
_LOOK_SECONDS = 0.25

_log = logging.getLogger(__name__)


class OpenRequests:
    """Of one resident run. doubt: told when a store did not answer."""

    def __init__(
        self,
        place: Workplace,
        intake: Intake,
        report: ResidentReport,
        *,
        deferral_seconds: int,
        doubt: Callable[[], None],
    ) -> None:
        self._place = place
        self._intake = intake
        self._report = report
        self._deferral_seconds = deferral_seconds
        self._doubt = doubt
        self._tasks: set[asyncio.Task[None]] = set()
        self._alone: UnitRequest | None = None
        self._fatal: list[BaseException] = []

    @property
    def count(self) -> int:
        return len(self._tasks)

    def raise_what_failed(self) -> None:
        """What no request can be blamed for, such as the end of this process."""
        if self._fatal:
            raise self._fatal[0]

    def begin(self, given: Message | DeferredMessage, received_at: datetime) -> None:
        self._place.room.take(_name(given), 1, _size(given))
        task = asyncio.create_task(self._take_and_work(given, received_at))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal.append(error)

    async def _take_and_work(self, given: Message | DeferredMessage, received_at: datetime) -> None:
        room = self._place.room
        try:
            request = await self._claimed(given, received_at)
        finally:
            room.leave(_name(given))
        if request is None:
            return
        room.take(request.request_id, request.titles, _size(given))
        self._place.leases.add(request, first_lease_until(request.queue, received_at, self._place.leases.clock_skew))
        try:
            await self._work(request)
        finally:
            room.leave(request.request_id)
            self._place.stored.forget(request.body_key)

    async def _claimed(self, given: Message | DeferredMessage, received_at: datetime) -> UnitRequest | None:
        taken: UnitRequest | IntakeOutcome
        if isinstance(given, Message):
            taken = await self._place.threads.run(self._intake.take, given, received_at)
        else:
            taken = await self._place.threads.run(self._resumed, given)
        outcome = taken if isinstance(taken, IntakeOutcome) else _ORIGINS[isinstance(given, Message)]
        self._report.received[outcome] += 1
        if outcome is IntakeOutcome.RETURNED:
            self._doubt()
        return None if isinstance(taken, IntakeOutcome) else taken

    def _resumed(self, deferred: DeferredMessage) -> UnitRequest | IntakeOutcome:
        """What fails here is left alone: its message shows by itself."""
        try:
            return self._intake.resume(deferred) or IntakeOutcome.LIVE
        except (StoreUnavailableError, QueueUnavailableError) as error:
            _log.warning("request %s is left for later: %s", deferred.request.request_id, error)
            return IntakeOutcome.LEFT

    async def _work(self, request: UnitRequest) -> None:
        try:
            if request.is_last_delivery:
                await self._let_others_end(request)
            self._report.add(*await work_through(request, self._place))
        except Exception as error:  # noqa: BLE001 (a fault in one request must not cost the others their answers)
            await self._end_badly(request, error)
        finally:
            self._place.leases.drop(request.request_id)
            if self._alone is request:
                self._alone = None

    @property
    def wants_to_be_alone(self) -> bool:
        """A request that was delivered for the last time may be what killed its runs: should it kill this one, the
        others do not go to the dead letters with it."""
        return self._alone is not None

    async def _let_others_end(self, request: UnitRequest) -> None:
        clock = self._place.clock
        until = clock.monotonic_seconds() + ALONE_SECONDS
        while self._alone is not None and clock.monotonic_seconds() < until:
            await clock.sleep(_LOOK_SECONDS)
        self._alone = request
        while len(self._tasks) > 1 and clock.monotonic_seconds() < until:
            await clock.sleep(_LOOK_SECONDS)

    async def _end_badly(self, request: UnitRequest, error: Exception) -> None:
        end = end_of(error)
        if end is StepEnd.UNFORESEEN:
            _log.error("request %s could not be worked at", request.request_id, exc_info=error)
        else:
            _log.warning("request %s could not be worked at: %s", request.request_id, error)
        if end is StepEnd.AWAY:
            self._doubt()
        self._report.given_back += 1
        if end.gives_back:
            await self.give_back(str(error), only=request.request_id)

    async def give_back(self, reason: str, *, only: str = "") -> None:
        """What is still held, or the one request: sent again for later."""
        stopping = self._place.stopping.asked.is_set()
        release = partial(
            release_all,
            self._place.leases,
            self._place.releasing,
            delay_seconds=INTERRUPTED_DELAY_SECONDS if stopping else self._deferral_seconds,
            reason=reason,
            say=_log.warning,
            only=only,
        )
        await in_thread(release)


def _name(given: Message | DeferredMessage) -> str:
    """Of what is not claimed yet, and is no request's own name."""
    return given.receipt_handle if isinstance(given, Message) else f"deferred {given.request.request_id}"


def _size(given: Message | DeferredMessage) -> int:
    return len(given.body) if isinstance(given, Message) else 0


_ORIGINS = {True: IntakeOutcome.CLAIMED, False: IntakeOutcome.RESUMED}
