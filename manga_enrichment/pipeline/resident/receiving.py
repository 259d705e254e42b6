"""Receiving for a resident run: long polls while there is room, and what becomes of each message at once.

Belongs here: one queue's polls, deferred conversations whose time has come. Stays out: validating and claiming
(`pipeline/partner/intake.py`), the work (`request_steps.py`), how much is room (`room.py`).

Of a FIFO queue one message is received at a time: SQS holds back its group while it is worked at, so a session keeps
its order and other sessions do not wait.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.queue import Message
from manga_enrichment.pipeline.engine.outage_retry import in_thread
from manga_enrichment.pipeline.partner.holding.fifo_deferral import DeferredMessage
from manga_enrichment.pipeline.partner.intake import Intake
from manga_enrichment.pipeline.resident.room import MOST_MESSAGES, Room

LONG_POLL_SECONDS = 20
PAUSE_SECONDS = 1.0
"""After a poll that came back empty at once, or failed."""
LOOK_SECONDS = 0.1
"""Until nothing is in the way of a receive: shorter than the steps take that wait for threads then."""
ANSWERS_SECONDS = 5.0
"""For so long both stores are taken to be there after they answered."""
DUE_SECONDS = 15.0

_log = logging.getLogger(__name__)


class Receiver:
    """One queue of a resident run. is_busy: its last receive was full, or there was no room for one."""

    def __init__(
        self,
        name: str,
        intake: Intake,
        room: Room,
        clock: Clock,
        *,
        left_seconds: Callable[[], float],
        may_receive: Callable[[], bool],
        begin: Callable[[Message | DeferredMessage, datetime], None],
    ) -> None:
        """left_seconds: until nothing is to be received any more. may_receive: whether it is now.

        begin: starts the work at what was received.
        """
        self._name = name
        self._intake = intake
        self._room = room
        self._clock = clock
        self._left_seconds = left_seconds
        self._may_receive = may_receive
        self._begin = begin
        self._answered_at: float | None = None
        self._said_away = ""
        self.is_busy = False

    async def run(self) -> None:
        """Until the time is over."""
        while self._left_seconds() > 0:
            if not self._may_receive():
                self.is_busy = True
                await self._clock.sleep(LOOK_SECONDS)
            elif not (room := self._room.messages()):
                self.is_busy = True
                await self._pause()
            elif await self._stores_answer():
                await self._receive(1 if QUEUES[self._name].is_fifo else room)
            else:
                await self._pause()

    async def resume(self) -> None:
        """Until the time is over: begin deferred conversations when they are due."""
        while self._left_seconds() > 0:
            try:
                for deferred in await in_thread(self._intake.due, self._name):
                    if self._room.messages():
                        self._begin(deferred, self._clock.now())
            except (StoreUnavailableError, QueueUnavailableError) as error:
                _log.warning("deferred requests of %s are left for later: %s", self._name, error)
            await self._clock.sleep(max(0.0, min(DUE_SECONDS, self._left_seconds())))

    async def _receive(self, at_most: int) -> None:
        began = self._clock.monotonic_seconds()
        wait_seconds = max(0, min(LONG_POLL_SECONDS, int(self._left_seconds())))
        try:
            messages = await in_thread(self._intake.receive, self._name, at_most, wait_seconds)
        except QueueUnavailableError as error:
            _log.warning("%s: %s", self._name, error)
            messages = []
        received_at = self._clock.now()
        self.is_busy = len(messages) >= MOST_MESSAGES
        for message in messages:
            self._begin(message, received_at)
        if not messages and self._clock.monotonic_seconds() - began < PAUSE_SECONDS:
            await self._pause()

    async def _stores_answer(self) -> bool:
        """Every receive counts towards the dead letters, so nothing is received while a store is away."""
        now = self._clock.monotonic_seconds()
        if self._answered_at is not None and now - self._answered_at < ANSWERS_SECONDS:
            return True
        away = await in_thread(self._why_away)
        if away and away != self._said_away:
            _log.warning("%s: nothing is received: %s", self._name, away)
        self._said_away = away
        self._answered_at = None if away else now
        return not away

    def doubt(self) -> None:
        """A store did not answer: look again before the next receive."""
        self._answered_at = None

    def _why_away(self) -> str:
        return self._intake.why_away(again=True)

    async def _pause(self) -> None:
        await self._clock.sleep(max(0.0, min(PAUSE_SECONDS, self._left_seconds())))
