"""Engines that the requests of a resident run share: one per partner and model, since money is a partner's.

Belongs here: opening them, handing each request its own results, letting them end. Stays out: the engine
(`pipeline/engine/engine.py`), whose call goes next (`fair_turns.py`), what a request does with its results
(`request_steps.py`).

An engine takes calls for a minute at most; then a new one is opened and the old one ends when its calls have. So its
deadline, what it knows of an empty budget, and what stopped it last no longer than that.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.requests.policies import NO_POLICIES, PartnerPolicies, PartnerPolicy
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.invocation import Invocation
from manga_enrichment.pipeline.engine.outage_retry import in_thread
from manga_enrichment.pipeline.engine.sources import Inbox
from manga_enrichment.pipeline.log.arrears import keep_arrears
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER
from manga_enrichment.pipeline.resident.fair_turns import FairTurns

TAKES_CALLS_SECONDS = 60.0
IDLE_SECONDS = 5.0
REACHABLE_SECONDS = 60.0


@dataclass(slots=True)
class Asked:
    """What came of the calls that one request put in. failure: why there is no result for some.

    provenance: what the ledger says of who paid.
    """

    provenance: Provenance
    results: list[CallResult] = field(default_factory=list)
    failure: BaseException | None = None


class _Wait:
    def __init__(self, asked: Asked, calls: int) -> None:
        self.asked = asked
        self._missing = calls
        self.over = asyncio.Event()

    def add(self, result: CallResult) -> None:
        self.asked.results.append(result)
        self._missing -= 1
        if not self._missing:
            self.over.set()

    def fail(self, error: BaseException | None) -> None:
        self.asked.failure = error
        self.over.set()


class _Shared:
    """One engine and who waits for it."""

    def __init__(self, engine: Engine, provenance: Provenance, opened_at: float) -> None:
        self.engine = engine
        self.provenance = provenance
        self.inbox = Inbox()
        self.waits: dict[tuple[str, str], _Wait] = {}
        self.used_at = opened_at
        self.has_ended = False
        self.lost_words = False
        self.task: asyncio.Task[None] | None = None
        self._opened_at = opened_at
        self._is_retired = False

    def is_fresh(self, now: float) -> bool:
        """Whether it may take more calls."""
        is_over = self.has_ended or self.engine.endings.stopped_by is not None
        return not is_over and now - self._opened_at < TAKES_CALLS_SECONDS

    def put(self, key: tuple[str, str], wait: _Wait, calls: Sequence[Call]) -> None:
        self.waits[key] = wait
        self.inbox.put(calls)

    def deliver(self, result: CallResult) -> None:
        wait = self.waits.get((result.call.claim, result.call.analysis.name))
        if wait is not None:
            wait.add(result)

    def leave(self, key: tuple[str, str]) -> None:
        self.waits.pop(key, None)
        if self._is_retired:
            self.retire()

    def retire(self) -> None:
        """Take no more calls, and end once what was told is written down."""
        self._is_retired = True
        if not self.waits:
            self.inbox.close()

    def check_words(self) -> None:
        """Raises LookupError when somebody could not write down what a call cost: then the claims must tell of it."""
        if self.lost_words:
            raise LookupError("what some calls cost could not be written down: their claims run out by themselves")

    def end(self, error: BaseException | None) -> None:
        self.has_ended = True
        for wait in self.waits.values():
            wait.fail(error)


class SharedEngines:
    """Of one event loop."""

    def __init__(
        self,
        invocation: Invocation,
        tables: ObjectStore,
        run_id: str,
        may_ask: Callable[[Call], bool],
        *,
        places: int,
        open_calls: int,
        policies: PartnerPolicies = NO_POLICIES,
    ) -> None:
        """may_ask: whether a call's request is still ours and this run goes on.

        places: calls at a model at once; open_calls: those that an engine holds at most.
        """
        self._invocation = invocation
        self._clock = invocation.clock
        self._tables = tables
        self._run_id = run_id
        self._may_ask = may_ask
        self._places = places
        self._open_calls = open_calls
        self._policies = policies
        self._numbers = itertools.count(1)
        self._turns: dict[str, FairTurns] = {}
        self._open: dict[tuple[str, str], _Shared] = {}
        self._all: set[_Shared] = set()
        self._reached_at: float | None = None

    @asynccontextmanager
    async def asked(self, partner_id: str, calls: Sequence[Call]) -> AsyncIterator[Asked]:
        """What came of the calls of one request and analysis, which have one model and claim.

        What is in no ledger entry is to be written down within the block: until then the claims tell of it.
        """
        await self._check_reachable()
        policy = await in_thread(self._policies.of, partner_id)
        shared = self._engine(partner_id, calls[0].model, policy)
        claim = calls[0].claim
        wait = _Wait(Asked(replace(shared.provenance, claim=claim)), len(calls))
        key = claim, calls[0].analysis.name
        shared.put(key, wait, calls)
        try:
            await wait.over.wait()
            yield wait.asked
        except BaseException:
            shared.lost_words = True
            raise
        else:
            if not shared.has_ended:
                await shared.engine.written_down([call.fingerprint for call in calls])
        finally:
            shared.leave(key)

    async def keep_house(self) -> None:
        """Until cancelled: let engines end that nobody has asked for a while."""
        while True:
            await self._clock.sleep(IDLE_SECONDS)
            now = self._clock.monotonic_seconds()
            for shared in list(self._open.values()):
                if not shared.waits and now - shared.used_at >= IDLE_SECONDS:
                    self._retire(shared)

    async def close(self) -> None:
        """Let all engines end; nobody waits for them any more."""
        for shared in list(self._open.values()):
            self._retire(shared)
        await asyncio.gather(*(each.task for each in self._all if each.task is not None), return_exceptions=True)

    async def cut(self) -> None:
        """End all engines now: what is at the model is told as lost, and whoever waits gets what there is."""
        tasks = [each.task for each in self._all if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _check_reachable(self) -> None:
        """Raises ModelError when nobody answers at the model's endpoint; looked at once a minute."""
        now = self._clock.monotonic_seconds()
        if self._reached_at is None or now - self._reached_at > REACHABLE_SECONDS:
            await self._invocation.model.check_reachable()
            self._reached_at = now

    def _engine(self, partner_id: str, model: ModelSpec, policy: PartnerPolicy) -> _Shared:
        key, now = (partner_id, model.model_id), self._clock.monotonic_seconds()
        known = self._open.get(key)
        if known is not None and known.is_fresh(now):
            return known
        if known is not None:
            self._retire(known)
        fresh = self._open[key] = self._opened(key, model, policy, now)
        return fresh

    def _opened(self, key: tuple[str, str], model: ModelSpec, policy: PartnerPolicy, now: float) -> _Shared:
        partner_id, model_id = key
        today = self._clock.now().date().isoformat()
        provenance = Provenance(self._run_id, today, PARTNER_TRIGGER, partner_id)
        if model_id not in self._turns:
            self._turns[model_id] = FairTurns(self._invocation.limiter(model), self._places, self._clock)
        engine = self._invocation.engine(
            model,
            provenance,
            f"{self._run_id}:{partner_id}:{model_id}:{next(self._numbers)}",
            may_ask=self._may_ask,
            limiter=self._turns[model_id].of(partner_id, policy.places(self._places)),
            concurrency=self._open_calls,
            policy=policy,
        )
        shared = _Shared(engine, provenance, now)
        self._all.add(shared)
        shared.task = asyncio.create_task(self._run(shared))
        return shared

    async def _run(self, shared: _Shared) -> None:
        ended: BaseException | None = None
        deliver = self._invocation.counted(shared.deliver)
        try:
            await shared.engine.run(shared.inbox, deliver, shared.check_words, partial(keep_arrears, self._tables))
        except asyncio.CancelledError:
            ended = None  # cut: whoever waits gets what there is
        except Exception as error:  # noqa: BLE001 (told to each request that waits for it)
            ended = error
        except BaseException as error:
            ended = error
            raise
        finally:
            shared.end(ended)
            self._all.discard(shared)
            self._invocation.forget(shared.engine)

    def _retire(self, shared: _Shared) -> None:
        shared.retire()
        self._open = {key: each for key, each in self._open.items() if each is not shared}
