"""What a plan says, in whole, and which combined call is chosen where there are several."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import Price
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.engine.build_call import Question
from manga_enrichment.pipeline.enrichment.planner import Action, Planned, Planner
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, SINGLES, bare_record, candidates_of, fingerprint_of, record
from manga_enrichment_tests.pipeline.enrichment.planner_stage import MODEL_BY_NAME, stage

TITLE = record()
SHOWN = candidates_of([TITLE, record(90), record(91), record(92), record(93)])[TITLE.manga_id]
PAIR = replace(ANALYSES[COMBINED], name="pair", parts=("reading_level", "content_summary"), expected_output_tokens=1)


def question(name: str) -> Question:
    return Question(ANALYSES[name], MODEL_BY_NAME[name], title_inputs(ANALYSES[name], TITLE, SHOWN))


@pytest.mark.parametrize(("selected", "fills"), [(["reading_level"], ("reading_level",)), (ANALYSES, tuple(SINGLES))])
def test_a_call_to_be_asked_is_planned_with_its_estimate(selected: Sequence[str], fills: tuple[str, ...]) -> None:
    name = "reading_level" if len(fills) == 1 else COMBINED
    asked = question(name)
    assert stage([TITLE]).plan(selected) == [
        Planned(
            TITLE.manga_id,
            name,
            Action.ASK,
            fills,
            fingerprint_of(name, TITLE, SHOWN),
            estimate=asked.estimate,
            estimated_micro_usd=asked.cost_micro_usd,
        )
    ]


@pytest.mark.parametrize("asked_for", ["reading_level", COMBINED])
def test_what_a_batch_job_is_asking_for_is_pending(asked_for: str) -> None:
    fingerprint, bucket = fingerprint_of(asked_for, TITLE, SHOWN), stage([TITLE])
    planner = Planner(ANALYSES, MODEL_BY_NAME, ["reading_level"], pending={fingerprint})
    assert list(planner.plan(bucket.records, bucket.candidates, bucket.current, bucket.lookup)) == [
        Planned(
            TITLE.manga_id,
            "reading_level",
            Action.PENDING,
            ("reading_level",),
            fingerprint,
            "a batch job is asking for it",
        )
    ]


def test_a_title_that_lacks_text_has_a_plan_with_the_reason_and_no_fingerprint() -> None:
    bare = bare_record()
    (plan,) = stage([bare]).plan(["reading_level"])
    assert plan == Planned(bare.manga_id, "reading_level", Action.INSUFFICIENT, ("reading_level",), "", plan.reason)
    assert plan.reason == ANALYSES["reading_level"].sufficient(title_inputs(ANALYSES["reading_level"], bare, ()))


def test_parts_of_a_combined_call_that_lacks_text_have_no_fingerprint() -> None:
    plans = stage([record(synopsis=None)]).plan([COMBINED])
    assert [(plan.analysis, plan.fingerprint) for plan in plans] == [(name, "") for name in SINGLES]


def test_a_combined_call_that_failed_for_good_is_named_and_stands_for_its_parts() -> None:
    failed = {(TITLE.manga_id, COMBINED): "failed"}
    fingerprint = fingerprint_of(COMBINED, TITLE, SHOWN)
    assert stage([TITLE], failed).plan([COMBINED]) == [
        Planned(TITLE.manga_id, COMBINED, Action.FAILED_BEFORE, (), fingerprint, "refusal"),
        *(Planned(TITLE.manga_id, name, Action.FAILED_BEFORE, (name,), fingerprint, "refusal") for name in SINGLES),
    ]


def test_a_title_without_candidates_and_an_analysis_without_a_table_are_planned_all_the_same() -> None:
    planner = Planner(ANALYSES, MODEL_BY_NAME, ["reading_level"])
    plans = list(planner.plan([TITLE], {}, {}, lambda _fingerprints: {}))
    assert [(plan.analysis, plan.action) for plan in plans] == [("reading_level", Action.ASK)]


def test_a_combined_call_that_saves_nothing_is_not_chosen() -> None:
    free = {name: replace(model, price=_nothing(model)) for name, model in MODEL_BY_NAME.items()}
    planner = Planner(ANALYSES, free, list(ANALYSES))
    bucket = stage([TITLE])
    plans = planner.plan(bucket.records, bucket.candidates, bucket.current, bucket.lookup)
    assert [plan.analysis for plan in plans] == list(SINGLES)


def _nothing(model: ModelSpec) -> Price:
    return replace(
        model.price,
        input_micro_usd=0,
        output_micro_usd=0,
        cache_read_micro_usd=0,
        cache_write_micro_usd=0,
    )


def asked_by(analyses: Mapping[str, AnalysisType], entries: Mapping[str, LedgerEntry], title: MangaRecord) -> list[str]:
    """Analyses that are asked first of those that have parts."""
    models = {name: MODEL_BY_NAME[name if name in ANALYSES else COMBINED] for name in analyses}
    planner = Planner(analyses, models, list(analyses))
    bucket = stage([title])
    lookup = {**entries}
    plans = planner.plan(bucket.records, bucket.candidates, bucket.current, lambda asked: _known(lookup, asked))
    return [plan.analysis for plan in plans if plan.action is Action.ASK and analyses[plan.analysis].parts]


def _known(entries: Mapping[str, LedgerEntry], asked: Sequence[str]) -> dict[str, LedgerEntry]:
    return {each: entries[each] for each in asked if each in entries}


def test_of_several_combined_calls_the_one_that_saves_most_is_chosen_and_the_first_of_equals() -> None:
    singles = {name: ANALYSES[name] for name in SINGLES}
    both = {COMBINED: ANALYSES[COMBINED], "pair": PAIR}
    twin = replace(PAIR, name="twin")
    assert asked_by({**singles, **both}, {}, TITLE) == ["pair"]
    assert asked_by({**singles, **dict(reversed(both.items()))}, {}, TITLE) == ["pair"]
    assert asked_by({**singles, "twin": twin, "pair": PAIR}, {}, TITLE) == ["twin"]


def test_a_combined_call_that_failed_leaves_the_others_in_question() -> None:
    singles = {name: ANALYSES[name] for name in SINGLES}
    failed = stage([TITLE], {(TITLE.manga_id, COMBINED): "failed"}).entries
    analyses = {**singles, COMBINED: ANALYSES[COMBINED], "pair": PAIR}
    assert asked_by(analyses, failed, TITLE) == ["pair"]
