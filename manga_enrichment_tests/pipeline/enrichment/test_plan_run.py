"""A run's plan: one file per bucket, and the sums that people and `estimate` see."""

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.specs import UnknownModelError
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.engine.build_call import Question
from manga_enrichment.pipeline.enrichment.plan_run import Planning
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.store.object_keys import plan_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, COMBINED, SINGLES, World, bare_record, put_catalog, record
from manga_enrichment_tests.planned import read_plan

TITLES = [record(1), record(2), record(3), record(4), bare_record(5)]


def test_the_report_is_the_sum_of_the_plan_file() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    report = world.plan()
    rows = read_plan(world.tables, "run-1", BUCKET, [COMBINED, *SINGLES])
    assert report.titles == len(TITLES)
    assert report.calls == sum(row.action is Action.ASK for row in rows) == 4
    assert report.estimated_micro_usd == sum(row.estimated_micro_usd for row in rows) > 0
    assert report.analyses[COMBINED].input_tokens == sum(row.input_tokens for row in rows)
    assert report.analyses["genre_classification"].actions == {"insufficient_input": 1}


def test_planning_asks_nothing_and_writes_only_working_files() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    before = set(world.tables.objects)
    world.plan()
    assert set(world.tables.objects) - before == {plan_key("run-1", BUCKET)}
    assert world.model.sent == []
    assert world.ledger.claimed == {}


def test_what_a_run_enriched_the_next_plan_leaves_alone() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    world.run()
    assert world.plan("run-2").calls == 0
    assert world.plan("run-3", [COMBINED]).calls == 0


def test_a_missing_catalog_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="materialize manga_catalog first"):
        World().plan()


def test_an_unknown_model_is_refused_before_anything_is_planned() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    models = load_models()
    models = type(models)(models.models, {**models.aliases, "haiku": "no-such-model"})
    planning = Planning(tables=world.tables, ledger=world.ledger, analyses=world.analyses, models=models)
    with pytest.raises(UnknownModelError, match="MANGA_MODEL_ALIASES"):
        planning.plan("run-1", [BUCKET], [COMBINED], lambda _line: None)
    assert plan_key("run-1", BUCKET) not in world.tables.objects


def test_tables_are_filled_by_the_model_of_the_night() -> None:
    world = World()
    put_catalog(world.tables, [record(1), record(2)])
    models = load_models(by_lane={"night": {"reading_level": "nova-micro"}, "low": {"*": "sonnet"}})
    planning = Planning(tables=world.tables, ledger=world.ledger, analyses=ANALYSES, models=models)
    planning.plan("run-1", [BUCKET], ["reading_level"], lambda _said: None)
    (first, *_) = read_plan(world.tables, "run-1", BUCKET, ["reading_level"])
    analysis = ANALYSES["reading_level"]
    asked = Question(analysis, models.resolve("nova-micro"), title_inputs(analysis, record(1)))
    assert (first.manga_id, first.fingerprint) == (asked.inputs.manga_id, asked.fingerprint)
