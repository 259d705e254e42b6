"""A trial of titles that were asked again: its answers are those that a promotion would use."""

from manga_enrichment.pipeline.enrichment.plan_run import Planning
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment_tests.again import pressed
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, MODELS, title_id
from manga_enrichment_tests.pipeline.trials.trial_stage import (
    LEVEL,
    NAMED_LIKE_ITS_FILE,
    TITLES,
    TrialStage,
    prompt_variant,
)
from manga_enrichment_tests.planned import read_plan


def test_a_promotion_pays_for_nothing_that_the_trial_has_asked() -> None:
    stage = TrialStage()
    world = stage.world
    pressed(world.tables, (title_id(1), LEVEL, 1), (title_id(2), "content_summary", 1))
    stage.tried(stage.question(prompt_variant(), titles=TITLES))
    assert stage.asked == TITLES
    promoted = {**ANALYSES, LEVEL: NAMED_LIKE_ITS_FILE}
    planning = Planning(tables=world.tables, ledger=world.ledger, analyses=promoted, models=MODELS)
    planning.plan("next", [BUCKET], [LEVEL], lambda _line: None)
    found = [row.action for row in read_plan(world.tables, "next", BUCKET, [LEVEL])]
    assert found == [Action.USE_LEDGER] * TITLES


def test_a_trial_from_before_is_asked_anew_for_the_titles_that_were_asked_again_since() -> None:
    stage = TrialStage()
    question = stage.question(prompt_variant(), titles=TITLES)
    stage.tried(question)
    before = stage.asked
    pressed(stage.world.tables, (title_id(1), LEVEL, 1))
    assert stage.trials().plan(question).missing == 1
    stage.tried(question, "2")
    assert stage.asked == before + 1
