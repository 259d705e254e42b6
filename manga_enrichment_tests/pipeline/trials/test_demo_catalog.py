"""The demo's catalog, two prompts and two families of models, answered by the stand-in: who wins is what truth says."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.prompts.tokens import estimate_tokens
from manga_enrichment.domain.trials.documents import entered
from manga_enrichment.domain.trials.report import TrialReport
from manga_enrichment.domain.trials.truth import read_truth
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.local.model_server.answers.skills import Study, build_answer
from manga_enrichment.local.model_server.answers.title_prompt import read_title
from manga_enrichment.local.model_server.protocol.model_request import Turn
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.trials.page import trial_html
from manga_enrichment.pipeline.trials.run import TrialQuestion, Trials
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import MODELS
from manga_enrichment_tests.defs.project import BUCKETS, Project

pytestmark = pytest.mark.slow

CATALOG = Path(__file__).parents[3] / "data/catalog"
GENRES = ANALYSES["genre_classification"]
TITLES = 200
SECONDS = {"anthropic": 1.2, "amazon": 0.6, "qwen": 0.9}


def stand_in(call: ModelCall) -> ModelReply:
    prompt = call.prompt
    answer = build_answer(Study(read_title([Turn("user", prompt.user)])), prompt.tool_schema, prompt.tool_schema)
    read = Usage(estimate_tokens(prompt.user), 60, cache_read_tokens=estimate_tokens(prompt.system))
    return ModelReply("tool_use", answer, read)


def documents() -> dict[str, str]:
    """By the synopsis alone, without publisher's genres and themes; and with two genres at most."""
    text = files("manga_enrichment.domain.analyses.packaged").joinpath("genre_classification.toml").read_text("utf-8")
    text = text.replace('version = "1"\n', "")
    blind = text.replace('"magazines", "publisher_genres", "themes", "synopsis"]', '"magazines", "synopsis"]')
    blind = blind.replace('any_of = ["publisher_genres", "themes"]\n', "")
    few = text.replace("maxItems = 5", "maxItems = 2")
    assert len({text, blind, few}) == 3
    return {"text_alone.toml": blind, "two_genres.toml": few}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> TrialReport:
    lines = (CATALOG / "sample.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.startswith('{"manga_id"')]
    project = Project(tmp_path_factory.mktemp("demo"), catalog=rows, catalog_max_rejected=1)
    world = project.world
    world.model._otherwise = stand_in  # noqa: SLF001
    world.model._latency_seconds = lambda call: SECONDS[call.model.family]  # noqa: SLF001
    assert project.run(["manga_catalog", "similar_candidates", GENRES.name]).success
    today, contenders = entered(GENRES, ANALYSES, MODELS, documents(), ["nova-lite", "qwen3-32b"])
    gateways = InvokeGateways(world.ledger, world.budget, world.senders, world.open_model, world.clock)
    settings = replace(world.settings, requests_per_minute=60_000)
    trials = Trials(world.tables, gateways, settings, ANALYSES, BUCKETS, print)
    others = {column.name for each in ANALYSES.values() for column in each.columns}
    known = CATALOG / "sample_truth.jsonl"
    truth = read_truth(known.read_text("utf-8"), known.name, GENRES.columns, others)
    question = TrialQuestion(today, contenders, TITLES, 1, 5_000_000, truth)
    return trials.run(question, trials.plan(question), "1")


def test_the_prompt_that_hides_what_publishers_say_loses_and_the_page_says_by_how_much(report: TrialReport) -> None:
    standing = {each.name: each for each in report.standings}
    assert list(standing) == ["today", "text_alone", "two_genres", "nova-lite", "qwen3-32b"]
    assert {each.answered for each in report.standings} == {TITLES}
    duels = {each.name: duel for each in report.standings for duel in each.duels if duel.field == "primary_genre"}
    assert duels["text_alone"].only_today > duels["text_alone"].only_candidate
    assert duels["text_alone"].p_value < 0.001
    assert duels["nova-lite"].p_value == 1.0, "the stand-in says the same whatever its model"
    html = trial_html(report)
    assert html.count("<tr>") > 60
    for name in standing:
        assert name in html


def test_what_answers_alike_for_less_is_on_the_front_and_what_costs_more_is_not(
    report: TrialReport,
) -> None:
    on_front = {each.name for each in report.standings if each.is_on_front}
    assert "nova-lite" in on_front
    assert "qwen3-32b" not in on_front
    today, *others = report.standings
    assert all(each.billed_micro_usd > 0 for each in others)
    assert sum(each.billed_micro_usd for each in others) == report.billed_micro_usd
    assert report.titles == TITLES < report.askable
    assert set(report.strata["language"]) >= {"japanese", "latin"}
    assert today.agreement is not None
