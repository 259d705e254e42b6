"""The engine: bounded concurrency over a stream of calls, each paid for once.

Belongs here: feeding, claiming, single flight, waiting for other runs, saving, stopping. Stays out: how one call is
tried (`call_loop.py`), how fast (`rate_limiter.py`), for how much (`budget.py`), what is missing
(`pipeline/enrichment/planner.py`).

Memory is bounded by the concurrency: calls are pulled from an iterator a chunk ahead, results are handed on as they
arrive. A worker keeps its slot until its answer is saved, so a kill loses at most `concurrency` answers.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.pipeline.engine.budget import RunBudget
from manga_enrichment.pipeline.engine.call_loop import Caller, CallOutcome
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.claims import Claims
from manga_enrichment.pipeline.engine.group_commit import LedgerWriter
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry
from manga_enrichment.pipeline.engine.rate_limiter import RateLimiter

MAX_CLAIM_CHUNK = 32  # larger ones cost no less a title, and answers that are to be saved wait behind them
MOST_CONTENDED = 1_000  # titles that other runs are asking for and this one waits for at once
CLAIM_POLL_SECONDS = 2.0

Deliver = Callable[[CallResult], None]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """concurrency: calls in flight; deadline_seconds: how long throttled or contended titles are tried."""

    concurrency: int = 64
    deadline_seconds: float = 4 * 3600
    claim_seconds: float = 60


class Engine:
    """Asks for a stream of calls within one event loop. One engine runs once.

    stopped_by, stopped_message: why no call can succeed any more (wrong credentials, no such model), None while some
    may. may_ask is looked at before every attempt, from the event loop; a call it refuses is left (`stopped`).
    """

    def __init__(
        self,
        *,
        model: FoundationModel,
        ledger: ResultLedger,
        budget: RunBudget,
        limiter: RateLimiter,
        clock: Clock,
        rng: random.Random,
        provenance: Provenance,
        settings: EngineSettings,
        may_ask: Callable[[Call], bool] = lambda _call: True,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._provenance = provenance
        self._budget = budget
        self._may_ask = may_ask
        self._until = clock.monotonic_seconds() + settings.deadline_seconds
        self._outage_retry = OutageRetry(clock, self._until)
        self._caller = Caller(model, limiter, budget, clock, rng, until=self._until, ending=self._ending)
        self._claims = Claims(ledger, budget.spender, clock, settings.claim_seconds, self._outage_retry)
        self._writer = LedgerWriter(ledger, budget.spender, clock, self._outage_retry)
        self._queue: asyncio.Queue[Call] = asyncio.Queue(maxsize=settings.concurrency)
        # Calls by fingerprint: the first is asked, its followers share what comes of it and pay nothing.
        self._open: dict[str, list[Call]] = {}
        self._contended: dict[str, list[Call]] = {}
        self.stopped_by: ErrorClass | None = None
        self.stopped_message = ""
        budget.use(self._outage_retry)

    async def run(self, calls: Iterable[Call], deliver: Deliver) -> None:
        """Bring every call to an outcome and hand each result to `deliver` (on the event loop's thread).

        Raises what a gateway raises beyond its protocol (ConfigurationError, bugs); claims are released first.
        """
        tolerated_errors: type[Exception] = Exception  # while something worse goes up
        try:
            async with asyncio.TaskGroup() as group:
                background = [group.create_task(self._work(deliver)) for _ in range(self._settings.concurrency)]
                background.append(group.create_task(self._writer.write_groups()))
                background.append(group.create_task(self._claims.keep()))
                background.append(group.create_task(self._budget.keep_lease()))
                await self._feed(calls, deliver)
                await self._queue.join()
                for task in background:
                    task.cancel()
            tolerated_errors = StoreUnavailableError  # claims and leases run out by themselves
        except ExceptionGroup as failures:
            first = first_failure(failures)
            raise first from first.__cause__
        finally:
            await self._give_back(tolerated_errors)

    async def _give_back(self, tolerated_errors: type[Exception]) -> None:
        """What was paid for, claims, unused budget; the next run need not wait for what we will not ask."""
        for shutdown_step in (self._writer.write_the_rest, self._claims.release_all, self._budget.close):
            with suppress(tolerated_errors):
                await shutdown_step()

    # Feeding

    async def _feed(self, calls: Iterable[Call], deliver: Deliver) -> None:
        iterator = iter(calls)
        chunk_size = min(MAX_CLAIM_CHUNK, max(8, self._settings.concurrency))
        while chunk := list(islice(iterator, chunk_size)):
            await self._take_in(chunk, deliver)
            await self._wait_for_contended(deliver, at_most=MOST_CONTENDED)
            await asyncio.sleep(0)  # a chunk that needed no waiting must not hold up those who work
        await self._wait_for_contended(deliver, at_most=0)

    async def _take_in(self, chunk: list[Call], deliver: Deliver) -> None:
        """Claim a chunk and queue what was granted."""
        await self._outage_retry.ready()
        fresh: dict[str, list[Call]] = {}
        for call in chunk:
            followers = self._open.get(call.fingerprint) or self._contended.get(call.fingerprint)
            if followers is not None:
                followers.append(call)
            elif (left := self._left(call)) is not None:
                deliver(left)
            else:
                fresh.setdefault(call.fingerprint, []).append(call)
        if fresh:
            await self._claim(fresh, deliver)

    async def _claim(self, wanted: Mapping[str, list[Call]], deliver: Deliver) -> None:
        """wanted: in the caller's order, which is the catalog's."""
        try:
            result = await self._claims.take(list(wanted))
        except StoreUnavailableError as error:
            for fingerprint, calls in wanted.items():
                self._contended.pop(fingerprint, None)
                for call in calls:
                    deliver(_deferred(call, ErrorClass.LEDGER_UNAVAILABLE, str(error)))
            return
        for fingerprint, calls in wanted.items():
            if fingerprint in result.contended:
                self._contended[fingerprint] = calls
                continue
            self._contended.pop(fingerprint, None)
            if fingerprint in result.granted:
                self._open[fingerprint] = calls
                await self._queue.put(calls[0])
            else:
                for call in calls:
                    deliver(_cached(call, result.answered[fingerprint]))

    async def _wait_for_contended(self, deliver: Deliver, *, at_most: int) -> None:
        """Until other runs have answered or given up what they claimed, or the deadline comes."""
        while len(self._contended) > at_most:
            self._leave_what_has_ended(deliver)
            if self._contended:
                await self._clock.sleep(min(CLAIM_POLL_SECONDS, self._settings.claim_seconds / 3))
                await self._claim(dict(self._contended), deliver)

    def _leave_what_has_ended(self, deliver: Deliver) -> None:
        for fingerprint, calls in list(self._contended.items()):
            ending = self._ending(calls[0])
            if ending is None:
                continue
            del self._contended[fingerprint]
            error_class = ErrorClass.CLAIMED_ELSEWHERE if ending is ErrorClass.DEADLINE else ending
            for call in calls:
                deliver(_deferred(call, error_class, "another run was asking for this answer"))

    # Ending

    def _ending(self, call: Call) -> ErrorClass | None:
        """Why this call may not be sent any more; None while all is well."""
        if self.stopped_by is not None or not self._may_ask(call):
            return ErrorClass.STOPPED
        if self._outage_retry.gave_up is not None:
            return ErrorClass.LEDGER_UNAVAILABLE
        return ErrorClass.DEADLINE if self._clock.monotonic_seconds() >= self._until else None

    def _left(self, call: Call) -> CallResult | None:
        """The result of a call that need not even be claimed."""
        ending = self._ending(call)
        if ending is None and self._budget.has_no_room_for(call.estimated_micro_usd()):
            ending = ErrorClass.BUDGET
        return None if ending is None else _deferred(call, ending, self._why(ending))

    def _why(self, ending: ErrorClass) -> str:
        if ending is ErrorClass.LEDGER_UNAVAILABLE:
            return str(self._outage_retry.gave_up)
        return self.stopped_message if ending is ErrorClass.STOPPED else ""

    # Working

    async def _work(self, deliver: Deliver) -> None:
        while True:
            call = await self._queue.get()
            result = await self._answer(call)
            if result.entry is None:
                with suppress(StoreUnavailableError):  # the claim runs out by itself
                    await self._claims.release([call.fingerprint])
            followers = self._open.pop(call.fingerprint)[1:]
            deliver(result)
            for follower in followers:
                deliver(_follower(follower, result))
            self._queue.task_done()

    async def _answer(self, call: Call) -> CallResult:
        word = await self._caller.ask(call, self._outage_retry.ready)
        error_class, message = word.error_class, word.message
        try:
            if error_class is not None and TREATMENTS[error_class].transient:
                if TREATMENTS[error_class].stops_analysis:
                    self.stopped_by, self.stopped_message = error_class, message
                await self._budget.book_unledgered(word.cost_micro_usd)
                message = message or self._why(error_class)
                return CallResult(call, word.outcome, None, error_class, word.attempts, message=message)
            stands = await self._writer.save(self._entry(call, word))
        except StoreUnavailableError as error:
            return _deferred(call, ErrorClass.LEDGER_UNAVAILABLE, str(error), word)
        self._claims.settled(call.fingerprint)
        return CallResult(call, stands.outcome, stands, stands.error_class, word.attempts, message=message)

    def _entry(self, call: Call, word: CallOutcome) -> LedgerEntry:
        return LedgerEntry(
            fingerprint=call.fingerprint,
            outcome=word.outcome,
            analysis=call.analysis.name,
            manga_id=call.manga_id,
            bucket=call.bucket,
            model_id=call.model.model_id,
            prompt_version=call.analysis.version,
            provenance=self._provenance,
            created_at=self._clock.now(),
            attempts=word.attempts,
            answer=word.answer,
            error_class=word.error_class,
        )


def first_failure(failures: ExceptionGroup[Exception]) -> Exception:
    """The failure that ended the others. Those that came after it stay in sight: as its cause, with the one it had."""
    first, *others = failures.exceptions
    if others:
        causes = [first.__cause__] if isinstance(first.__cause__, Exception) else []
        first.__cause__ = ExceptionGroup(f"{len(others)} more failed with it", [*causes, *others])
    return first


def _deferred(call: Call, error_class: ErrorClass, message: str, word: CallOutcome | None = None) -> CallResult:
    attempts = word.attempts if word is not None else ()
    return CallResult(call, Outcome.DEFERRED, None, error_class, attempts, message=message)


def _cached(call: Call, entry: LedgerEntry) -> CallResult:
    return CallResult(call, entry.outcome, entry, entry.error_class, from_cache=True)


def _follower(call: Call, result: CallResult) -> CallResult:
    """The same outcome for the same question, paid for once."""
    return CallResult(
        call,
        result.outcome,
        result.entry,
        result.error_class,
        from_cache=result.entry is not None,
        message=result.message,
    )
