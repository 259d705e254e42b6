"""Feeding the engine: calls are pulled, claimed and queued; of the same question only the first is asked.

Belongs here: single flight, claims that other runs hold, what need not be asked. Stays out: asking and saving
(`engine.py`).
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from manga_enrichment.domain.outcomes.answers import Asked, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.calls import Call, CallResult, EngineSettings
from manga_enrichment.pipeline.engine.claims import Claims
from manga_enrichment.pipeline.engine.endings import Endings
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry
from manga_enrichment.pipeline.engine.results import cached, deferred, follower
from manga_enrichment.pipeline.engine.sources import Source

MAX_CLAIM_CHUNK = 90  # one transaction
MOST_CONTENDED = 1_000  # titles that other runs are asking for and this one waits for at once
CLAIM_POLL_SECONDS = 2.0

Deliver = Callable[[CallResult], None]


class Feed:
    """A stream of calls on its way to the workers, who take them from `queue`.

    lost: by fingerprint of a claimed call, what a run that was killed may have paid for it, in micro-dollars.
    """

    def __init__(
        self,
        claims: Claims,
        clock: Clock,
        outage_retry: OutageRetry,
        endings: Endings,
        provenance: Provenance,
        settings: EngineSettings,
        *,
        queued: Callable[[], None],
    ) -> None:
        """queued: told of every call that workers can take."""
        self._claims = claims
        self._clock = clock
        self._outage_retry = outage_retry
        self._concurrency = settings.concurrency
        self._poll_seconds = min(CLAIM_POLL_SECONDS, settings.claim_seconds / 3)
        self._endings = endings
        self._provenance = provenance
        self._queued = queued
        self.queue: asyncio.Queue[Call] = asyncio.Queue(maxsize=settings.concurrency)
        self.lost: dict[str, int] = {}
        # Calls by fingerprint: the first is asked, its followers share what comes of it and pay nothing.
        self._open: dict[str, list[Call]] = {}
        self._contended: dict[str, list[Call]] = {}
        self._is_contended = asyncio.Event()
        self._looked = asyncio.Event()

    async def run(self, source: Source, deliver: Deliver) -> None:
        """Until the source has no more and all is told. `watch_contended` must go on beside it."""
        chunk_size = min(MAX_CLAIM_CHUNK, max(8, self._concurrency))
        while chunk := await source.take(chunk_size):
            await self._take_in(chunk, deliver)
            await self._until_contended(at_most=MOST_CONTENDED)
            await asyncio.sleep(0)  # a chunk that needed no waiting must not hold up those who work
        await self._until_contended(at_most=0)
        await self.queue.join()

    def asks(self, fingerprint: str) -> bool:
        """Whether a call for it is on its way just now."""
        return fingerprint in self._open

    async def _take_in(self, chunk: list[Call | CallResult], deliver: Deliver) -> None:
        """Claim a chunk and queue what was granted."""
        await self._outage_retry.ready()
        fresh: dict[str, list[Call]] = {}
        for call in chunk:
            if isinstance(call, CallResult):
                deliver(call)
                continue
            followers = self._open.get(call.fingerprint) or self._contended.get(call.fingerprint)
            if followers is not None:
                followers.append(call)
            elif (left := self._endings.before_claim(call)) is not None:
                deliver(deferred(call, *left))
            else:
                fresh.setdefault(call.fingerprint, []).append(call)
        if fresh:
            await self._claim(fresh, deliver)

    async def _claim(self, wanted: Mapping[str, list[Call]], deliver: Deliver) -> None:
        """wanted: in the caller's order, which is the catalog's."""
        try:
            at_stake = {each: calls[0].most_micro_usd() for each, calls in wanted.items()}
            now = self._clock.now()
            asked = {each: self._asked(calls[0], now) for each, calls in wanted.items()}
            result = await self._claims.take(at_stake, asked)
        except StoreUnavailableError as error:
            for fingerprint, calls in wanted.items():
                self._contended.pop(fingerprint, None)
                for call in calls:
                    deliver(deferred(call, ErrorClass.LEDGER_UNAVAILABLE, str(error)))
            return
        self.lost.update(result.lost)
        for fingerprint, calls in wanted.items():
            if fingerprint in result.contended:
                self._contended[fingerprint] = calls
                self._is_contended.set()
                continue
            self._contended.pop(fingerprint, None)
            if fingerprint in result.granted:
                self._open[fingerprint] = calls
                await self.queue.put(calls[0])
                self._queued()
            else:
                for call in calls:
                    deliver(cached(call, result.answered[fingerprint]))

    def _asked(self, call: Call, now: datetime) -> Asked:
        return Asked(
            manga_id=call.manga_id,
            analysis=call.analysis.name,
            bucket=call.bucket,
            model_id=call.model.model_id,
            prompt_version=call.analysis.version,
            provenance=self._provenance.of_claim(call.claim),
            at=now,
            service_tier=call.model.tier,
        )

    async def watch_contended(self, deliver: Deliver) -> None:
        """Look, until cancelled, whether other runs have answered or given up what they claimed."""
        while True:
            await self._is_contended.wait()
            self._leave_what_has_ended(deliver)
            if self._contended:
                await self._clock.sleep(self._poll_seconds)
                await self._claim(dict(self._contended), deliver)
            else:
                self._is_contended.clear()
            self._looked.set()

    async def _until_contended(self, *, at_most: int) -> None:
        while len(self._contended) > at_most:
            self._looked.clear()
            await self._looked.wait()

    def _leave_what_has_ended(self, deliver: Deliver) -> None:
        for fingerprint, calls in list(self._contended.items()):
            ending = self._endings.of_call(calls[0])
            if ending is None:
                continue
            del self._contended[fingerprint]
            error_class = ErrorClass.CLAIMED_ELSEWHERE if ending is ErrorClass.DEADLINE else ending
            for call in calls:
                deliver(deferred(call, error_class, "another run was asking for this answer"))

    def finish(self, result: CallResult, deliver: Deliver) -> None:
        """Tell everyone who asked this question."""
        followers = self._open.pop(result.call.fingerprint)[1:]
        deliver(result)
        for each in followers:
            deliver(follower(each, result))
