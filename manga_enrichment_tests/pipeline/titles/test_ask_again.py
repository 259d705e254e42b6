"""Titles that are asked again: these calls and no others, answers in all tables, once whatever is killed."""

from contextlib import suppress
from dataclasses import replace

import pyarrow as pa
import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.builders import (
    BUCKET,
    COMBINED,
    SINGLES,
    bare_record,
    open_budget_settings,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.kill_switch import Killed, KillSwitch, Mortal
from manga_enrichment_tests.pipeline.titles.again_stage import LEVEL, SUMMARY, AgainStage

ASKED = (1, 2, 4)
LAST_CALL = 72
"""To a store, of a run about these titles."""


def test_these_titles_are_asked_once_their_answers_are_in_the_tables_and_the_old_ones_in_the_ledger() -> None:
    stage = AgainStage()
    old = stage.fingerprints()
    report = stage.ask(stage.wish(*ASKED))
    assert [call.manga_id for call in stage.world.model.sent[stage.asked_before :]] == [*map(title_id, ASKED)]
    new = stage.fingerprints()
    changed = {manga_id for manga_id in old if new[manga_id] != old[manga_id]}
    assert changed == set(map(title_id, ASKED))
    assert stage.world.ledger.get_many(sorted(old.values())).keys() == set(old.values())
    assert (report.answered, report.left, report.tables) == (3, 0, {BUCKET: [LEVEL]})
    assert report.cost_micro_usd == sum(
        row["cost_micro_usd"] for row in stage.world.log() if row["dagster_run_id"] == "again-1"
    )
    assert stage.whys(["again-1"]) == ["forced: it names the killer"] * 3
    assert report.sentence().startswith("3 calls about 3 titles: 3 answered, 0.00")


def test_the_wide_table_has_the_new_answers_at_once() -> None:
    stage = AgainStage()
    before = {row["manga_id"]: row for row in stage.world.rows(table_key("enriched_catalog", BUCKET))}
    stage.ask(stage.wish(2))
    after = {row["manga_id"]: row for row in stage.world.rows(table_key("enriched_catalog", BUCKET))}
    at = f"{LEVEL}_answered_at"
    assert {each for each in after if after[each][at] != before[each][at]} == {title_id(2)}


def test_nothing_of_a_bucket_is_published_while_a_table_beneath_it_is_not_sound() -> None:
    stage = AgainStage([LEVEL, SUMMARY])
    key, wide = table_key(SUMMARY, BUCKET), table_key("enriched_catalog", BUCKET)
    sound, before = stage.world.tables.read(key), stage.world.rows(wide)
    assert sound is not None
    stage.world.tables.write(key, pa.concat_tables([sound.table, sound.table.slice(0, 1)]))
    report = stage.ask(stage.wish(2))
    assert report.answered == 1
    assert report.unsound == {BUCKET: f"{SUMMARY}, duplicate_id: {title_id(1)} has 2 rows in bucket {BUCKET}"}
    assert f"enriched_catalog of bucket {BUCKET} is as it was" in report.sentence()
    assert report.changes == []
    assert stage.world.rows(wide) == before
    stage.world.tables.write(key, sound.table)
    again = stage.ask(stage.wish(2), "again-2")
    assert (again.unsound, again.plan.calls.total()) == ({}, 0)
    assert stage.world.rows(wide) != before


def test_the_nights_after_it_ask_nothing() -> None:
    stage = AgainStage([*SINGLES, COMBINED])
    stage.ask(stage.wish(*ASKED))
    stage.ask(stage.wish(5, analysis=COMBINED), "again-2")
    assert stage.asked == 4
    stage.night("night-2")
    stage.night("night-3")
    assert stage.asked == 4


def test_other_titles_of_the_bucket_are_left_as_they_were() -> None:
    stage = AgainStage(titles=2)
    stage.world.model = ScriptedModel(stage.world.clock, {title_id(3): [ErrorClass.REFUSAL] * 9})
    put_catalog(stage.world.tables, [record(1), record(2), record(3), bare_record(4)])
    stage.night("night-2")
    put_catalog(stage.world.tables, [record(1), record(2), record(3), bare_record(4), record(5)])
    before, asked = stage.world.outcomes(LEVEL), len(stage.world.model.sent)
    assert {row["outcome"] for row in before.values()} == {"succeeded", "failed", "insufficient_input"}
    stage.ask(stage.wish(1))
    after = stage.world.outcomes(LEVEL)
    assert len(stage.world.model.sent) == asked + 1
    assert {each: after[each] for each in after if each != title_id(1)} == {
        each: before[each] for each in before if each != title_id(1)
    }
    assert after[title_id(1)]["fingerprint"] == stage.fingerprints()[title_id(1)]
    stage.night("night-3")
    assert stage.world.outcomes(LEVEL)[title_id(5)]["outcome"] == "succeeded"


def test_pressed_twice_it_is_asked_once() -> None:
    stage = AgainStage()
    stage.ask(stage.wish(*ASKED))
    new = stage.fingerprints()
    second = stage.ask(stage.wish(*ASKED), "again-2")
    assert (stage.asked, second.plan.calls.total(), second.cost_micro_usd) == (3, 0, 0)
    assert stage.fingerprints() == new


def test_a_combined_wish_fills_all_tables_and_logs_its_call() -> None:
    stage = AgainStage([*SINGLES, COMBINED])
    report = stage.ask(stage.wish(1, analysis=COMBINED))
    assert (stage.asked, report.tables) == (1, {BUCKET: SINGLES})
    assert len({stage.fingerprints(name)[title_id(1)] for name in SINGLES}) == 1
    assert stage.whys(["again-1"]) == ["forced: it names the killer"]


def test_a_title_that_fails_for_good_keeps_its_old_answer_and_says_so() -> None:
    stage = AgainStage()
    old = stage.fingerprints()
    stage.world.model = ScriptedModel(stage.world.clock, {title_id(1): [ErrorClass.REFUSAL] * 9})
    report = stage.ask(stage.wish(1))
    assert stage.fingerprints() == old
    assert stage.world.outcomes(LEVEL)[title_id(1)]["error_class"] == "refusal"
    assert "1 failed" in report.sentence()


def test_what_the_brake_stops_is_left_for_the_next_night() -> None:
    stage = AgainStage()
    stage.world.budget.put_brake_on(Brake("a bill is looked into", stage.world.clock.now()))
    report = stage.ask(stage.wish(*ASKED))
    assert (stage.asked, report.left) == (0, 3)
    assert "3 left for the next night" in report.sentence()
    assert "brake" in report.sentence()
    stage.world.budget.take_brake_off()
    stage.night("night-2")
    stage.night("night-3")
    assert stage.asked == 3


def test_a_budget_holds_here_too() -> None:
    stage = AgainStage()
    stage.world.settings = open_budget_settings(caps=Caps(per_run_micro_usd=1))
    assert stage.ask(stage.wish(*ASKED)).left == 3
    assert stage.asked == 0


class Killable(AgainStage):
    """Its stores die with its process. Calls take a second, so that some are always at the model."""

    def __init__(self) -> None:
        super().__init__([LEVEL, SUMMARY])
        engine = replace(self.world.settings.engine, concurrency=2)
        self.world.settings = replace(self.world.settings, engine=engine)
        self.world.model._latency_seconds = 1.0  # noqa: SLF001
        self.switch = KillSwitch()

    def killed(self, calls: int, *, after_effect: bool) -> None:
        world = self.world
        mortal = [Mortal(each, self.switch) for each in (world.tables, world.ledger, world.budget)]
        asking = self.asking(*mortal)
        self.switch.arm(calls, after_effect=after_effect)
        with suppress(Killed):
            asking.ask(self.wish(*ASKED), "again-1", "1")
        self.left = self.switch.calls_left or 0
        self.switch.revive()
        world.clock.advance(600)  # leases and claims of the dead run out

    @property
    def forced(self) -> int:
        """Answers that somebody wanted, in the ledger."""
        return sum(entry.why.startswith("forced") for entry in self.world.ledger.entries.values())


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("calls", range(0, LAST_CALL, 6))
def test_killed_at_any_of_its_calls_to_a_store_nothing_is_paid_twice(calls: int, after_effect: bool) -> None:
    stage = Killable()
    old = stage.fingerprints()
    stage.killed(calls, after_effect=after_effect)
    kept, asked = stage.forced, stage.asked
    if calls % 4:  # of whoever comes next the night may be the first
        stage.night("night-2")
    stage.ask(stage.wish(*ASKED), "again-2")
    assert stage.forced == 3
    assert stage.asked - asked == 3 - kept, "nothing that is in the ledger is asked again"
    new = stage.fingerprints()
    assert {each for each in old if old[each] != new[each]} == set(map(title_id, ASKED))
    before = stage.asked
    stage.night("night-3")
    assert stage.asked == before
    assert stage.fingerprints() == new
    rows = [row for row in stage.world.log() if (row["why"] or "").startswith("forced") and row["attempt"]]
    assert sum(row["status"] == "succeeded" for row in rows) == 3
    assert len({(row["manga_id"], row["fingerprint"]) for row in rows}) == 3


def test_the_kills_reach_to_the_end_of_a_run() -> None:
    stage = Killable()
    stage.killed(10_000, after_effect=False)
    assert (stage.forced, stage.asked) == (3, 3)
    assert LAST_CALL - 6 < 10_000 - stage.left <= LAST_CALL + 6
