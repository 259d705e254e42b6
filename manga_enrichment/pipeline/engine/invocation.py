"""One op execution that asks a model: engines put together, counted as one, their progress said.

Belongs here: one model client for all engines of the execution, a rate limiter per model with its share of the quota, a
tally for each analysis or for all, the money each engine may spend. Stays out: which calls there are
(`pipeline/enrichment/asking/ask.py`, `pipeline/partner/ask.py`), keeping what the ledger does not
(`pipeline/log/unledgered.py`).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from manga_enrichment.domain.models.guardrails import Guardrail
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.operations.quota_lanes import LANE_WEIGHTS, NIGHT
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.domain.requests.policies import ANYTHING, NO_POLICIES, PartnerPolicies, PartnerPolicy
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.model import FoundationModel
from manga_enrichment.gateways.senders import SenderTable
from manga_enrichment.pipeline.engine.calls import Call, CallResult, EngineSettings
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.feed import Deliver
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.money.brake_watch import BrakeWatch
from manga_enrichment.pipeline.engine.money.budget import NO_CAPS, Caps, RunBudget, scopes_of
from manga_enrichment.pipeline.engine.rate.fair_share import FairShare
from manga_enrichment.pipeline.engine.rate.pace_words import held_by
from manga_enrichment.pipeline.engine.rate.rate_limiter import Limiter, RateLimiter
from manga_enrichment.pipeline.engine.rate.share_keeper import ShareKeeper
from manga_enrichment.pipeline.engine.tally import Tally

PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class InvokeSettings:
    """Limits of one op execution; None: no quota told, no cap. lane: one of those with a weight, which share quotas.

    policies: what partners may; asking for one may block. guardrail: of conversations; None: there is none.
    """

    engine: EngineSettings
    lane: str = NIGHT
    lane_weights: Mapping[str, float] = field(default_factory=lambda: LANE_WEIGHTS)
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    caps: Caps = NO_CAPS
    policies: PartnerPolicies = NO_POLICIES
    guardrail: Guardrail | None = None


@dataclass(frozen=True, slots=True)
class InvokeGateways:
    """What engines talk to."""

    ledger: ResultLedger
    budget: BudgetStore
    senders: SenderTable
    open_model: Callable[[], FoundationModel]
    clock: Clock


class Invocation:
    """Made by `open_invocation`. model: its client, open until the invocation ends."""

    def __init__(
        self, gateways: InvokeGateways, settings: InvokeSettings, tally: Tally, run_id: str, model: FoundationModel
    ) -> None:
        self.model = model
        self.clock = gateways.clock
        self.tally = tally
        self._gateways = gateways
        self._settings = settings
        self._run_id = run_id
        self._beside: list[Invocation] = []
        self._places: asyncio.Semaphore | None = None
        self._brake_watch = BrakeWatch(gateways.budget, gateways.clock)
        self._limiters: dict[str, RateLimiter] = {}
        self._sender = f"{run_id}:{tally.analysis}"
        self._keepers: list[ShareKeeper] = []
        self._engines: list[Engine] = []
        self._started = gateways.clock.monotonic_seconds()

    def beside(self, tally: Tally) -> "Invocation":
        """Of another analysis, counted apart: it asks through the same client, at the same pace, in the same places.

        To be made before any engine; all of them are closed with the first.
        """
        self._places = self._places or asyncio.Semaphore(self._settings.engine.concurrency)
        other = Invocation(self._gateways, self._settings, tally, self._run_id, self.model)
        other._places, other._limiters, other._keepers = self._places, self._limiters, self._keepers
        other._sender, other._brake_watch = self._sender, self._brake_watch
        self._beside.append(other)
        return other

    async def reach(self) -> None:
        """Raises ModelError when nobody answers at the endpoint, at the deadline at the latest."""
        await self.model.check_reachable(self._settings.engine.deadline_seconds)

    def engine(
        self,
        model: ModelSpec,
        provenance: Provenance,
        spender: str,
        *,
        engines: int = 1,
        may_ask: Callable[[Call], bool] = lambda _call: True,
        limiter: Limiter | None = None,
        concurrency: int | None = None,
        policy: PartnerPolicy = ANYTHING,
    ) -> Engine:
        """One more engine. spender: a name no other has. policy: of the partner whose money it is. engines: so many
        share the concurrency of the execution. limiter, concurrency: in place of the model's own and of that share.
        """
        places = self._settings.engine.concurrency
        concurrency = concurrency or min(max(1, places // engines), policy.places(places))
        engine = Engine(
            model=self.model,
            ledger=self._gateways.ledger,
            budget=self._budget(provenance, policy, spender),
            limiter=limiter or self.limiter(model),
            clock=self.clock,
            rng=random.Random(spender),  # noqa: S311
            provenance=provenance,
            settings=replace(self._settings.engine, concurrency=concurrency),
            may_ask=may_ask,
        )
        if self._places is not None:
            engine.share(self._places)
        self._engines.append(engine)
        return engine

    def _budget(self, provenance: Provenance, policy: PartnerPolicy, spender: str) -> RunBudget:
        caps = self._settings.caps.with_partners(policy.micro_usd_per_day, policy.micro_usd_per_month)
        return RunBudget(self._gateways.budget, scopes_of(provenance, caps), spender, self.clock, self._brake_watch)

    def forget(self, engine: Engine) -> None:
        """It has ended, and its process stays."""
        self._engines.remove(engine)

    def counted(self, keep: Deliver) -> Deliver:
        """Deliver to the tally, then to `keep`."""

        def deliver(result: CallResult) -> None:
            self.tally.add(result)
            keep(result)

        return deliver

    def report(self) -> InvokeReport:
        stopped = next((engine.endings for engine in self._engines if engine.endings.stopped_by), None)
        return self.tally.report(
            seconds=self.clock.monotonic_seconds() - self._started,
            stopped_by=stopped.stopped_by.value if stopped and stopped.stopped_by else "",
            stopped_message=stopped.stopped_message if stopped else "",
        )

    async def say_progress(self, say: Callable[[str], None]) -> None:
        """One line for all analyses, those that have most to do before others."""
        while True:
            asking = [self, *self._beside]
            titles, throttled = [each.tally.titles for each in asking], self._throttled()
            await self.clock.sleep(PROGRESS_SECONDS)
            held, lines = self._held_by(self._throttled() - throttled), []
            for each, before in sorted(zip(asking, titles, strict=True), key=lambda pair: -pair[0].tally.left):
                if each is self or each.tally.left:
                    per_second = (each.tally.titles - before) / PROGRESS_SECONDS
                    lines.append(each.tally.progress(per_second, self._throttled() if each is self else 0, held))
            say(" | ".join(lines))

    def _held_by(self, refused_lately: int) -> str:
        engines = [engine for each in (self, *self._beside) for engine in each._engines]  # noqa: SLF001 (its like)
        waits_for = next((each.endings.waits_for for each in engines if each.endings.waits_for), "")
        return waits_for or held_by(
            self._limiters.values(),
            refused_lately=refused_lately,
            now=self.clock.monotonic_seconds(),
            latency_ms=self.tally.latency_p50_ms,
            places=self._settings.engine.concurrency,
        )

    def _throttled(self) -> int:
        """Calls that the quota refused; they were sent again."""
        return sum(limiter.throttled for limiter in self._limiters.values())

    async def close(self) -> None:
        """Give up the shares of quotas, then the model's client."""
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers))
        await self.model.close()

    def limiter(self, model: ModelSpec) -> RateLimiter:
        """A quota is a model's: engines that ask the same one share it."""
        known = self._limiters.get(model.model_id)
        if known is None:
            settings = self._settings
            known = self._limiters[model.model_id] = RateLimiter(
                self.clock,
                requests_per_minute=settings.requests_per_minute,
                tokens_per_minute=settings.tokens_per_minute,
            )
            share = FairShare(known, self.clock, self._sender, settings.lane, settings.lane_weights)
            self._keepers.append(ShareKeeper(self._gateways.senders, model.model_id, share, self.clock))
        return known


@asynccontextmanager
async def open_invocation(
    gateways: InvokeGateways, settings: InvokeSettings, tally: Tally, run_id: str, say: Callable[[str], None]
) -> AsyncIterator[Invocation]:
    """For the time of an `async with` block. tally: counts what comes of it. say: told of progress every 10 s."""
    invocation = Invocation(gateways, settings, tally, run_id, gateways.open_model())
    progress = asyncio.create_task(invocation.say_progress(say))
    try:
        yield invocation
    finally:
        progress.cancel()
        with suppress(asyncio.CancelledError):
            await progress
        await invocation.close()
