"""Ask for what a partner plan lacks: one analysis, many partners, the same engine, ledger and budget as every night.

Belongs here: calls from planned calls, one engine per partner and model (spend is booked on the partner), stopping in
good order. Stays out: the engines (`pipeline/engine/invocation.py`), and what the answers become (`ending/collect.py`).
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.specs import ModelCatalog, ModelSpec
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.prompts.conversations import CONVERSATION, Turn
from manga_enrichment.domain.requests.policies import PartnerPolicy
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.engine.build_call import ConversationQuestion, Question, build_call
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.failures import raise_first
from manga_enrichment.pipeline.engine.invocation import Invocation, InvokeGateways, InvokeSettings, open_invocation
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.outage_retry import in_thread
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment.pipeline.log.arrears import keep_arrears, settle_arrears
from manga_enrichment.pipeline.log.rows import PARTNER_TRIGGER
from manga_enrichment.pipeline.log.unledgered import UnledgeredAttempts
from manga_enrichment.pipeline.partner.holding.leases import LOOK_SECONDS
from manga_enrichment.pipeline.partner.plan import PlannedCall

_WATCH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Stopping:
    """wants: whether a request is still ours and not cancelled. asked: set when this process is to end.

    grace_seconds: how long calls in flight may take after that. look: finds out what was cancelled; it may block.
    """

    wants: Callable[[str], bool]
    asked: threading.Event
    grace_seconds: float
    look: Callable[[], None] = lambda: None

    def may_ask(self, wanted_by: Iterable[str]) -> bool:
        return not self.asked.is_set() and any(self.wants(request_id) for request_id in wanted_by)


@dataclass(slots=True)
class _Group:
    """Calls of one partner and model, which share an engine."""

    partner_id: str
    policy: PartnerPolicy
    model: ModelSpec
    calls: list[Call]


class PartnerAsking:
    def __init__(
        self,
        *,
        tables: ObjectStore,
        gateways: InvokeGateways,
        settings: InvokeSettings,
        analyses: Mapping[str, AnalysisType],
        models: ModelCatalog,
    ) -> None:
        self._tables = tables
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

        def may_ask(call: Call) -> bool:
            return stopping.may_ask(wanted_by[call.fingerprint])

        gateways = self._gateways
        settle_arrears(self._tables, gateways.ledger, gateways.budget, gateways.clock.now())
        asking = _Asking(self._tables, provenance, spender, may_ask)
        return gateways.clock.run(self._ask(name, asking, self._groups(own), stopping, say))

    def calls(self, name: str, planned: Iterable[PlannedCall], claim: str = "") -> list[Call]:
        """The planned calls of analysis `name`, ready to be asked. claim: of the request that they are for."""
        own = (each for each in planned if each.analysis == name)
        return [replace(build_call(self._question(each), each.bucket), claim=claim) for each in own]

    async def _ask(
        self,
        name: str,
        asking: "_Asking",
        groups: Sequence[_Group],
        stopping: Stopping,
        say: Callable[[str], None],
    ) -> InvokeReport:
        tally = Tally(name, sum(len(group.calls) for group in groups))
        async with open_invocation(self._gateways, self._settings, tally, asking.run_id, say) as invocation:
            task = asyncio.create_task(asking.run(invocation, groups, self._settings.engine.concurrency))
            watching = asyncio.gather(
                _end_in_time(task, stopping, self._gateways.clock), _look_for_cancelled(stopping, self._gateways.clock)
            )
            try:
                await task
            except asyncio.CancelledError:
                if not stopping.asked.is_set():
                    raise
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
        return invocation.report()

    def _groups(self, planned: Iterable[PlannedCall]) -> list[_Group]:
        groups: dict[tuple[str, str], _Group] = {}
        for each in planned:
            call = build_call(self._question(each), each.bucket)
            key = (each.partner_id, call.model.model_id)
            if key not in groups:
                groups[key] = _Group(each.partner_id, self._settings.policies.of(each.partner_id), call.model, [])
            groups[key].calls.append(call)
        return list(groups.values())

    def _question(self, planned: PlannedCall) -> Question:
        analysis = self._analyses[planned.analysis]
        model = self._models.resolve_in(self._settings.lane, planned.model_alias or analysis.model_alias)
        if analysis is not CONVERSATION:
            return Question(analysis, model, planned.inputs())
        history = [Turn(role, content) for role, content in planned.history]
        titles = planned.candidates if planned.knows_catalog else None
        told = (planned.request_ids[0], planned.schema, planned.body, history, model, titles)
        return ConversationQuestion(*told, self._settings.guardrail)


class _Asking:
    """One execution of `ask`."""

    def __init__(
        self, tables: ObjectStore, provenance: Provenance, spender: str, may_ask: Callable[[Call], bool]
    ) -> None:
        self._tables = tables
        self._provenance = provenance
        self._spender = spender
        self._may_ask = may_ask
        self.run_id = provenance.run_id

    async def run(self, invocation: Invocation, groups: Sequence[_Group], concurrency: int) -> None:
        """All groups at once, as far as the concurrency goes; one that fails leaves the others at their work."""
        at_once = asyncio.Semaphore(concurrency)
        await invocation.reach()

        async def ask(group: _Group) -> None:
            async with at_once:
                await self._ask_group(invocation, group, len(groups))

        ended = await asyncio.gather(*map(ask, groups), return_exceptions=True)
        raise_first([each for each in ended if isinstance(each, Exception)])

    async def _ask_group(self, invocation: Invocation, group: _Group, engines: int) -> None:
        provenance = replace(self._provenance, trigger=PARTNER_TRIGGER, partner_id=group.partner_id)
        unledgered = UnledgeredAttempts(provenance, invocation.clock)
        spender = f"{self._spender}:{group.partner_id}:{group.model.model_id}"
        engine = invocation.engine(
            group.model, provenance, spender, engines=engines, may_ask=self._may_ask, policy=group.policy
        )
        flush = partial(unledgered.write, self._tables, invocation.tally.analysis)
        keep = partial(keep_arrears, self._tables)
        await engine.run(group.calls, invocation.counted(unledgered.add), flush, keep)


async def _look_for_cancelled(stopping: Stopping, clock: Clock) -> None:
    while True:
        await clock.sleep(LOOK_SECONDS)
        await in_thread(stopping.look)


async def _end_in_time(asking: "asyncio.Task[None]", stopping: Stopping, clock: Clock) -> None:
    """Once this process is to end, calls in flight get their grace and no more."""
    while not stopping.asked.is_set():
        await clock.sleep(_WATCH_SECONDS)
    await clock.sleep(stopping.grace_seconds)
    asking.cancel()
