"""The engine: bounded concurrency over a stream of calls, each paid for once.

Belongs here: feeding, claiming, single flight, waiting for other runs, saving, stopping. Stays out: how one call is
tried (`caller.py`), how fast (`limiter.py`), for how much (`budget.py`), what is missing (`planner.py`).

Memory is bounded by the concurrency: calls are pulled from an iterator a chunk ahead, results are handed on as they
arrive. A worker keeps its slot until its answer is saved, so a kill loses at most `concurrency` answers.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice

from manga_enrichment.domain.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes import TREATMENTS, ErrorClass, Outcome
from manga_enrichment.gateways import Clock, FoundationModel, LedgerUnavailableError, ResultLedger
from manga_enrichment.pipeline.budget import RunBudget
from manga_enrichment.pipeline.caller import Caller, FinalWord
from manga_enrichment.pipeline.calls import Call, CallResult
from manga_enrichment.pipeline.claims import Claims
from manga_enrichment.pipeline.ledger_writer import LedgerWriter
from manga_enrichment.pipeline.limiter import Limiter

MAX_CLAIM_CHUNK = 90
CLAIM_POLL_SECONDS = 2.0

Deliver = Callable[[CallResult], None]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """concurrency: calls in flight; deadline_seconds: how long throttled or contended titles are tried."""

    concurrency: int = 64
    deadline_seconds: float = 4 * 3600
    claim_seconds: float = 60


class Engine:
    """Asks for a stream of calls within one event loop. One engine runs once."""

    def __init__(
        self,
        *,
        model: FoundationModel,
        ledger: ResultLedger,
        budget: RunBudget,
        limiter: Limiter,
        clock: Clock,
        rng: random.Random,
        provenance: Provenance,
        settings: EngineSettings,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._provenance = provenance
        self._budget = budget
        self._until = clock.monotonic_seconds() + settings.deadline_seconds
        self._caller = Caller(model, limiter, budget, clock, rng, self._until)
        self._claims = Claims(ledger, budget.spender, clock, settings.claim_seconds)
        self._writer = LedgerWriter(ledger, budget.spender, clock, self._until)
        self._queue: asyncio.Queue[Call] = asyncio.Queue(maxsize=settings.concurrency)
        self._elsewhere: dict[str, Call] = {}
        self._open: dict[str, asyncio.Future[CallResult]] = {}
        self._twins: list[asyncio.Task[None]] = []
        self.stopped_by: ErrorClass | None = None
        self.stopped_message = ""

    async def run(self, calls: Iterable[Call], deliver: Deliver) -> None:
        """Bring every call to an outcome and hand each result to `deliver` (on the event loop's thread).

        Raises what a gateway raises beyond its protocol (ConfigurationError, bugs); claims are released first.
        """
        async with self._in_background(deliver):
            iterator = iter(calls)
            while chunk := list(islice(iterator, self._chunk_size())):
                await self._feed(chunk, deliver)
                if len(self._elsewhere) >= self._chunk_size():
                    await self._poll_elsewhere(deliver)
            await self._wait_for_elsewhere(deliver)
            await self._queue.join()
            await asyncio.gather(*self._twins)

    @asynccontextmanager
    async def _in_background(self, deliver: Deliver) -> AsyncIterator[None]:
        """Workers, writers and lease keepers around a body; the first to fail ends all of them."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._work(deliver)) for _ in range(self._settings.concurrency)]
                tasks.append(group.create_task(self._writer.write_groups()))
                tasks.append(group.create_task(self._claims.keep()))
                tasks.append(group.create_task(self._budget.keep_lease()))
                yield
                for task in tasks:
                    task.cancel()
        except* asyncio.CancelledError:
            raise
        except* Exception as failures:  # noqa: BLE001 (unwrapped, not swallowed)
            raise failures.exceptions[0] from None
        finally:
            await self._give_back()

    async def _give_back(self) -> None:
        """Claims and unused budget; the next run need not wait for what we will not ask."""
        try:
            await self._claims.release_all()
            await self._budget.close()
        except LedgerUnavailableError:
            return  # claims and leases run out by themselves

    def _chunk_size(self) -> int:
        return min(MAX_CLAIM_CHUNK, max(8, self._settings.concurrency))

    async def _feed(self, chunk: list[Call], deliver: Deliver) -> None:
        """Claim a chunk and queue what was granted. Twins of an open call wait for its result."""
        ending = self._ending()
        if ending is not None:
            for call in chunk:
                deliver(_left(call, ending, self.stopped_message))
            return
        fresh: dict[str, Call] = {}
        for call in chunk:
            if call.fingerprint in self._open:
                self._twins.append(asyncio.create_task(self._follow(call, deliver)))
            elif call.fingerprint in fresh:
                self._twins.append(asyncio.create_task(self._follow_later(call, deliver)))
            else:
                fresh[call.fingerprint] = call
        await self._claim(fresh, deliver)
        self._twins = [task for task in self._twins if not task.done()]

    def _ending(self) -> ErrorClass | None:
        """Why no further call may start; None while all is well."""
        if self.stopped_by is not None:
            return ErrorClass.STOPPED
        if self._budget.exhausted:
            return ErrorClass.BUDGET
        return ErrorClass.DEADLINE if self._clock.monotonic_seconds() >= self._until else None

    async def _claim(self, calls: dict[str, Call], deliver: Deliver) -> None:
        try:
            await self._writer.available.wait()
            result = await self._claims.take(list(calls))
        except LedgerUnavailableError as error:
            for call in calls.values():
                deliver(_left(call, ErrorClass.LEDGER_UNAVAILABLE, str(error)))
            return
        for fingerprint, entry in result.answered.items():
            self._elsewhere.pop(fingerprint, None)
            deliver(_cached(calls[fingerprint], entry))
        for fingerprint in result.elsewhere:
            self._elsewhere[fingerprint] = calls[fingerprint]
        for fingerprint, call in calls.items():  # the caller's order, which is the catalog's
            if fingerprint in result.granted:
                self._elsewhere.pop(fingerprint, None)
                self._open[fingerprint] = asyncio.get_running_loop().create_future()
                await self._queue.put(call)

    async def _work(self, deliver: Deliver) -> None:
        while True:
            call = await self._queue.get()
            try:
                result = await self._answer(call)
            except LedgerUnavailableError as error:
                result = _left(call, ErrorClass.LEDGER_UNAVAILABLE, str(error))
            if result.entry is None:
                await self._release(call.fingerprint)
            deliver(result)
            self._open.pop(call.fingerprint).set_result(result)
            self._queue.task_done()

    async def _answer(self, call: Call) -> CallResult:
        await self._writer.available.wait()
        ending = self._ending()
        if ending is not None:
            return _left(call, ending, self.stopped_message)
        word = await self._caller.ask(call)
        if word.error_class is not None:
            self._note_stop(word)
            if TREATMENTS[word.error_class].transient:
                await self._budget.book_unledgered(word.cost_micro_usd)
                return CallResult(call, word.outcome, None, word.error_class, word.attempts, message=word.message)
        entry = self._entry(call, word)
        stands = await self._writer.save(entry)
        self._claims.settled(call.fingerprint)
        return CallResult(call, stands.outcome, stands, stands.error_class, word.attempts, message=word.message)

    def _note_stop(self, word: FinalWord) -> None:
        if word.error_class is not None and TREATMENTS[word.error_class].stops_analysis:
            self.stopped_by, self.stopped_message = word.error_class, word.message

    async def _release(self, fingerprint: str) -> None:
        try:
            await self._claims.release([fingerprint])
        except LedgerUnavailableError:
            return  # the claim runs out by itself

    def _entry(self, call: Call, word: FinalWord) -> LedgerEntry:
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

    async def _follow(self, call: Call, deliver: Deliver) -> None:
        """A twin of a call in flight: share its result, pay nothing."""
        result = await asyncio.shield(self._open[call.fingerprint])
        deliver(_twin(call, result))

    async def _follow_later(self, call: Call, deliver: Deliver) -> None:
        """A twin within one chunk: by the time it is claimed again, the first is answered or open."""
        await asyncio.sleep(0)
        while call.fingerprint in self._elsewhere:
            await self._clock.sleep(CLAIM_POLL_SECONDS)
        if call.fingerprint in self._open:
            await self._follow(call, deliver)
        else:
            await self._claim({call.fingerprint: call}, deliver)

    async def _poll_elsewhere(self, deliver: Deliver) -> None:
        await self._clock.sleep(min(CLAIM_POLL_SECONDS, self._settings.claim_seconds / 3))
        await self._claim(dict(self._elsewhere), deliver)

    async def _wait_for_elsewhere(self, deliver: Deliver) -> None:
        """Until other runs have answered or given up what they claimed, or the deadline comes."""
        while self._elsewhere:
            ending = self._ending()
            if ending is not None:
                left = ErrorClass.CLAIMED_ELSEWHERE if ending is ErrorClass.DEADLINE else ending
                for call in self._elsewhere.values():
                    deliver(_left(call, left, "another run was asking for this answer"))
                self._elsewhere.clear()
                return
            await self._poll_elsewhere(deliver)


def _left(call: Call, error_class: ErrorClass, message: str) -> CallResult:
    return CallResult(call, Outcome.DEFERRED, None, error_class, message=message)


def _cached(call: Call, entry: LedgerEntry) -> CallResult:
    return CallResult(call, entry.outcome, entry, entry.error_class, from_cache=True)


def _twin(call: Call, result: CallResult) -> CallResult:
    return CallResult(call, result.outcome, result.entry, result.error_class, from_cache=result.entry is not None)
