"""The engine: bounded concurrency over a stream of calls, each paid for once.

Belongs here: workers, saving, ending. Stays out: claiming and single flight (`feed.py`), why a call is sent no more
(`endings.py`), how one call is tried (`call_loop.py`), how fast (`pipeline/engine/rate/rate_limiter.py`), for how much
(`pipeline/engine/money/budget.py`), what is missing (`pipeline/enrichment/planner.py`).

Memory is bounded by the concurrency: calls are pulled from an iterator a chunk ahead, results are handed on as they
arrive. A worker keeps its place until its answer is saved, so a kill loses at most as many answers as there are places.

However a run ends, what is at the model is waited for, and what was sent is delivered: as an entry of the ledger, or
with attempts that are booked and logged, or, while DynamoDB takes nothing, in arrears that the next run settles
(`arrears.py`). Only a killed process cannot do that; then its claims tell the next run.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from manga_enrichment.domain.outcomes.answers import LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.pipeline.engine.arrears import Keep, UnsavedCalls
from manga_enrichment.pipeline.engine.call_loop import Caller
from manga_enrichment.pipeline.engine.calls import Call, CallResult, EngineSettings
from manga_enrichment.pipeline.engine.claims import Claims
from manga_enrichment.pipeline.engine.endings import Endings
from manga_enrichment.pipeline.engine.failures import cancelled, raise_first
from manga_enrichment.pipeline.engine.faults.suspicion import Suspicion, Told, Turn
from manga_enrichment.pipeline.engine.feed import Deliver, Feed
from manga_enrichment.pipeline.engine.group_commit import LedgerWriter
from manga_enrichment.pipeline.engine.loop_watch import watch_loop
from manga_enrichment.pipeline.engine.money.budget import RunBudget
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry
from manga_enrichment.pipeline.engine.rate.rate_limiter import Limiter
from manga_enrichment.pipeline.engine.results import entry_of, settled, unsettled
from manga_enrichment.pipeline.engine.sources import Inbox, Listed
from manga_enrichment.pipeline.engine.verdicts import CallOutcome

DRAIN_SECONDS = 60.0  # how long a run that ends still tries to save what was at the model
CUT_SECONDS = 10.0  # the same for one that was cancelled
FLUSH_SECONDS = 600.0  # how long writing down what is in no ledger entry is tried

_Task = asyncio.Task[None]


class Engine:
    """Asks for a stream of calls within one event loop. One engine runs once.

    may_ask is looked at before every attempt, from the event loop; a call it refuses is left (`stopped`).
    """

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
        may_ask: Callable[[Call], bool] = lambda _call: True,
    ) -> None:
        self._places: asyncio.Semaphore | None = None
        self._clock, self._settings, self._provenance, self._budget = clock, settings, provenance, budget
        retry = self._outage_retry = OutageRetry(clock, clock.monotonic_seconds() + settings.deadline_seconds)
        self.endings = Endings(budget, retry, clock, settings.deadline_seconds, may_ask)
        self._claims = Claims(ledger, budget.spender, clock, retry, settings)
        until, ending, stake = self.endings.until, self.endings.of_call, self._claims.raise_stake
        self._caller = Caller(model, limiter, budget, clock, rng, until=until, ending=ending, stake=stake)
        self._suspicion = Suspicion()
        self._writer = LedgerWriter(ledger, budget, clock, retry)
        self._feed = Feed(self._claims, clock, retry, self.endings, provenance, settings, queued=self._call_worker)
        self._workers: list[_Task] = []
        self._idle_workers = 0
        self._keeping: set[_Task] = set()  # workers whose call has been asked
        self._failures: list[BaseException] = []
        self._failed = asyncio.Event()
        budget.use(retry)

    def share(self, places: asyncio.Semaphore) -> None:
        """Before it runs: each call is in one of them, and more calls than its concurrency while some are free."""
        self._places = places

    async def run(
        self,
        calls: Iterable[Call | CallResult] | Inbox,
        deliver: Deliver,
        flush: Callable[[], None] = lambda: None,
        keep: Keep | None = None,
    ) -> None:
        """Bring every call to an outcome and hand each result to `deliver` (on the event loop's thread).

        calls: results among them are handed on as they are. Of an inbox: until it is closed; whoever puts calls in says
        what is `written_down`. flush: makes what was delivered last, in a worker thread, before claims are given up.
        keep: keeps what DynamoDB did not take, safe to repeat. Raises what gateways raise beyond their protocols.
        """
        self._unsaved = UnsavedCalls(self._writer, self._budget, keep)
        self._deliver = deliver
        self._suspicion.is_patient = self._caller.prompt_cache.is_patient = not isinstance(calls, Inbox)
        feeding = asyncio.create_task(self._feed_calls(calls))
        writing = asyncio.create_task(self._writer.write_groups())
        background = [writing, *self._watching()]
        is_cut = False
        try:
            await asyncio.wait([feeding, *background], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            is_cut = True
            raise
        finally:
            await self._drain(writing, is_cut=is_cut)
            await cancelled([feeding, *background], self._failures)
            await self._shut_down(flush)
        raise_first(self._failures)

    def _watching(self) -> Iterator[asyncio.Task[Any]]:
        """What goes on beside the workers until the run ends; any of them that ends, ends it."""
        keepers = self._claims.keep, self._budget.keep_lease, self._budget.watch_brake
        yield from (asyncio.create_task(keep()) for keep in keepers)
        yield asyncio.create_task(watch_loop(self._clock))
        yield asyncio.create_task(self._feed.watch_contended(self._deliver))
        yield asyncio.create_task(self._failed.wait())

    async def _feed_calls(self, calls: Iterable[Call | CallResult] | Inbox) -> None:
        """Nothing is claimed before the brake was looked at; when that fails, each call says so."""
        with suppress(StoreUnavailableError):
            await self._budget.know_brake()
        await self._feed.run(calls if isinstance(calls, Inbox) else Listed(calls, self._clock), self._deliver)
        await self._keep_all(self._suspicion.rest(is_cut=False))

    async def written_down(self, fingerprints: Iterable[str]) -> None:
        """What these calls cost is logged by whoever asked: claims that still stand for it are given up."""
        with suppress(StoreUnavailableError):  # they run out by themselves
            await self._claims.release([each for each in fingerprints if not self._feed.asks(each)])

    def _fail(self, error: Exception) -> None:
        """End the run because of an error that no gateway promises."""
        self._failures.append(error)
        self._failed.set()

    async def _drain(self, writing: _Task, *, is_cut: bool) -> None:
        """Nothing new is sent; what is at the model may come back, unless the run was cut; what came is saved.

        Nobody waits for a writer that has ended: what it did not save is tried once more in the end.
        """
        self.endings.is_over = True
        self._outage_retry.end_within(CUT_SECONDS if is_cut else DRAIN_SECONDS)
        for worker in self._workers:
            if worker not in self._keeping and (is_cut or worker not in self._caller.sending):
                worker.cancel()
        ends: list[asyncio.Future[Any]] = [asyncio.gather(*self._workers, return_exceptions=True), writing]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await cancelled(self._workers, self._failures)
        await self._keep_all(self._suspicion.rest(is_cut=True))

    async def _shut_down(self, flush: Callable[[], None]) -> None:
        """What was paid for, claims, unused budget; the next run need not wait for what we will not ask.

        Every step is tried, whatever the others raise. When nothing can be written down, claims stay as they are: what
        they say of money is said nowhere else then, and they tell the next run.
        """
        outage_retry = OutageRetry(self._clock, self._clock.monotonic_seconds() + FLUSH_SECONDS)
        await self._unsaved.settle(lambda result: self._feed.finish(result, self._deliver), outage_retry)
        if await self._tried(outage_retry.call(flush)):
            claims = self._claims.held
            is_released = await self._tried(self._claims.release_all(), tolerated=StoreUnavailableError)
            await self._unsaved.keep_money(() if is_released else claims, self._claims.owner, outage_retry)
        await self._tried(self._budget.close(), tolerated=StoreUnavailableError)  # the lease runs out by itself

    async def _tried(self, step: Awaitable[None], tolerated: type[Exception] | tuple[()] = ()) -> bool:
        """Whether a step of the shutdown went through; its error is raised when all were tried."""
        try:
            await step
        except tolerated:
            return False
        except Exception as error:  # noqa: BLE001 (see above)
            self._failures.append(error)
            return False
        return True

    def _call_worker(self) -> None:
        """One more, when no idle one is left for what is queued."""
        is_short = self._feed.queue.qsize() > self._idle_workers
        are_free = self._places is not None and not self._places.locked()
        has_room = are_free or len(self._workers) < self._settings.concurrency
        if is_short and has_room and not self.endings.is_over:
            worker = asyncio.create_task(self._work())
            self._idle_workers += 1
            worker.add_done_callback(lambda _worker: self._failed.set())
            self._workers.append(worker)

    async def _work(self) -> None:
        """One call after the other. Cancelled while it asks, it still tells what was sent, and ends."""
        task: asyncio.Task[Any] | None = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine that runs is some task's)
        while not self.endings.is_over:
            call = await self._feed.queue.get()
            self._idle_workers -= 1
            async with self._places or nullcontext():
                await self._ask(call, task)

    async def _ask(self, call: Call, task: asyncio.Task[Any]) -> None:
        turn = Turn()
        outcome = await self._caller.ask(call, partial(self._ready, turn), self._feed.lost.pop(call.fingerprint, 0))
        self._keeping.add(task)
        try:
            await self._keep_all(self._suspicion.heard(turn, call, outcome))
        finally:
            self._idle_workers += 1
            self._keeping.discard(task)
            self._feed.queue.task_done()

    async def _ready(self, turn: Turn) -> None:
        await self._outage_retry.ready()
        await self._suspicion.enter(turn)

    async def _keep_all(self, told: Iterable[Told]) -> None:
        left = list(told)
        while left:
            try:
                await self._keep(*left.pop(0))
            except Exception as error:  # noqa: BLE001 (ends the run, after what others have at the model)
                self._fail(error)
            except BaseException:
                for each in left:
                    self._unsaved.add(*each, None)
                raise

    async def _keep(self, call: Call, outcome: CallOutcome) -> None:
        """Save or book what came of a call, then tell it."""
        if outcome.failure is not None:
            self._fail(outcome.failure)
        entry: LedgerEntry | None = None
        try:
            if outcome.error_class is None or not TREATMENTS[outcome.error_class].transient:
                entry = entry_of(call, outcome, self._provenance.of_claim(call.claim), self._clock.now())
                result = settled(call, outcome, await self._writer.save(entry))
                self._claims.settled(call.fingerprint)
            else:
                result = await self._pass_over(call, outcome, outcome.error_class)
        except BaseException as error:  # what was paid for must not be forgotten, whatever ends the waiting
            self._unsaved.add(call, outcome, entry)
            if isinstance(error, StoreUnavailableError):
                return
            raise
        self._feed.finish(result, self._deliver)

    async def _pass_over(self, call: Call, outcome: CallOutcome, error_class: ErrorClass) -> CallResult:
        """A failure that another run may do better with. What it cost keeps its claim until that is written down."""
        if TREATMENTS[error_class].stops_analysis:
            self.endings.stopped_by, self.endings.stopped_message = error_class, outcome.message
        await self._budget.book_unledgered(outcome.cost_micro_usd)
        if not outcome.cost_micro_usd:
            with suppress(StoreUnavailableError):  # given up when the run ends
                await self._claims.release([call.fingerprint])
        return unsettled(call, outcome, outcome.message)
