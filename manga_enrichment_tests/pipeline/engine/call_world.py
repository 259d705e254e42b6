"""Calls and engines for tests, over the in-memory gateways and virtual time."""

import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.gateways.budget import BudgetScope
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.call_loop import Caller
from manga_enrichment.pipeline.engine.calls import Call, CallResult, EngineSettings
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.money.budget import Caps, RunBudget, scopes_of
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, model_of, provenance, record
from manga_enrichment_tests.fakes import FakeClock, MemoryBudget, MemoryLedger, ScriptedModel


def make_call(number: int = 1, *, name: str = "reading_level", **changes: Any) -> Call:
    """The call for title `number`; its estimate is a little above what ScriptedModel's usage costs."""
    analysis = ANALYSES[name]
    inputs = title_inputs(analysis, record(number, **changes))
    return build_call(Question(analysis, model_of(analysis), inputs), BUCKET)


def make_calls(count: int) -> list[Call]:
    return [make_call(number) for number in range(1, count + 1)]


class FlakyBudget(MemoryBudget):
    """A budget store whose next `failures_left` calls fail; close works."""

    def __init__(self) -> None:
        super().__init__()
        self.failures_left = 0
        self.reservations = 0

    def reserve(self, scopes: Any, spender: str, amount_micro_usd: int, lease_until: datetime) -> bool:
        self._fail_if_told()
        self.reservations += 1
        return super().reserve(scopes, spender, amount_micro_usd, lease_until)

    def spend(self, spender: str, amount_micro_usd: int) -> None:
        self._fail_if_told()
        super().spend(spender, amount_micro_usd)

    def renew(self, spender: str, lease_until: datetime) -> None:
        self._fail_if_told()
        super().renew(spender, lease_until)

    def _fail_if_told(self) -> None:
        if self.failures_left > 0:
            self.failures_left -= 1
            raise StoreUnavailableError("the flaky budget was told to fail")


@dataclass
class CallWorld:
    """Gateways that several engines may share, and the results of all runs in the order of delivery."""

    settings: EngineSettings = field(default_factory=lambda: EngineSettings(4, deadline_seconds=3600))
    caps: Caps = field(default_factory=Caps)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.budget = FlakyBudget()
        self.ledger = MemoryLedger(self.clock, self.budget)
        self.model = ScriptedModel(self.clock, latency_seconds=1.0)
        self.limiter = RateLimiter(self.clock, requests_per_minute=6_000_000)
        self.results: list[CallResult] = []

    def scopes(self) -> list[BudgetScope]:
        return scopes_of(provenance(), self.caps)

    def run_budget(self, spender: str = "spender-1") -> RunBudget:
        return RunBudget(self.budget, self.scopes(), spender, self.clock)

    def engine(self, spender: str = "spender-1", may_ask: Callable[[Call], bool] = lambda _call: True) -> Engine:
        return Engine(
            model=self.model,
            ledger=self.ledger,
            budget=self.run_budget(spender),
            limiter=self.limiter,
            clock=self.clock,
            rng=random.Random(1),
            provenance=provenance(),
            settings=self.settings,
            may_ask=may_ask,
        )

    def caller(
        self,
        *,
        until: float = 3600.0,
        limiter: RateLimiter | None = None,
        ending: Callable[[Call], ErrorClass | None] = lambda _call: None,
        stake: Callable[[str, int], Awaitable[None]] | None = None,
    ) -> Caller:
        return Caller(
            self.model,
            limiter or RateLimiter(self.clock, requests_per_minute=6_000_000),
            self.run_budget(),
            self.clock,
            random.Random(1),
            until=until,
            ending=ending,
            stake=stake or _unclaimed,
        )

    async def run(self, calls: Iterable[Call], spender: str = "spender-1", **options: Any) -> Engine:
        engine = self.engine(spender, **options)
        await engine.run(calls, self.results.append)
        return engine

    @property
    def by_title(self) -> dict[str, CallResult]:
        """The last result of each title."""
        return {result.call.manga_id: result for result in self.results}

    def outcomes(self) -> list[str]:
        return sorted(
            result.outcome.value + (f":{result.error_class.value}" if result.error_class else "")
            for result in self.results
        )

    def spent(self) -> int:
        """What closed runs have spent this day."""
        return self.budget.spent(self.scopes()[1].counter)[1]

    def committed(self) -> int:
        return self.budget.spent(self.scopes()[1].counter)[0]


def counted(calls: Iterable[Call], seen: list[Call]) -> Iterator[Call]:
    """The same calls; each is added to `seen` when it is pulled."""
    for call in calls:
        seen.append(call)
        yield call


async def at_once() -> None:
    """Ready to ask."""


async def _unclaimed(_fingerprint: str, _more_micro_usd: int) -> None:
    """A caller alone has no claims."""
