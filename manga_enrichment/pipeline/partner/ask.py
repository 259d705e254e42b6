"""Ask for what a partner plan lacks: one analysis, many partners, the same engine, ledger and budget as every night.

Belongs here: calls from planned calls, one engine per partner and model (spend is booked on the partner), stopping in
good order. Stays out: the engine itself, and what the answers become (`collect.py`).
"""

import asyncio
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog, ModelSpec
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.prompts.conversations import CONVERSATION, Turn, conversation_inputs, conversation_prompt
from manga_enrichment.domain.prompts.prompt import build_prompt
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.budget import RunBudget, scopes_of
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.estimates import estimate_call
from manga_enrichment.pipeline.engine.rate_limiter import RateLimiter
from manga_enrichment.pipeline.engine.tally import InvokeReport, Tally
from manga_enrichment.pipeline.enrichment.ask import InvokeSettings
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts
from manga_enrichment.pipeline.partner.plan import PlannedCall

TRIGGER = "partner"
PROGRESS_SECONDS = 10.0
_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Stopping:
    """holds: whether a request's lease is still ours. asked: set when this process is to end.

    grace_seconds: how long calls in flight may take after that.
    """

    holds: Callable[[str], bool]
    asked: threading.Event
    grace_seconds: float

    def may_ask(self, wanted_by: Iterable[str]) -> bool:
        return not self.asked.is_set() and any(self.holds(request_id) for request_id in wanted_by)


@dataclass(slots=True)
class _Group:
    """Calls of one partner and model, which share an engine."""

    partner_id: str
    model: ModelSpec
    calls: list[Call]


@dataclass(frozen=True, slots=True)
class AskingGateways:
    """What asking talks to."""

    tables: ObjectStore
    ledger: ResultLedger
    budget: BudgetStore
    open_model: Callable[[], FoundationModel]
    clock: Clock


class PartnerAsking:
    def __init__(
        self,
        gateways: AskingGateways,
        settings: InvokeSettings,
        analyses: Mapping[str, AnalysisType],
        models: ModelCatalog,
    ) -> None:
        self._gateways = gateways
        self._settings = settings
        self._analyses = {**analyses, CONVERSATION.name: CONVERSATION}
        self._models = models

    def ask(
        self,
        name: str,
        planned: Iterable[PlannedCall],
        provenance: Provenance,
        stopping: Stopping,
        *,
        spender: str,
        say: Callable[[str], None],
    ) -> InvokeReport:
        """Bring the planned calls of analysis `name` to an outcome.

        provenance: without a partner. spender: a name no other execution has. Raises ConfigurationError.
        """
        own = [call for call in planned if call.analysis == name]
        wanted_by: dict[str, set[str]] = {}
        for call in own:
            wanted_by.setdefault(call.fingerprint, set()).update(call.request_ids)
        asking = _Asking(self._gateways, self._settings, name, provenance, spender)
        return self._gateways.clock.run(asking.run(self._groups(own), stopping, wanted_by, say))

    def _groups(self, planned: Iterable[PlannedCall]) -> list[_Group]:
        groups: dict[tuple[str, str], _Group] = {}
        for each in planned:
            call = self._call(each)
            key = (each.partner_id, call.model.model_id)
            groups.setdefault(key, _Group(each.partner_id, call.model, [])).calls.append(call)
        return list(groups.values())

    def _call(self, planned: PlannedCall) -> Call:
        analysis = self._analyses[planned.analysis]
        model = self._models.resolve(planned.model_alias or analysis.model_alias)
        if analysis is CONVERSATION:
            inputs = conversation_inputs(planned.request_ids[0])
            history = [Turn(role, content) for role, content in planned.history]
            prompt = conversation_prompt(planned.schema, planned.body, history, model)
        else:
            inputs = planned.inputs()
            prompt = build_prompt(analysis, inputs, model)
        return Call(
            fingerprint=planned.fingerprint,
            bucket=planned.bucket,
            analysis=analysis,
            model=model,
            inputs=inputs,
            prompt=prompt,
            estimate=estimate_call(analysis, model, prompt),
        )


class _Asking:
    """One execution of `ask`."""

    def __init__(
        self, gateways: AskingGateways, settings: InvokeSettings, name: str, provenance: Provenance, spender: str
    ) -> None:
        self._gateways = gateways
        self._clock = gateways.clock
        self._settings = settings
        self._name = name
        self._provenance = provenance
        self._spender = spender
        self._tally = Tally(name)
        self._stopped_by = ""
        self._stopped_message = ""

    async def run(
        self,
        groups: Sequence[_Group],
        stopping: Stopping,
        wanted_by: Mapping[str, Iterable[str]],
        say: Callable[[str], None],
    ) -> InvokeReport:
        """wanted_by: the requests that wait for a fingerprint."""
        started = self._clock.monotonic_seconds()
        limiters = {group.model.model_id: self._limiter() for group in groups}
        model = self._gateways.open_model()

        def may_ask(call: Call) -> bool:
            return stopping.may_ask(wanted_by[call.fingerprint])

        asking = asyncio.create_task(self._ask_all(groups, limiters, model, may_ask))
        watching = [asyncio.create_task(self._say_progress(say)), asyncio.create_task(self._watch(asking, stopping))]
        try:
            await asking
        except asyncio.CancelledError:
            if not stopping.asked.is_set():
                raise
        finally:
            for task in watching:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await model.close()
        return self._tally.report(
            seconds=self._clock.monotonic_seconds() - started,
            throttled=sum(limiter.throttled for limiter in limiters.values()),
            stopped_by=self._stopped_by,
            stopped_message=self._stopped_message,
        )

    async def _ask_all(
        self,
        groups: Sequence[_Group],
        limiters: Mapping[str, RateLimiter],
        model: FoundationModel,
        may_ask: Callable[[Call], bool],
    ) -> None:
        """All groups at once, as far as the concurrency goes; the first to fail ends all of them."""
        at_once = asyncio.Semaphore(self._settings.engine.concurrency)
        await model.check_reachable()

        async def ask(group: _Group) -> None:
            async with at_once:
                limiter = limiters[group.model.model_id]
                await self._ask_group(group, self._engine(group, model, limiter, len(groups), may_ask))

        try:
            async with asyncio.TaskGroup() as tasks:
                for group in groups:
                    tasks.create_task(ask(group))
        except* Exception as failures:  # noqa: BLE001 (unwrapped, not swallowed)
            raise failures.exceptions[0] from None

    async def _ask_group(self, group: _Group, engine: Engine) -> None:
        unledgered = UnledgeredAttempts(self._provenance_of(group), self._clock)

        def deliver(result: CallResult) -> None:
            self._tally.add(result)
            unledgered.add(result)

        try:
            await engine.run(group.calls, deliver)
        finally:
            unledgered.write(self._gateways.tables, self._name)
            if engine.stopped_by:
                self._stopped_by, self._stopped_message = engine.stopped_by.value, engine.stopped_message

    def _engine(
        self,
        group: _Group,
        model: FoundationModel,
        limiter: RateLimiter,
        engines: int,
        may_ask: Callable[[Call], bool],
    ) -> Engine:
        """`engines` of them share the concurrency of the run."""
        provenance = self._provenance_of(group)
        spender = f"{self._spender}:{group.partner_id}:{group.model.model_id}"
        scopes = scopes_of(provenance, self._settings.caps)
        own = replace(self._settings.engine, concurrency=max(1, self._settings.engine.concurrency // engines))
        return Engine(
            model=model,
            ledger=self._gateways.ledger,
            budget=RunBudget(self._gateways.budget, scopes, spender, self._clock),
            limiter=limiter,
            clock=self._clock,
            rng=random.Random(spender),  # noqa: S311
            provenance=provenance,
            settings=own,
            may_ask=may_ask,
        )

    def _provenance_of(self, group: _Group) -> Provenance:
        return replace(self._provenance, trigger=TRIGGER, partner_id=group.partner_id)

    def _limiter(self) -> RateLimiter:
        return RateLimiter(
            self._clock,
            requests_per_minute=self._settings.requests_per_minute,
            tokens_per_minute=self._settings.tokens_per_minute,
        )

    async def _watch(self, asking: "asyncio.Task[None]", stopping: Stopping) -> None:
        """Once this process is to end, calls in flight get their grace and no more."""
        while not stopping.asked.is_set():
            await self._clock.sleep(_WATCH_SECONDS)
        await self._clock.sleep(stopping.grace_seconds)
        asking.cancel()

    async def _say_progress(self, say: Callable[[str], None]) -> None:
        while True:
            await self._clock.sleep(PROGRESS_SECONDS)
            say(self._tally.progress())
