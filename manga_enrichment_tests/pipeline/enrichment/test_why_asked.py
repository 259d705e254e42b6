"""The requests log says why each call was made."""

from dataclasses import replace
from typing import Any

import pytest

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.tables.shared_columns import REQUEST_COLUMNS
from manga_enrichment.pipeline.enrichment.planner import Action, Planned
from manga_enrichment.pipeline.enrichment.why_asked import Why, WhyAsked
from manga_enrichment.pipeline.log.rows import REQUEST_SCHEMA, union_requests
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, COMBINED, SINGLES, World, model_of, put_catalog, record, title_id
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.pipeline.enrichment.test_write_reads import seen_by, watched_world
from manga_enrichment_tests.planned import read_plan

ONE = "reading_level"


def whys(world: World, run_id: str) -> dict[tuple[str, str], str | None]:
    rows = [row for row in world.log() if row["dagster_run_id"] == run_id and row["attempt"]]
    return {(row["manga_id"], row["analysis"]): row["why"] for row in rows}


def asked_once(*numbers: int, **script: Any) -> World:
    world = World()
    put_catalog(world.tables, [record(number) for number in numbers])
    world.model = ScriptedModel(world.clock, script.get("script", {}))
    world.run("run-1", [ONE])
    return world


def with_version(world: World, name: str, version: str) -> None:
    changed: AnalysisType = replace(ANALYSES[name], version=version)
    world.analyses = {**ANALYSES, name: changed}


def test_why_is_told_from_the_tables_that_the_plan_has_open() -> None:
    world = watched_world()
    world.run("run-1")
    with_version(world, ONE, "newer")
    seen_by(world).clear()
    world.plan("run-2")
    assert {row.reason for row in read_plan(world.tables, "run-2", BUCKET, [ONE]) if row.action is Action.ASK} == {
        Why.PROMPT.value
    }
    assert seen_by(world).count(table_key(ONE, BUCKET)) == 1


def test_a_title_that_nobody_asked_about_is_new() -> None:
    assert whys(asked_once(1, 2), "run-1") == {(title_id(1), ONE): "new", (title_id(2), ONE): "new"}


def test_a_title_whose_text_changed_is_asked_for_that() -> None:
    world = asked_once(1, 2)
    put_catalog(world.tables, [record(1), record(2, synopsis=f"{record(2).synopsis} And then the sea rose.")])
    world.run("run-2", [ONE])
    assert whys(world, "run-2") == {(title_id(2), ONE): "changed field"}


def test_a_new_prompt_is_told_before_a_changed_text() -> None:
    world = asked_once(1, 2)
    put_catalog(world.tables, [record(1), record(2, synopsis=f"{record(2).synopsis} And then the sea rose.")])
    with_version(world, ONE, "another")
    world.run("run-2", [ONE])
    assert set(whys(world, "run-2").values()) == {"new prompt"}
    assert len(whys(world, "run-2")) == 2


def test_a_new_model_is_told() -> None:
    world = asked_once(1)
    world.analyses = {**ANALYSES, ONE: replace(ANALYSES[ONE], model_alias="sonnet")}
    world.plan("run-2", [ONE])
    assert [row.reason for row in read_plan(world.tables, "run-2", BUCKET, [ONE])] == ["new model"]


def test_what_failed_in_passing_is_tried_again() -> None:
    world = asked_once(1, 2, script={title_id(1): [ErrorClass.READ_TIMEOUT] * 2})
    world.model = ScriptedModel(world.clock)
    world.run("run-2", [ONE])
    assert whys(world, "run-2") == {(title_id(1), ONE): "retry"}


def test_of_a_combined_call_the_strongest_reason_of_what_it_fills_is_told() -> None:
    world = asked_once(1)
    models = {name: model_of(analysis) for name, analysis in ANALYSES.items()}
    analyses = {**ANALYSES, ONE: replace(ANALYSES[ONE], version="another")}
    fills = ("content_summary", ONE)
    planned = [
        Planned(title_id(1), COMBINED, Action.ASK, fills),
        Planned(title_id(1), ONE, Action.HELD, (ONE,), reason="waits for a canary"),
    ]
    told = WhyAsked(world.tables, BUCKET, analyses, models).told(planned)
    assert [item.reason for item in told] == ["new prompt", "waits for a canary"]


def test_an_answer_by_a_combined_call_is_judged_by_that_call() -> None:
    world = World()
    put_catalog(world.tables, [record(1)])
    world.run("run-1", [*SINGLES, COMBINED])
    assert set(whys(world, "run-1").values()) == {"new"}
    put_catalog(world.tables, [record(1, synopsis=f"{record(1).synopsis} And then the sea rose.")])
    world.plan("run-2", [*SINGLES, COMBINED])
    reasons = {
        row.reason for row in read_plan(world.tables, "run-2", BUCKET, list(ANALYSES)) if row.action is Action.ASK
    }
    assert reasons == {"changed field"}


def test_attempts_that_no_entry_keeps_say_it_too() -> None:
    world = asked_once(1, script={title_id(1): [ErrorClass.READ_TIMEOUT] * 2})
    assert whys(world, "run-1") == {(title_id(1), ONE): "new"}


def test_a_log_of_an_earlier_release_is_completed_without_it() -> None:
    world = asked_once(1)
    [row] = world.log()
    old = union_requests(None, [row]).drop_columns(["why"])
    both = union_requests(old, [{**row, "attempt": 2}])
    assert both.schema.equals(REQUEST_SCHEMA)
    assert both.column("why").to_pylist() == [None, "new"]


@pytest.mark.parametrize("why", Why)
def test_every_word_is_in_the_columns_description(why: Why) -> None:
    [column] = [each for each in REQUEST_COLUMNS if each.name == "why"]
    assert why.value in column.doc
