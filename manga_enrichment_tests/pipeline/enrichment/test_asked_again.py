"""What was asked again is planned, asked once under its number, and nothing else is touched by it."""

from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.again import Numbers, number_of, numbers_of
from manga_enrichment.domain.prompts.fingerprint import fingerprint
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.enrichment.plan_files import PLAN_SCHEMA
from manga_enrichment.pipeline.enrichment.plan_run import Planning
from manga_enrichment.pipeline.enrichment.planner import Action, Planned, Planner
from manga_enrichment.pipeline.store.object_keys import plan_key, table_key
from manga_enrichment_tests.again import pressed
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    COMBINED,
    MODELS,
    SINGLES,
    World,
    candidates_of,
    entry,
    model_of,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.pipeline.enrichment.planner_stage import MODEL_BY_NAME
from manga_enrichment_tests.pipeline.enrichment.test_why_asked import whys
from manga_enrichment_tests.planned import read_plan

LEVEL, SUMMARY = "reading_level", "content_summary"
TITLE = record()
SHOWN = candidates_of([TITLE, record(90), record(91), record(92), record(93)])[TITLE.manga_id]


def asked_under(name: str, number: int) -> str:
    analysis = ANALYSES[name]
    return fingerprint(analysis, model_of(analysis), title_inputs(analysis, TITLE, SHOWN, again=number))


def planned(
    rows: dict[str, str], numbers: Numbers, known: Iterable[str] = (), selected: Iterable[str] = ANALYSES
) -> list[Planned]:
    """rows: fingerprint of each table's row. known: fingerprints that the ledger has an answer to."""
    entries = {each: entry(LEVEL, TITLE, SHOWN) for each in known}
    current = {name: {TITLE.manga_id: row} for name, row in rows.items()}
    planner = Planner(ANALYSES, MODEL_BY_NAME, list(selected))
    told = planner.plan(
        [TITLE],
        {TITLE.manga_id: SHOWN},
        current,
        lambda wanted: {each: entries[each] for each in wanted if each in entries},
        again={TITLE.manga_id: numbers},
    )
    return list(told)


def shapes(plans: Iterable[Planned]) -> list[tuple[str, Action, tuple[str, ...], int]]:
    return [(plan.analysis, plan.action, plan.fills, plan.again) for plan in plans]


def test_one_analysis_is_asked_again_by_its_own_call_and_its_siblings_of_one_answer_stay() -> None:
    rows = dict.fromkeys(SINGLES, asked_under(COMBINED, 0))
    found = planned(rows, {LEVEL: 1}, known=[asked_under(COMBINED, 0)])
    assert shapes(found) == [(LEVEL, Action.ASK, (LEVEL,), 1)]
    assert [plan.fingerprint for plan in found] == [asked_under(LEVEL, 1)]
    assert planned({**rows, LEVEL: asked_under(LEVEL, 1)}, {LEVEL: 1}) == []


def test_where_the_combined_call_alone_is_selected_it_is_asked_under_the_number() -> None:
    rows = dict.fromkeys(SINGLES, asked_under(COMBINED, 0))
    found = planned(rows, {LEVEL: 1}, [asked_under(COMBINED, 0)], selected=[COMBINED])
    assert shapes(found) == [(COMBINED, Action.ASK, (LEVEL,), 1)]


def test_all_of_a_title_is_asked_again_by_one_combined_call() -> None:
    rows = dict.fromkeys(SINGLES, asked_under(COMBINED, 0))
    found = planned(rows, dict.fromkeys(SINGLES, 1), known=[asked_under(COMBINED, 0)])
    assert shapes(found) == [(COMBINED, Action.ASK, tuple(SINGLES), 1)]
    assert planned(dict.fromkeys(SINGLES, asked_under(COMBINED, 1)), dict.fromkeys(SINGLES, 1)) == []


def test_a_title_whose_text_changed_later_is_one_combined_call_again() -> None:
    rows = {**dict.fromkeys(SINGLES, "of another text"), LEVEL: "of another text"}
    assert shapes(planned(rows, {LEVEL: 1})) == [(COMBINED, Action.ASK, tuple(SINGLES), 1)]


def test_an_answer_from_before_in_the_ledger_is_not_taken_for_the_new_one() -> None:
    before = [asked_under(name, 0) for name in ANALYSES]
    assert shapes(planned({}, {LEVEL: 1}, known=before, selected=[LEVEL])) == [(LEVEL, Action.ASK, (LEVEL,), 1)]
    [found] = planned({}, {LEVEL: 1}, known=[*before, asked_under(LEVEL, 1)], selected=[LEVEL])
    assert (found.action, found.fingerprint) == (Action.USE_LEDGER, asked_under(LEVEL, 1))


def test_a_batch_job_that_asks_for_it_under_its_number_is_waited_for() -> None:
    for number, expected in ((0, Action.ASK), (1, Action.PENDING)):
        planner = Planner(ANALYSES, MODEL_BY_NAME, [LEVEL], pending={asked_under(LEVEL, number)})
        again = {TITLE.manga_id: {LEVEL: 1}}
        [found] = planner.plan([TITLE], {TITLE.manga_id: SHOWN}, {}, lambda _wanted: {}, again=again)
        assert found.action is expected


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, tuple[str, int]], dict[str, int]]:
    """(of each table the call and number that its row is of, the title's numbers)"""
    numbers = draw(st.dictionaries(st.sampled_from(SINGLES), st.integers(1, 3)))
    rows = {name: (draw(st.sampled_from([name, COMBINED])), draw(st.integers(0, 3))) for name in SINGLES}
    return rows, numbers


@given(answers())
def test_exactly_what_was_not_answered_since_is_filled_once(
    found: tuple[dict[str, tuple[str, int]], dict[str, int]],
) -> None:
    rows, numbers = found
    plans = planned({name: asked_under(*row) for name, row in rows.items()}, numbers)
    outdated = {
        name
        for name, (call, number) in rows.items()
        if number < numbers.get(name, 0) or number not in numbers_of(ANALYSES[call], numbers)
    }
    assert Counter(name for plan in plans for name in plan.fills) == Counter(dict.fromkeys(outdated, 1))
    assert all(plan.again == number_of(ANALYSES[plan.analysis], numbers) for plan in plans)


def test_what_a_combined_call_answered_in_between_stays_when_one_part_is_asked_once_more() -> None:
    rows = dict.fromkeys(SINGLES, asked_under(COMBINED, 1))  # after a change of the text, while a part had number 1
    assert planned(rows, {LEVEL: 1}) == []
    assert shapes(planned(rows, {LEVEL: 2}, known=[asked_under(COMBINED, 1)])) == [(LEVEL, Action.ASK, (LEVEL,), 2)]


# A whole bucket


def world_of(*numbers: int, selected: Iterable[str] = (LEVEL,)) -> World:
    world = World()
    put_catalog(world.tables, [record(number) for number in numbers])
    world.run("run-1", selected)
    world.clock.advance(60)
    return world


def press(world: World, number: int, analysis: str = LEVEL, at: int = 1) -> None:
    pressed(world.tables, (title_id(number), analysis, at), at=world.clock.now())
    world.clock.advance(60)


def sent_since(world: World, before: int) -> int:
    return len(world.model.sent) - before


@pytest.mark.parametrize("remembers", [False, True])
def test_the_next_night_asks_once_and_the_one_after_it_nothing(remembers: bool) -> None:
    world = world_of(1, 2, 3)
    plan_of(world, "before", remembers=remembers)
    old, before = world.answers(LEVEL)[title_id(2)], len(world.model.sent)
    press(world, 2)
    assert plan_of(world, "run-2", remembers=remembers) == [(title_id(2), Action.ASK, "forced: it names the killer")]
    world.invoke(LEVEL, "run-2")
    world.write(LEVEL, "run-2")
    assert sent_since(world, before) == 1
    new = world.answers(LEVEL)[title_id(2)]
    assert (new["fingerprint"] != old["fingerprint"], new["answered_at"] > old["answered_at"]) == (True, True)
    assert set(world.ledger.get_many([old["fingerprint"], new["fingerprint"]])) == {
        old["fingerprint"],
        new["fingerprint"],
    }
    for night in ("run-3", "run-4"):
        assert plan_of(world, night, remembers=remembers) == []


def plan_of(world: World, run_id: str, *, remembers: bool) -> list[tuple[str, Action, str]]:
    planning = Planning(
        tables=world.tables, ledger=world.ledger, analyses=world.analyses, models=MODELS, remembers=remembers
    )
    planning.plan(run_id, [BUCKET], [LEVEL], lambda _line: None)
    return [(row.manga_id, row.action, row.reason) for row in read_plan(world.tables, run_id, BUCKET, [LEVEL])]


def test_the_log_says_that_it_was_forced_and_by_what_words() -> None:
    world = world_of(1, 2)
    press(world, 1)
    world.run("run-2", [LEVEL])
    assert whys(world, "run-2") == {(title_id(1), LEVEL): "forced: it names the killer"}


def test_long_words_are_cut_in_the_log() -> None:
    world = world_of(1)
    pressed(world.tables, (title_id(1), LEVEL, 1), at=world.clock.now(), because="word\n" * 100)
    world.run("run-2", [LEVEL])
    [why] = whys(world, "run-2").values()
    assert why is not None
    assert (len(why), why.endswith("…"), "\n" in why) == (len("forced: ") + 200, True, False)


def test_what_changes_after_it_was_asked_again_has_its_own_reason() -> None:
    world = world_of(1)
    press(world, 1)
    world.run("run-2", [LEVEL])
    put_catalog(world.tables, [record(1, synopsis=f"{record(1).synopsis} And then the sea rose.")])
    world.run("run-3", [LEVEL])
    assert whys(world, "run-3") == {(title_id(1), LEVEL): "changed field"}


def test_what_failed_for_good_is_asked_again_when_somebody_wants_it() -> None:
    world = World()
    put_catalog(world.tables, [record(1)])
    world.model = ScriptedModel(world.clock, {title_id(1): [ErrorClass.REFUSAL]})
    world.run("run-1", [LEVEL])
    world.run("run-2", [LEVEL])
    assert world.outcomes(LEVEL)[title_id(1)]["outcome"] == "failed"
    assert len(world.model.sent) == 1
    world.clock.advance(60)
    press(world, 1)
    world.run("run-3", [LEVEL])
    assert whys(world, "run-3") == {(title_id(1), LEVEL): "forced: it names the killer"}
    assert world.outcomes(LEVEL)[title_id(1)]["outcome"] == "succeeded"


def test_lists_that_move_later_are_counted_with_the_number() -> None:
    world = world_of(1, 2, selected=["similar_series"])
    press(world, 1, "similar_series")
    planning = Planning(tables=world.tables, ledger=world.ledger, analyses=world.analyses, models=MODELS)
    assert planning.moves([BUCKET], ["similar_series"]).calls == 0


def test_a_plan_file_of_an_earlier_release_is_read_as_never_asked_again() -> None:
    world = world_of(1)
    press(world, 1)
    world.plan("run-2", [LEVEL])
    key = plan_key("run-2", BUCKET)
    stored = world.tables.read(key)
    assert stored is not None
    older = stored.table.drop_columns(["again"])
    assert older.schema.names == [name for name in PLAN_SCHEMA.names if name != "again"]
    world.tables.write(key, pa.table(older.columns, schema=older.schema))
    assert [row.again for row in read_plan(world.tables, "run-2", BUCKET, [LEVEL])] == [0]


def test_a_title_that_was_asked_again_and_left_the_catalog_is_no_trouble() -> None:
    world = world_of(1, 2)
    press(world, 2)
    put_catalog(world.tables, [record(1)])
    world.run("run-2", [LEVEL])
    assert set(world.answers(LEVEL)) == {title_id(1)}


def test_an_estimate_counts_it_as_asked_again_about_a_title_with_an_answer() -> None:
    world = world_of(1, 2)
    press(world, 1)
    report = world.plan("run-2", [LEVEL])
    assert (report.calls, report.analyses[LEVEL].again) == (1, 1)
    assert report.analyses[LEVEL].again_micro_usd == report.estimated_micro_usd > 0


def test_numbers_of_a_store_that_was_lost_bring_the_old_answers_back_without_a_call() -> None:
    world = world_of(1)
    old = world.answers(LEVEL)
    press(world, 1)
    world.run("run-2", [LEVEL])
    del world.tables.objects[f"again/bucket={BUCKET}/part.parquet"]
    before = len(world.model.sent)
    world.run("run-3", [LEVEL])
    assert (world.answers(LEVEL), sent_since(world, before)) == (old, 0)
    assert world.tables.read(table_key(LEVEL, BUCKET)) is not None
