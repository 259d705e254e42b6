"""Ask for what a plan says is missing: from plan files to the ledger.

    plan files ─► calls of all analyses, bucket by bucket ─► places that they share ─► ledger
                                                   a bucket that is done ─► log, kept entries, `done` beside the rest

Belongs here: a run's analyses asked together, keeping what the ledger does not (deferrals, passing failures), learning
for later runs. Stays out: the calls (`planned_calls.py`), the engine (`pipeline/engine/invocation.py`), and the tables
(`pipeline/enrichment/write.py`).
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.invocation import Invocation, InvokeGateways, InvokeSettings, open_invocation
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.money.budget import scopes_of
from manga_enrichment.pipeline.engine.outage_retry import in_thread
from manga_enrichment.pipeline.engine.results import deferred
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment.pipeline.enrichment.asking.done_buckets import DoneBuckets
from manga_enrichment.pipeline.enrichment.asking.planned_calls import planned_calls
from manga_enrichment.pipeline.enrichment.calibrations import write_calibration
from manga_enrichment.pipeline.log.arrears import keep_arrears, settle_arrears
from manga_enrichment.pipeline.log.kept_entries import KeptEntries
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Written = Callable[[str], Iterator[None]]
"""What is to be done about a bucket whose calls have ended, in a worker thread. Once all calls have ended, no further
than to the next `yield`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one analysis. spender: a name no other execution has. planned: titles that the plan has."""

    analysis: AnalysisType
    model: ModelSpec
    spender: str
    planned: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """One analysis on its way. kept, unledgered: what came of its calls, by bucket."""

    wanted: Wanted
    invocation: Invocation
    kept: KeptEntries
    unledgered: UnledgeredAttempts

    def told(self, result: CallResult) -> None:
        self.kept.add(result)
        self.unledgered.add(result)

    def flush(self, tables: ObjectStore) -> None:
        self.kept.write(tables, self.wanted.analysis.name)
        self.unledgered.write(tables, self.wanted.analysis.name)

    def flush_bucket(self, tables: ObjectStore, bucket: str) -> None:
        self.kept.write_bucket(tables, self.wanted.analysis.name, bucket)
        self.unledgered.write_bucket(tables, self.wanted.analysis.name, bucket)


class Invoking:
    """Asks over the buckets of a run."""

    def __init__(self, *, tables: ObjectStore, gateways: InvokeGateways, settings: InvokeSettings) -> None:
        self._tables = tables
        self._gateways = gateways
        self._clock = gateways.clock
        self._settings = settings

    def invoke(
        self,
        wanted: Sequence[Wanted],
        buckets: Sequence[str],
        provenance: Provenance,
        *,
        say: Callable[[str], None],
        written: Written | None = None,
    ) -> dict[str, InvokeReport | Exception]:
        """Bring every planned call to an outcome; by analysis the report, or what its engine raised.

        say: told of progress every 10 s. written: None when nothing is to be done before all calls have ended. Raises
        ConfigurationError, and what gateways raise before the first call.
        """
        gateways, now = self._gateways, self._clock.now()
        settle_arrears(self._tables, gateways.ledger, gateways.budget, now)
        counters = [scope.counter for scope in scopes_of(provenance, self._settings.caps)]
        # What a killed run set aside is free again.
        gateways.budget.close_abandoned(counters, now - self._settings.engine.clock_skew)
        return self._clock.run(self._invoke(wanted, buckets, provenance, say, written))

    async def _invoke(
        self,
        wanted: Sequence[Wanted],
        buckets: Sequence[str],
        provenance: Provenance,
        say: Callable[[str], None],
        written: Written | None,
    ) -> dict[str, InvokeReport | Exception]:
        tallies = [Tally(each.analysis.name, each.planned) for each in wanted]
        pending = await in_thread(BatchStore(self._tables).pending, buckets)
        done = DoneBuckets(buckets, (each.analysis.name for each in wanted))
        async with open_invocation(self._gateways, self._settings, tallies[0], provenance.run_id, say) as invocation:
            await invocation.reach()
            invocations = [invocation, *map(invocation.beside, tallies[1:])]
            asked = [
                _Asked(each, own, KeptEntries(provenance), UnledgeredAttempts(provenance, self._clock))
                for each, own in zip(wanted, invocations, strict=True)
            ]
            logged = asyncio.Queue[str | None]()
            beside = [asyncio.create_task(self._log_done(asked, done, logged))]
            if written:
                beside.append(asyncio.create_task(self._write_logged(logged, done, written)))
            try:
                asking = (self._ask(each, buckets, provenance, pending, done, len(asked)) for each in asked)
                found = await asyncio.gather(*asking, return_exceptions=True)
            finally:
                done.close()
                await asyncio.wait(beside)
            for each in beside:
                each.result()  # raises what is no error of a bucket's, but an end of the process
        return {each.wanted.analysis.name: _no_less(result) for each, result in zip(asked, found, strict=True)}

    async def _ask(
        self,
        asked: _Asked,
        buckets: Sequence[str],
        provenance: Provenance,
        pending: Collection[str],
        done: DoneBuckets,
        analyses: int,
    ) -> InvokeReport:
        wanted = asked.wanted
        name, invocation = wanted.analysis.name, asked.invocation
        opened = partial(done.opened, name)
        calls = planned_calls(self._tables, wanted.analysis, wanted.model, buckets, provenance.run_id, opened)

        def told(result: CallResult) -> None:
            asked.told(result)
            done.told(result.call.bucket)

        engine = invocation.engine(wanted.model, provenance, wanted.spender, engines=analyses)
        keep, flush = partial(keep_arrears, self._tables), partial(asked.flush, self._tables)
        await engine.run(_not_pending(calls, pending), invocation.counted(told), flush, keep)
        learned = invocation.tally.calibration()
        if learned is not None:
            await in_thread(write_calibration, self._tables, name, wanted.model.model_id, learned)
        return invocation.report()

    async def _log_done(self, asked: Sequence[_Asked], done: DoneBuckets, logged: "asyncio.Queue[str | None]") -> None:
        """Before its tables are written, for which it need not wait: so little is left when the last call has ended.

        Whatever goes wrong here is met again, and told, as the engines end.
        """
        try:
            while (bucket := await done.next()) is not None:
                flushed = (in_thread(each.flush_bucket, self._tables, bucket) for each in asked)
                if not _said_why(bucket, await asyncio.gather(*flushed, return_exceptions=True)):
                    logged.put_nowait(bucket)
        finally:
            logged.put_nowait(None)

    async def _write_logged(self, logged: "asyncio.Queue[str | None]", done: DoneBuckets, written: Written) -> None:
        """Whatever goes wrong here is met again, and told, by who writes what is not written yet."""
        while (bucket := await logged.get()) is not None:
            steps = written(bucket)
            try:
                while not done.is_closed and await in_thread(next, steps, _END) is not _END:
                    pass
            except Exception as error:  # noqa: BLE001 (see above)
                _said_why(bucket, [error])


_END = object()


def _said_why(bucket: str, found: Iterable[BaseException | None]) -> bool:
    """Whether an error is among it. Raises what is none, and yet no result."""
    errors = [each for each in map(_no_less, found) if each is not None]
    for error in errors:
        _log.warning("bucket %s is not written yet: %s", bucket, error)
    return bool(errors)


def _no_less(result: _T | BaseException) -> _T | Exception:
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        raise result
    return result


def _not_pending(calls: Iterator[Call], pending: Collection[str]) -> Iterator[Call | CallResult]:
    """Calls; of those that a batch job took over since the plan was made, what becomes of them."""
    for call in calls:
        yield deferred(call, ErrorClass.BATCH_PENDING) if call.fingerprint in pending else call
