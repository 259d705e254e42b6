"""What writing reads: of what a run was answered nothing from the ledger, of a bucket at rest next to nothing."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.pipeline.store.object_keys import entries_key, outcomes_key, plan_key, table_key
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    COMBINED,
    SINGLES,
    World,
    bare_record,
    provenance,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import MemoryLedger, ScriptedModel
from manga_enrichment_tests.pipeline.enrichment.writing_stage import asked_world, attempts_of, write_all
from manga_enrichment_tests.watched_tables import WatchedTables


class WatchedLedger(MemoryLedger):
    looked: list[str]

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        self.looked = [*getattr(self, "looked", ()), *fingerprints]
        return super().get_many(fingerprints)


def watched_world() -> World:
    world = World(tables=WatchedTables())
    world.ledger = WatchedLedger(world.clock, world.budget)
    put_catalog(world.tables, [record(1), record(2), record(3, synopsis=None), bare_record(4)])
    return world


def seen_by(world: World) -> list[str]:
    assert isinstance(world.tables, WatchedTables)
    return world.tables.seen


def test_what_a_run_was_answered_is_not_read_from_the_ledger_again() -> None:
    world = watched_world()
    world.plan()
    for name in ANALYSES:
        world.invoke(name)
    assert isinstance(world.ledger, WatchedLedger)
    world.ledger.looked.clear()
    write_all(world)
    assert world.ledger.looked == []
    assert {len(world.answers(name)) for name in SINGLES} == {2, 3}


def test_a_bucket_s_catalog_is_read_once_for_its_titles_and_for_the_names_in_its_preview() -> None:
    world = watched_world()
    world.plan()
    for name in ANALYSES:
        world.invoke(name)
    for name in SINGLES:
        seen_by(world).clear()
        preview = world.write(name).preview
        assert {row["title"] for row in preview} <= {record(1).title, record(2).title, record(3).title}
        assert preview != []
        assert seen_by(world).count(table_key("catalog", BUCKET)) == 1


def test_plan_and_entries_of_a_bucket_are_read_once_for_all_its_analyses_until_something_is_asked_again() -> None:
    world = watched_world()
    world.plan()
    for name in ANALYSES:
        world.invoke(name)
    seen_by(world).clear()
    writing = world.writing()
    for name in (*SINGLES, COMBINED):
        writing.write_all(ANALYSES[name], BUCKET, provenance("run-1"), list(ANALYSES))
    of_run = [key for key in seen_by(world) if key == plan_key("run-1", BUCKET) or "/entries/" in key]
    assert len(of_run) == len(set(of_run))
    assert {plan_key("run-1", BUCKET), entries_key("run-1", COMBINED, BUCKET)} <= set(of_run)
    writing.forget()
    seen_by(world).clear()
    writing.write_all(ANALYSES[COMBINED], BUCKET, provenance("run-1"), list(ANALYSES))
    assert seen_by(world)[:2] == [plan_key("run-1", BUCKET), entries_key("run-1", COMBINED, BUCKET)]


def test_without_what_was_kept_tables_and_log_are_the_same_from_the_ledger() -> None:
    with_it, without = asked_world(), asked_world()
    kept = [key for key in without.tables.objects if key.startswith("runs/run-1/entries/")]
    assert kept != []
    for key in kept:
        del without.tables.objects[key]
    write_all(with_it)
    write_all(without)
    for name in SINGLES:
        assert without.answers(name) == with_it.answers(name)
        assert without.outcomes(name) == with_it.outcomes(name)
    assert attempts_of(without) == attempts_of(with_it)


def test_of_a_settled_bucket_plan_and_outcomes_are_read_and_nothing_is_written() -> None:
    world = watched_world()
    world.run("run-1")
    world.plan("run-2")
    before = dict(world.tables.objects)
    for name in ANALYSES:
        seen_by(world).clear()
        report = world.write(name, "run-2")
        outcomes = [] if name == COMBINED else [outcomes_key(name, BUCKET)]
        assert seen_by(world) == [plan_key("run-2", BUCKET), *outcomes]
        assert report.new_rows == 0
        assert report.rows == (0 if name == COMBINED else len(world.answers(name)))
        assert report.outcomes == ({} if name == COMBINED else outcomes_of(world, name))
    assert world.tables.objects == before


def outcomes_of(world: World, name: str) -> dict[str, int]:
    found = [row["outcome"] for row in world.outcomes(name).values()]
    return {each: found.count(each) for each in found}


@pytest.mark.parametrize("what", ["catalog", "answers", "too little text"])
def test_a_bucket_in_which_anything_moved_is_brought_up_to_date(what: str) -> None:
    world = watched_world()
    world.run("run-1")
    titles = [record(1), record(2), record(3, synopsis=None), bare_record(4)]
    if what == "catalog":
        put_catalog(world.tables, titles[1:])
    elif what == "too little text":
        put_catalog(world.tables, [*titles, bare_record(5)])
    else:
        stored = world.tables.read(table_key("reading_level", BUCKET))
        assert stored is not None
        world.tables.write(table_key("reading_level", BUCKET), stored.table.slice(1))
    world.plan("run-2")
    seen_by(world).clear()
    report = world.write("reading_level", "run-2")
    assert table_key("catalog", BUCKET) in seen_by(world)
    assert report.outcomes == outcomes_of(world, "reading_level")
    expected = {"catalog": titles[1:], "too little text": [*titles, bare_record(5)]}.get(what, titles)
    assert set(world.outcomes("reading_level")) == {title.manga_id for title in expected}


def test_a_bucket_with_a_title_that_failed_is_looked_at_every_night() -> None:
    world = watched_world()
    world.model = ScriptedModel(world.clock, {title_id(1): [ErrorClass.REFUSAL] * 9})
    world.run("run-1", ["reading_level"])
    world.plan("run-2", ["reading_level"])
    seen_by(world).clear()
    report = world.write("reading_level", "run-2")
    assert table_key("catalog", BUCKET) in seen_by(world)
    assert (
        report.outcomes == outcomes_of(world, "reading_level") == {"failed": 1, "succeeded": 2, "insufficient_input": 1}
    )


def test_an_answer_that_counts_again_is_no_failure_any_more() -> None:
    """A version that went back: its renewal had failed, its table row counts."""
    world = watched_world()
    world.run("run-1", ["reading_level"])
    newer = {**ANALYSES, "reading_level": replace(ANALYSES["reading_level"], version="newer")}
    world.analyses = newer
    world.model = ScriptedModel(world.clock, otherwise=ErrorClass.REFUSAL)
    world.run("run-2", ["reading_level"])
    assert {row["outcome"] for row in world.outcomes("reading_level").values()} == {"failed", "insufficient_input"}
    world.analyses = ANALYSES
    world.run("run-3", ["reading_level"])
    assert {row["outcome"] for row in world.outcomes("reading_level").values()} == {"succeeded", "insufficient_input"}
