"""The engine asks models of every family over HTTP: wrapped answers count, tiers are billed as they are booked, and a
setting of the account is held against no title."""

import random

import pytest

from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import CallResult, EngineSettings
from manga_enrichment.pipeline.engine.engine import Engine
from manga_enrichment.pipeline.engine.money.budget import NO_CAPS, RunBudget, scopes_of
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment_tests.builders import BUCKET, provenance, record
from manga_enrichment_tests.fakes import MemoryBudget, MemoryLedger
from manga_enrichment_tests.local.model_server.conftest import RunningServer
from manga_enrichment_tests.pipeline.engine.engine_rig import ANALYSIS, classes

MODELS = load_models()
SAID = "Your account is not set up for this on a Thursday."


async def asked(spec: ModelSpec, titles: int, ledger: MemoryLedger, budget: MemoryBudget) -> list[CallResult]:
    clock, results = SystemClock(), list[CallResult]()
    model = BedrockModel(AwsClients(), concurrency=8, call_timeout_seconds=20)
    engine = Engine(
        model=model,
        ledger=ledger,
        budget=RunBudget(budget, scopes_of(provenance(), NO_CAPS), "run-1", clock),
        limiter=RateLimiter(clock, requests_per_minute=60_000),
        clock=clock,
        rng=random.Random(1),
        provenance=provenance(),
        settings=EngineSettings(concurrency=8, deadline_seconds=60),
    )
    questions = (Question(ANALYSIS, spec, title_inputs(ANALYSIS, record(each))) for each in range(1, titles + 1))
    await engine.run((build_call(each, BUCKET) for each in questions), results.append)
    await model.close()
    return results


@pytest.fixture
def stores(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> tuple[MemoryLedger, MemoryBudget]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    budget = MemoryBudget()
    return MemoryLedger(SystemClock(), budget), budget


@pytest.mark.parametrize("tier", ["", "flex"])
@pytest.mark.parametrize("alias", ["nova-pro", "gpt-oss-20b", "qwen3-32b", "mistral-large", "us.deepseek.r1-v1:0"])
async def test_what_is_booked_is_what_is_billed_and_each_answer_is_paid_for_once(
    alias: str, tier: str, server: RunningServer, stores: tuple[MemoryLedger, MemoryBudget]
) -> None:
    server.control.faults(wrapped_probability=0.5, seed=3)
    results = await asked(MODELS.resolve(alias).in_tier(tier), 12, *stores)
    bill = server.control.counters()
    assert classes(results) == {"answered": 12}
    assert (bill["billed"], bill["duplicates"]) == (12, 0)
    assert bill["by_fault"]["wrapped"] > 0
    assert sum(result.cost_micro_usd for result in results) == bill["cost_micro_usd"] > 0


async def test_a_setting_of_the_account_is_held_against_no_title(
    server: RunningServer, stores: tuple[MemoryLedger, MemoryBudget]
) -> None:
    server.control.faults(refuses_all=SAID)
    results = await asked(MODELS.resolve("haiku"), 60, *stores)
    bill = server.control.counters()
    assert set(classes(results)) == {"account_refused", "stopped"}
    assert 0 < bill["rejected"] < 20
    assert bill["billed"] == 0
    assert any(SAID in result.message for result in results)
    assert stores[0].entries == {}
    server.control.faults()
    assert classes(await asked(MODELS.resolve("haiku"), 60, *stores)) == {"answered": 60}
