"""An engine over gateways in memory, with ledgers that fail on demand.

Belongs here: what the tests of the engine set a stage with. Stays out: what is expected of it (`test_engine*.py`).
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.outcomes.answers import ClaimResult, LedgerEntry
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.model import ModelCall
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import Call, CallResult, EngineSettings
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.money.budget import Caps, RunBudget, scopes_of
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, model_of, provenance, record
from manga_enrichment_tests.fakes import DEFAULT_USAGE, FakeClock, MemoryBudget, MemoryLedger, ScriptedModel, Step

ANALYSIS = ANALYSES["reading_level"]
MODEL = replace(model_of(ANALYSIS), cache_minimum_tokens=None)  # every call of one kind costs the same
ONE_ANSWER_MICRO_USD = cost_micro_usd(DEFAULT_USAGE, MODEL.price)
DAY = f"day:{provenance().run_date}"
FAST_ENOUGH_PER_MINUTE = 6_000_000  # a told quota that nothing here comes near, so that only latency takes time


def call_of(number: int) -> Call:
    """The call for title `number`; the same number is the same fingerprint."""
    return build_call(Question(ANALYSIS, MODEL, title_inputs(ANALYSIS, record(number))), BUCKET)


def calls_of(count: int) -> list[Call]:
    return [call_of(number) for number in range(1, count + 1)]


def estimate_micro_usd() -> int:
    """What is set aside for the first attempt of title 1."""
    return call_of(1).estimate.cost_micro_usd(MODEL)


def numbers(results: Sequence[CallResult]) -> list[str]:
    return sorted(result.call.manga_id for result in results)


def classes(results: Sequence[CallResult]) -> Counter[str]:
    return Counter(result.error_class.value if result.error_class else "answered" for result in results)


class FailingPuts(MemoryLedger):
    """A ledger whose writes fail until `puts_fail_until` (monotonic seconds); reads and claims work."""

    puts_fail_until = 0.0
    puts_tried = 0

    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        self.puts_tried += 1
        if self._clock.monotonic_seconds() < self.puts_fail_until:
            raise StoreUnavailableError("no writes for now")
        return super().put_many(entries, spender)


class BrokenPuts(MemoryLedger):
    """A ledger that fails in a way its protocol does not know."""

    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        raise ConfigurationError("the table is gone")


class Dying(BaseException):
    """What no `except Exception` sees, as an interpreter that is being ended raises it."""


class DyingPuts(MemoryLedger):
    """A ledger whose first write is the last thing that its task does."""

    has_died = False

    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        if not self.has_died:
            self.has_died = True
            raise Dying
        return super().put_many(entries, spender)


class FailingClaims(MemoryLedger):
    """A ledger whose claims fail `claims_left` times."""

    claims_left = 0

    def claim_many(self, at_stake: Mapping[str, int], *args: object) -> ClaimResult:
        if self.claims_left:
            self.claims_left -= 1
            raise StoreUnavailableError("no claims for now")
        return super().claim_many(at_stake, *args)  # type: ignore[arg-type]


class FailingReleases(MemoryLedger):
    """A ledger that gives no claim back."""

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        raise StoreUnavailableError("no releases for now")


class EngineRig:
    """Gateways in memory that several runs may share. `results` has what was delivered, in order."""

    def __init__(
        self,
        script: Mapping[str, Sequence[Step]] | None = None,
        *,
        otherwise: Step = None,
        latency_seconds: float | Callable[[ModelCall], float] = 1.0,
        usage: Usage = DEFAULT_USAGE,
        clock: Clock | None = None,
    ) -> None:
        self.clock: Clock = clock or FakeClock()
        self.store = MemoryBudget()
        self.ledger = MemoryLedger(self.clock, self.store)
        self.model = ScriptedModel(
            self.clock, script, otherwise=otherwise, latency_seconds=latency_seconds, usage=usage
        )
        self.results: list[CallResult] = []

    def engine(
        self,
        run_id: str = "run-1",
        *,
        concurrency: int = 4,
        deadline_seconds: float = 3600,
        cap_micro_usd: int | None = None,
        limiter: RateLimiter | None = None,
        may_ask: Callable[[Call], bool] = lambda _call: True,
    ) -> Engine:
        """cap_micro_usd: of the day, which all runs share."""
        scopes = scopes_of(provenance(run_id), Caps(per_day_micro_usd=cap_micro_usd))
        return Engine(
            model=self.model,
            ledger=self.ledger,
            budget=RunBudget(self.store, scopes, run_id, self.clock),
            limiter=limiter or RateLimiter(self.clock, requests_per_minute=FAST_ENOUGH_PER_MINUTE),
            clock=self.clock,
            rng=random.Random(1),
            provenance=provenance(run_id),
            settings=EngineSettings(concurrency, deadline_seconds, claim_seconds=60),
            may_ask=may_ask,
        )

    async def run(self, calls: Iterable[Call], engine: Engine | None = None) -> list[CallResult]:
        """Run to the end and return what this run delivered."""
        results: list[CallResult] = []

        def deliver(result: CallResult) -> None:
            results.append(result)
            self.results.append(result)

        await (engine or self.engine()).run(calls, deliver)
        return results

    def spent_micro_usd(self) -> int:
        """What the day's counter knows as spent; nothing may stay reserved after a run."""
        committed, spent = self.store.spent(DAY)
        assert committed == spent
        return spent

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until something holds."""
        while not condition():
            await self.clock.sleep(0.25)


def claim_elsewhere(world: EngineRig, calls: Sequence[Call], seconds: float) -> None:
    now = world.clock.now()
    fingerprints = [call.fingerprint for call in calls]
    world.ledger.claim_many(dict.fromkeys(fingerprints, 0), "run-9", now, now + timedelta(seconds=seconds))


def with_puts_failing_until(world: EngineRig, seconds: float) -> FailingPuts:
    ledger = FailingPuts(world.clock, world.store)
    ledger.puts_fail_until = seconds
    world.ledger = ledger
    return ledger


async def cancelled(task: "asyncio.Task[Any]") -> bool:
    """Cancel a task, wait for it, and say whether it ended as cancelled."""
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()
