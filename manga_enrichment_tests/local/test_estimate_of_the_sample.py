"""What a night over the shipped catalog is said to cost, before it and before a prompt changes, beside its bill."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from manga_enrichment.aws.bedrock.converse import parse_reply, request_body
from manga_enrichment.aws.s3.catalog_source import LocalCatalog
from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.local.model_server.answers.answering import answer
from manga_enrichment.local.model_server.prompt_cache import PromptCache
from manga_enrichment.local.model_server.protocol import converse
from manga_enrichment.pipeline.candidates.refresh import refresh_candidates
from manga_enrichment.pipeline.candidates.shared import SharedIndex
from manga_enrichment.pipeline.catalog.files.rows import Reading
from manga_enrichment.pipeline.catalog.refresh import refresh_catalog
from manga_enrichment.pipeline.catalog.sink import Following
from manga_enrichment.pipeline.enrichment.forecast import ForecastLine, Throughput, forecast_next_run
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, MODELS, World
from manga_enrichment_tests.fake_clock import FakeClock
from manga_enrichment_tests.fakes import ScriptedModel

pytestmark = pytest.mark.slow
SAMPLE = Path(__file__).parents[2] / "data" / "catalog" / "sample.jsonl"


class StandIn(ScriptedModel):
    """The offline model without HTTP, and its bill."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self._cache = PromptCache(clock.monotonic_seconds)
        self.bill_micro_usd = 0

    async def converse(self, call: ModelCall) -> ModelReply:
        request = converse.parse(call.model.model_id, request_body(call))
        reply = answer(call.model, request)
        usage = self._cache.account(call.model, request, reply.output_tokens)
        self.bill_micro_usd += cost_micro_usd(usage, call.model.price)
        document = converse.render(call.model.model_id, request, reply, usage, latency_ms=100)
        return parse_reply(json.loads(json.dumps(document)))


def estimated(world: World, name: str) -> list[ForecastLine]:
    return forecast_next_run(
        name,
        [BUCKET],
        list(world.analyses),
        tables=world.tables,
        ledger=world.ledger,
        analyses=world.analyses,
        models=MODELS,
        pace=Throughput(8),
    )


def billed(world: World, run_id: str) -> int:
    """Micro-dollars of a whole night, a day after the last."""
    model = world.model = StandIn(world.clock)
    world.clock.advance(24 * 3600)
    world.run(run_id, world.analyses)
    return model.bill_micro_usd


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World()
    tables, source = world.tables, LocalCatalog(str(SAMPLE))
    state, _ = refresh_catalog(
        tables=tables,
        source=source,
        clock=world.clock,
        reading=Reading(),
        bucket_count=1,
        say=print,
        following=Following("run-0"),
        analyses=ANALYSES.values(),
    )
    index = SharedIndex(tables, [BUCKET], world.clock, holder="run-0", full_after=1, say=print, home=tmp_path)
    refresh_candidates(
        tables=tables,
        buckets=[BUCKET],
        catalog_version=state.catalog_version,
        index=lambda: index.get(state.catalog_version),
        today=world.clock.now().date(),
        share=0,
        say=print,
    )
    return world


def test_an_estimate_is_never_below_the_bill_and_near_it_once_a_night_was_measured(world: World) -> None:
    """Before, tokens go by rules of thumb, which lean to the high side. Then a prompt changes: all is paid again."""
    first = sum(line.cost_micro_usd for line in estimated(world, "first"))
    assert 1 <= first / billed(world, "run-1") <= 1.4
    assert estimated(world, "same") == []

    world.analyses = {name: replace(each, version=f"{each.version}-next") for name, each in ANALYSES.items()}
    lines = estimated(world, "changed")
    assert sum(line.again for line in lines) == sum(line.calls for line in lines) > 500
    cost = sum(line.cost_micro_usd for line in lines)
    assert sum(line.again_micro_usd for line in lines) == cost
    assert 1 <= cost / billed(world, "run-2") <= 1.1
