"""What a promotion will ask is told before it is written, and its canary is large enough to be judged."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from manga_enrichment.domain.trials.canary import LEAST_TITLES
from manga_enrichment.domain.trials.contenders import TrialError
from manga_enrichment.domain.trials.promotion import with_model
from manga_enrichment.pipeline.trials.promoting import Promotion, forecast_sentences
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, MODELS, title_id
from manga_enrichment_tests.pipeline.trials.trial_stage import (
    LEVEL,
    NAMED_LIKE_ITS_FILE,
    TrialStage,
    other_model,
    prompt_variant,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def by_prompt() -> Promotion:
    return Promotion(prompt_variant(), {LEVEL: NAMED_LIKE_ITS_FILE}, MODELS)


def test_after_a_trial_it_bills_the_catalog_less_the_sample() -> None:
    stage = TrialStage(titles=40)
    stage.tried(stage.question(prompt_variant(), titles=15))
    promotion = by_prompt()
    promotion.check()
    report = promotion.forecast(stage.world.tables, stage.world.ledger, [BUCKET], [])
    assert report.analyses[LEVEL].actions == {"use_ledger": 15, "ask": 25}
    (said,) = forecast_sentences(report)
    assert said.startswith("reading_level: 25 calls, about USD 0.00")
    assert said.endswith("15 answers are in the ledger, 0 titles wait for the canary")


def test_with_a_canary_the_rest_waits() -> None:
    stage = TrialStage(titles=100)
    promotion = by_prompt()
    canary = promotion.canary(stage.world.tables, [BUCKET], 45, NOW)
    assert canary is not None
    own = sum(canary.has(title_id(n)) for n in range(1, 101))
    report = promotion.forecast(stage.world.tables, stage.world.ledger, [BUCKET], [canary])
    assert report.analyses[LEVEL].actions == {"ask": own, "held_back": 100 - own}


@pytest.mark.parametrize("percent", [5, 99])
def test_a_canary_that_could_not_be_judged_is_refused(percent: float) -> None:
    stage = TrialStage(titles=60)
    with pytest.raises(TrialError, match=f"of 60 answered titles: a canary needs {LEAST_TITLES}"):
        by_prompt().canary(stage.world.tables, [BUCKET], percent, NOW)


def test_without_answers_of_before_there_is_nothing_to_hold_a_canary_against() -> None:
    stage = TrialStage(selected=["genre_classification"])
    assert by_prompt().canary(stage.world.tables, [BUCKET], 5, NOW) is None


def test_a_column_that_may_drift_has_to_be_one() -> None:
    with pytest.raises(TrialError, match="level is no field of reading_level; fields are reading_level, min_age"):
        by_prompt().canary(TrialStage().world.tables, [BUCKET], 5, NOW, ["level"])


def test_what_a_night_would_ask_has_to_be_what_was_tried() -> None:
    models = replace(MODELS, by_lane=with_model({}, LEVEL, "sonnet"))
    Promotion(other_model(), ANALYSES, models).check()
    with pytest.raises(TrialError, match=r"A night would ask version 1 of reading_level of .*haiku.*name the model"):
        Promotion(other_model(), ANALYSES, MODELS).check()
    with pytest.raises(TrialError, match="A night would ask version 1"):
        Promotion(prompt_variant(), ANALYSES, MODELS).check()
