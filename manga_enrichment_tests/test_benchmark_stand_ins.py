"""What the benchmarks put in the place of ledger and budget does all that the engine asks of them."""

import random

from benchmarks.support import BoundlessBudget, ForgetfulLedger
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.pipeline.engine.calls import CallResult, EngineSettings
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.money.budget import RunBudget
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment_tests.builders import provenance
from manga_enrichment_tests.fakes import FakeClock, ScriptedModel
from manga_enrichment_tests.pipeline.engine.engine_rig import calls_of


async def test_an_engine_runs_over_them() -> None:
    clock = FakeClock()
    store: BudgetStore = BoundlessBudget()
    ledger: ResultLedger = ForgetfulLedger()
    engine = Engine(
        model=ScriptedModel(clock, latency_seconds=1.0),
        ledger=ledger,
        budget=RunBudget(store, [], "run-1", clock),
        limiter=RateLimiter(clock, requests_per_minute=6_000),
        clock=clock,
        rng=random.Random(1),
        provenance=provenance(),
        settings=EngineSettings(concurrency=4),
    )
    results: list[CallResult] = []
    await engine.run(calls_of(20), results.append)
    assert len([result for result in results if result.answer is not None]) == 20
