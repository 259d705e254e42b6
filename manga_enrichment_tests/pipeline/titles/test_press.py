"""Who presses is told what it takes first, and presses once however often it is pressed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.trials.canary import Canary
from manga_enrichment.pipeline.again.store import read_presses
from manga_enrichment.pipeline.titles.press import AgainError, Wish
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    COMBINED,
    SINGLES,
    bare_record,
    model_of,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import START, MemoryTables, ScriptedModel
from manga_enrichment_tests.pipeline.titles.again_stage import LEVEL, SUMMARY, TITLES, AgainStage

NOW = START + timedelta(hours=1)


def numbers(stage: AgainStage) -> dict[str, dict[str, int]]:
    return {each: dict(own) for each, own in read_presses(stage.world.tables, BUCKET).numbers.items()}


def said(stage: AgainStage, wish: Wish) -> list[tuple[str, int]]:
    return [(each.said, each.calls) for each in stage.pressing().plan(wish, NOW).titles]


def test_a_plan_names_titles_calls_and_cost_and_changes_nothing() -> None:
    stage = AgainStage()
    before = dict(stage.world.tables.objects)
    plan = stage.pressing().plan(stage.wish(1, 3), NOW)
    assert [(each.manga_id, each.title, each.said, each.calls) for each in plan.titles] == [
        (title_id(number), record(number).title, "is asked", 1) for number in (1, 3)
    ]
    assert plan.calls == {LEVEL: 2}
    assert plan.estimated_micro_usd == sum(each.estimated_micro_usd for each in plan.titles) > 0
    assert stage.world.tables.objects == before
    assert stage.asked == 0


def test_what_is_pressed_is_what_was_shown() -> None:
    stage = AgainStage()
    shown = stage.pressing().plan(stage.wish(1, 3), NOW)
    assert stage.pressing().press(stage.wish(1, 3), NOW).titles == shown.titles
    assert numbers(stage) == {title_id(1): {LEVEL: 1}, title_id(3): {LEVEL: 1}}


def test_who_wanted_it_when_and_why_is_kept() -> None:
    stage = AgainStage([*SINGLES, COMBINED])
    stage.pressing().press(stage.wish(2, analysis=COMBINED), NOW)
    rows = read_presses(stage.world.tables, BUCKET).rows
    assert {row.analysis for row in rows} == set(SINGLES)
    assert {(row.manga_id, row.number, row.asked, row.by, row.at, row.because) for row in rows} == {
        (title_id(2), 1, COMBINED, "ed", NOW, "it names the killer")
    }


def test_all_of_a_title_is_one_combined_call() -> None:
    stage = AgainStage([*SINGLES, COMBINED])
    assert said(stage, stage.wish(2, analysis=COMBINED)) == [("is asked", 1)]


def test_pressed_twice_it_is_one_number() -> None:
    stage = AgainStage()
    first = stage.pressing().press(stage.wish(1), NOW)
    second = stage.pressing().press(stage.wish(1), NOW + timedelta(minutes=1))
    assert first.titles == second.titles
    assert numbers(stage) == {title_id(1): {LEVEL: 1}}
    assert len(read_presses(stage.world.tables, BUCKET).rows) == 1


def test_two_people_with_two_reasons_at_once_have_one_call_made_and_both_are_noted() -> None:
    stage = AgainStage()
    theirs = stage.wish(1, by="ann", because="too old")

    class Slow:
        """A ledger: while it is asked for the first time, the other one presses."""

        is_first = True

        def get_many(self, fingerprints: Sequence[str]) -> Mapping[str, LedgerEntry]:
            if self.is_first:
                self.is_first = False
                stage.pressing().press(theirs, NOW)
            return stage.world.ledger.get_many(fingerprints)

    mine = stage.pressing(ledger=Slow()).press(stage.wish(1), NOW)
    assert mine.calls == {LEVEL: 1}
    assert stage.pressing().press(theirs, NOW).calls == mine.calls
    assert numbers(stage) == {title_id(1): {LEVEL: 1}}
    assert [row.by for row in read_presses(stage.world.tables, BUCKET).rows] == ["ann", "ed"]


def test_the_same_words_are_the_same_wish_for_ever_and_others_are_a_new_one() -> None:
    stage = AgainStage()
    stage.pressing().press(stage.wish(1), NOW)
    stage.night("night-2")
    assert stage.asked == 1
    assert said(stage, stage.wish(1)) == [("was asked again for the same reason before", 0)]
    assert said(stage, stage.wish(1, because="still names him")) == [("is asked", 1)]
    stage.pressing().press(stage.wish(1, because="still names him"), NOW)
    assert numbers(stage) == {title_id(1): {LEVEL: 2}}


def test_words_that_are_spaced_in_another_way_are_the_same_words() -> None:
    stage = AgainStage()
    stage.pressing().press(stage.wish(1), NOW)
    stage.night("night-2")
    spaced = stage.wish(1, because="it names\n  the killer\n", by=" ed ")
    assert (spaced.because, spaced.by) == ("it names the killer", "ed")
    assert said(stage, spaced) == [("was asked again for the same reason before", 0)]


def test_each_analysis_of_a_title_has_words_of_its_own() -> None:
    stage = AgainStage([LEVEL, SUMMARY])
    stage.pressing().press(stage.wish(1), NOW)
    stage.pressing().press(stage.wish(1, analysis=SUMMARY), NOW)
    assert numbers(stage) == {title_id(1): {LEVEL: 1, SUMMARY: 2}}


def test_what_was_never_answered_is_asked_anyway_and_gets_no_number() -> None:
    stage = AgainStage()
    assert said(stage, stage.wish(1, analysis=SUMMARY)) == [("is asked", 1)]
    stage.pressing().press(stage.wish(1, analysis=SUMMARY), NOW)
    assert numbers(stage) == {}
    assert [row.number for row in read_presses(stage.world.tables, BUCKET).rows] == [0]


def test_what_failed_for_good_gets_a_number() -> None:
    stage = AgainStage(titles=1)
    stage.world.model = ScriptedModel(stage.world.clock, {title_id(2): [ErrorClass.REFUSAL] * 9})
    put_catalog(stage.world.tables, [record(1), record(2)])
    stage.night("night-2")
    assert said(stage, stage.wish(2)) == [("is asked", 1)]
    stage.pressing().press(stage.wish(2), NOW)
    stage.night("night-3")
    assert said(stage, stage.wish(2)) == [("failed for good after it was asked again for the same reason", 0)]


def test_a_title_with_too_little_text_is_named_and_not_noted() -> None:
    stage = AgainStage()
    put_catalog(stage.world.tables, [record(1), bare_record(2)])
    assert said(stage, stage.wish(1, 2)) == [("is asked", 1), ("has too little text", 0)]
    stage.pressing().press(stage.wish(2), NOW)
    assert read_presses(stage.world.tables, BUCKET).rows == ()


def test_an_answer_that_is_in_no_table_yet_is_not_paid_for_again() -> None:
    stage = AgainStage()
    stage.pressing().press(stage.wish(1), NOW)
    stage.world.plan("night-2", [LEVEL])
    stage.world.invoke(LEVEL, "night-2")
    for because in ("it names the killer", "another reason"):
        assert said(stage, stage.wish(1, because=because)) == [("has a new answer, which goes into the table", 0)]


def test_what_waits_for_a_canary_waits() -> None:
    stage = AgainStage()
    stage.canaries = [Canary(LEVEL, ANALYSES[LEVEL].version, model_of(ANALYSES[LEVEL]).model_id, 0.001, START)]
    stage.pressing().press(stage.wish(1), NOW)
    assert said(stage, stage.wish(1)) == [("waits for a canary", 0)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"manga_ids": ()}, "No title is named"),
        ({"because": "  "}, "`because` is missing"),
        ({"by": ""}, "`by` is missing"),
        ({"because": "a" * 1001}, "`because` has 1001 characters: say it in 1000"),
    ],
)
def test_half_a_wish_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AgainError, match=sentence):
        replace(AgainStage().wish(1), **change)


def test_titles_that_nobody_knows_are_named_and_nothing_is_kept() -> None:
    stage = AgainStage()
    for ask in (stage.pressing().plan, stage.pressing().press):
        with pytest.raises(AgainError, match=r"no title MNG-00000096, MNG-00000097, MNG-00000098 and 1 more: .*find"):
            ask(stage.wish(1, 96, 97, 98, 99), NOW)
    assert numbers(stage) == {}


def test_without_a_catalog_that_is_said() -> None:
    stage = AgainStage()
    with pytest.raises(ConfigurationError):
        stage.pressing(tables=MemoryTables()).plan(stage.wish(1), NOW)


def test_an_estimate_of_many_is_near_what_a_night_estimates() -> None:
    stage = AgainStage()
    shown = stage.pressing().plan(stage.wish(*range(1, TITLES + 1)), NOW)
    stage.pressing().press(shown.wish, NOW)
    assert stage.world.plan("night-2", [LEVEL]).calls == shown.calls[LEVEL] == TITLES
