"""A trial asks a sample through the production engine, judges it, and is never wasted money."""

from dataclasses import replace

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.trials.contenders import TrialError
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.enrichment.plan_run import Planning
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, MODELS, title_id
from manga_enrichment_tests.pipeline.trials.trial_stage import (
    LEVEL,
    NAMED_LIKE_ITS_FILE,
    TITLES,
    TrialStage,
    other_model,
    prompt_variant,
)


def test_a_bake_off_compares_each_contender_with_today() -> None:
    stage = TrialStage()
    report = stage.tried(stage.question(prompt_variant(), other_model(), titles=TITLES))
    today, variant, model = report.standings
    assert stage.asked == 2 * TITLES
    assert (today.name, today.answered, today.agreement and today.agreement.mean) == ("today", TITLES, 1.0)
    level = next(each for each in variant.with_today if each.field == "reading_level")
    assert (level.interval.mean, level.interval.n) == (8 / 12, TITLES)  # every third is adult
    assert variant.confusions["reading_level"] == [("teen", "adult", 4), ("teen", "teen", 8)]
    assert {each.manga_id for each in variant.examples} == {title_id(n) for n in (3, 6, 9, 12)}
    assert ("reading_level", "teen", "adult", None) in variant.examples[0].values
    assert (model.agreement and model.agreement.mean, model.examples) == (1.0, [])
    assert model.micro_usd_per_title > today.micro_usd_per_title > 0


def test_truth_decides_who_is_right() -> None:
    stage = TrialStage()
    truth = {title_id(n): {"reading_level": "adult" if n % 3 == 0 else "teen"} for n in range(1, TITLES + 1)}
    report = stage.tried(stage.question(prompt_variant(), titles=TITLES, truth=truth))
    today, variant = report.standings
    assert [each.interval.mean for each in (*today.with_truth, *variant.with_truth)] == [8 / 12, 1.0]
    (duel,) = variant.duels
    assert (duel.both, duel.only_candidate, duel.only_today, duel.neither) == (8, 4, 0, 0)
    assert duel.p_value == pytest.approx(0.125)
    assert variant.confusions["reading_level"] == [("adult", "adult", 4), ("teen", "teen", 8)]
    assert (report.has_truth, report.truth_titles, report.strangers) == (True, TITLES, [])
    assert variant.is_on_front


def test_titles_whose_truth_is_known_are_asked_first_and_strangers_are_named() -> None:
    stage = TrialStage()
    known = [title_id(3), title_id(6)]
    truth = {each: {"reading_level": "adult"} for each in (*known, "MNG-STRANGER")}
    question = stage.question(prompt_variant(), titles=6, truth=truth)
    report = stage.tried(question)
    assert set(known) <= {sent.manga_id for sent in stage.world.model.sent[stage.asked_before :]}
    assert (report.truth_titles, report.strangers) == (2, ["MNG-STRANGER"])


def test_its_answers_are_in_the_ledger_so_promoting_bills_only_the_rest() -> None:
    stage = TrialStage()
    stage.tried(stage.question(prompt_variant(), titles=5))
    world = stage.world
    promoted = {**ANALYSES, LEVEL: NAMED_LIKE_ITS_FILE}
    planning = Planning(tables=world.tables, ledger=world.ledger, analyses=promoted, models=MODELS)
    plan = planning.plan("run-2", [BUCKET], [LEVEL], stage.said.append).analyses[LEVEL]
    assert plan.actions == {"use_ledger": 5, "ask": TITLES - 5}


def test_everything_is_booked_and_logged_under_a_reason_of_its_own() -> None:
    stage = TrialStage()
    before = stage.world.logged_cost_micro_usd()
    report = stage.tried(stage.question(prompt_variant(), other_model(), titles=6))
    rows = [row for row in stage.world.log() if row["trigger"] == "trial"]
    assert len(rows) == 12
    assert {row["dagster_run_id"] for row in rows} == {report.trial_id}
    logged = sum(row["cost_micro_usd"] for row in rows)
    assert logged == report.billed_micro_usd == sum(each.billed_micro_usd for each in report.standings) > 0
    day = f"day:{stage.world.clock.now().date().isoformat()}"
    assert stage.world.budget.spent(day)[1] == before + logged


def test_run_again_it_pays_nothing_and_says_the_same() -> None:
    stage = TrialStage()
    question = stage.question(prompt_variant(), other_model(), titles=6)
    first = stage.tried(question)
    asked, logged = stage.asked, len(stage.world.log())
    again = stage.tried(question, "2")
    assert (stage.asked, len(stage.world.log())) == (asked, logged)
    assert again.estimated_micro_usd == 0
    estimates = {"estimated_micro_usd": 0}
    assert [replace(each, **estimates) for each in again.standings] == [
        replace(each, **estimates) for each in first.standings
    ]
    assert again.billed_micro_usd == first.billed_micro_usd


def test_the_estimate_is_near_the_bill_where_a_night_has_measured_what_calls_take() -> None:
    """A little above it, since first calls are taken to write the cache."""
    stage = TrialStage(titles=120)
    report = stage.tried(stage.question(prompt_variant(), titles=100))
    assert report.billed_micro_usd <= report.estimated_micro_usd <= 1.15 * report.billed_micro_usd


def test_a_cap_of_its_own_stops_it_before_it_asks_or_while_it_asks() -> None:
    stage = TrialStage()
    with pytest.raises(TrialError, match=r"more than its cap of USD 0\.000001: try fewer titles"):
        stage.tried(stage.question(prompt_variant(), cap_micro_usd=1))
    assert stage.asked == 0
    trials = stage.trials()
    question = stage.question(prompt_variant(), titles=TITLES)
    planned = trials.plan(question)
    most = planned.estimated_micro_usd // 2
    report = trials.run(replace(question, cap_micro_usd=most), planned, "1")
    assert 0 < stage.asked < TITLES
    assert "answers are missing (budget): run the same trial again" in report.stopped
    assert report.standings[1].outcomes == {"succeeded": stage.asked, "deferred": TITLES - stage.asked}


def test_the_days_cap_holds_a_trial_as_it_holds_a_night() -> None:
    stage = TrialStage()
    spent = stage.world.logged_cost_micro_usd()
    stage.world.settings = replace(stage.world.settings, caps=Caps(per_day_micro_usd=spent))
    report = stage.tried(stage.question(prompt_variant()))
    assert stage.asked == 0
    assert "budget" in report.stopped
    stage.world.settings = replace(stage.world.settings, caps=Caps())
    assert stage.tried(stage.question(prompt_variant()), "2").stopped == ""
    assert stage.asked == 6


def test_refusals_and_broken_answers_are_counted_beside_agreement() -> None:
    stage = TrialStage()
    stage.world.model._script = {  # noqa: SLF001
        title_id(1): [None, ErrorClass.REFUSAL],
        title_id(2): [None, {"level": "nobody"}],
    }
    report = stage.tried(stage.question(prompt_variant(), titles=TITLES))
    variant = report.standings[1]
    assert (variant.refused, variant.schema_failures) == (1, 1)
    assert variant.outcomes == {"succeeded": TITLES - 1, "failed": 1}
    assert {each.interval.n for each in variant.with_today} == {TITLES - 1}


def test_a_combined_analysis_is_compared_by_the_columns_of_its_parts() -> None:
    stage = TrialStage(selected=list(ANALYSES))
    full = stage.today("full_enrichment")
    sonnet = replace(full, name="sonnet", model=MODELS.resolve("sonnet"))
    report = stage.tried(replace(stage.question(sonnet, titles=4), today=full))
    fields = {each.field for each in report.standings[1].with_today}
    assert {"primary_genre", "reading_level", "summary_en", "similar_titles"} <= fields
    assert report.today.micro_usd_per_title > 0


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"titles": 13}, "13 titles are more than the 12 of the catalog that have enough text"),
        (
            {"truth": {"MNG-AAAAAAAA": {"reading_level": "kids"}}},
            "of its 1 ids none is in the catalog, for example MNG-A",
        ),
    ],
)
def test_what_cannot_be_tried_is_said_in_a_sentence(question: dict, said: str) -> None:
    stage = TrialStage()
    with pytest.raises(TrialError, match=said):
        stage.tried(stage.question(prompt_variant(), **question))
    assert stage.asked == 0


def test_labels_that_are_kept_may_be_about_other_titles_and_a_given_file_may_not() -> None:
    stage = TrialStage()
    gone = {"MNG-AAAAAAAA": {"reading_level": "kids"}}
    report = stage.tried(stage.question(prompt_variant(), truth=gone, truth_is_given=False))
    assert report.strangers == ["MNG-AAAAAAAA"]
    with pytest.raises(TrialError, match="none is in the catalog"):
        stage.tried(stage.question(other_model(), truth=gone))
