"""The planner asks for what is missing, once, in the cheapest way."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.pipeline.enrichment.planner import Action, Planned, Planner
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    COMBINED,
    SINGLES,
    bare_record,
    fingerprint_of,
    record,
)
from manga_enrichment_tests.pipeline.enrichment.planner_stage import MODEL_BY_NAME, STATES, Stage, stage

KINDS = {
    "rich": record(),
    "no synopsis": record(synopsis=None),
    "synopsis alone": record(publisher_genres=(), demographics=()),
    "magazine alone": replace(bare_record(), magazines=("Weekly Comet",)),
    "japanese": record(
        title_ja="海辺の本屋", synopsis="海辺の町で友人二人が小さな本屋を継ぎ、頁の間に手紙を見つける。" * 4
    ),
    "bare": bare_record(),
}


@st.composite
def stages(draw: st.DrawFn) -> Stage:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    titles = [replace(KINDS[kind], manga_id=record(number).manga_id) for number, kind in enumerate(kinds)]
    states = {}
    for title in titles:
        bare = stage([title])
        for name in ANALYSES:
            # Nobody can have answered what nobody can have asked.
            allowed = list(STATES) if bare.is_sufficient(title, name) else ["missing"]
            if not bare.is_sufficient(title, COMBINED) and len(allowed) > 1:
                allowed.remove("current by combined")
            states[title.manga_id, name] = draw(st.sampled_from(allowed))
    return stage(titles, states)


selections = st.sets(st.sampled_from(sorted(ANALYSES)), min_size=1)


def wanted_of(selected: Iterable[str]) -> set[str]:
    return {part for name in selected for part in (ANALYSES[name].parts or (name,))}


@given(stages(), selections)
def test_every_wanted_analysis_of_a_title_is_current_or_filled_by_exactly_one_plan(
    bucket: Stage, selected: set[str]
) -> None:
    filled = Counter((plan.manga_id, name) for plan in bucket.plan(selected) for name in plan.fills)
    assert filled == Counter(
        {
            (title.manga_id, name): 1
            for title in bucket.records
            for name in wanted_of(selected)
            if not bucket.is_current(title, name)
        }
    )


@given(stages())
def test_what_has_enough_text_is_in_the_ledger_asked_or_failed_for_good(bucket: Stage) -> None:
    plans = bucket.plan()
    assume(plans)
    for plan in plans:
        title = next(each for each in bucket.records if each.manga_id == plan.manga_id)
        for name in plan.fills:
            if plan.action is Action.INSUFFICIENT:
                assert not bucket.is_sufficient(title, name)
            elif plan.action is Action.USE_LEDGER:
                assert bucket.entries[plan.fingerprint].answer is not None
            elif plan.action is Action.FAILED_BEFORE:
                assert bucket.entries[plan.fingerprint].error_class is not None


@given(stages(), selections)
def test_nothing_is_asked_twice_or_again(bucket: Stage, selected: set[str]) -> None:
    asked = [plan for plan in bucket.plan(selected) if plan.action is Action.ASK]
    assert len({plan.fingerprint for plan in asked}) == len(asked)
    assert not [plan for plan in asked if plan.fingerprint in bucket.entries]
    assert {plan.analysis for plan in asked} <= selected


@given(stages())
def test_a_plan_never_costs_more_than_single_calls_alone(bucket: Stage) -> None:
    assert cost_of(bucket.plan()) <= cost_of(bucket.plan(SINGLES))


@given(stages())
def test_a_combined_call_is_chosen_exactly_where_it_is_cheaper(bucket: Stage) -> None:
    singles = bucket.plan(SINGLES)
    asked = {plan.manga_id for plan in bucket.plan() if plan.action is Action.ASK and plan.analysis == COMBINED}
    for title in bucket.records:
        answered_together = fingerprint_of(COMBINED, title, bucket.candidates[title.manga_id]) in bucket.entries
        own = cost_of(plan for plan in singles if plan.manga_id == title.manga_id)
        possible = bucket.is_sufficient(title, COMBINED) and not answered_together
        assert (title.manga_id in asked) == (possible and bucket.cost_of(title, COMBINED) < own)


def cost_of(plans: Iterable[Planned]) -> int:
    return sum(plan.estimated_micro_usd for plan in plans if plan.action is Action.ASK)


def shape(plans: Iterable[Planned]) -> set[tuple[str, Action, tuple[str, ...]]]:
    return {(plan.analysis, plan.action, plan.fills) for plan in plans}


def test_a_new_title_is_asked_in_one_combined_call() -> None:
    assert shape(stage([record()]).plan()) == {(COMBINED, Action.ASK, tuple(SINGLES))}


def test_a_title_that_lacks_one_analysis_is_asked_for_that_one() -> None:
    title = record()
    states = {(title.manga_id, name): "current" for name in SINGLES if name != "reading_level"}
    assert shape(stage([title], states).plan()) == {("reading_level", Action.ASK, ("reading_level",))}


def test_a_title_that_is_up_to_date_has_no_plan() -> None:
    title = record()
    states = {(title.manga_id, name): "current by combined" for name in SINGLES}
    assert stage([title], states).plan() == []


def test_after_a_combined_call_failed_for_good_the_single_calls_are_asked() -> None:
    title = record()
    plans = stage([title], {(title.manga_id, COMBINED): "failed"}).plan()
    assert shape(plans) == {
        (COMBINED, Action.FAILED_BEFORE, ()),
        *((name, Action.ASK, (name,)) for name in SINGLES),
    }


def test_a_single_call_that_failed_for_good_is_not_asked_again() -> None:
    title = record()
    bucket = stage([title], {(title.manga_id, "content_summary"): "failed"})
    (plan,) = bucket.plan(["content_summary"])
    assert (plan.action, plan.reason) == (Action.FAILED_BEFORE, "refusal")
    assert plan.fingerprint in bucket.entries


def test_an_answer_that_a_killed_run_paid_for_is_taken_from_the_ledger() -> None:
    title = record()
    bucket = stage([title], {(title.manga_id, COMBINED): "in ledger"})
    assert shape(bucket.plan()) == {(name, Action.USE_LEDGER, (name,)) for name in SINGLES}
    (plan,) = bucket.plan(["reading_level"])
    assert bucket.entries[plan.fingerprint].analysis == COMBINED


def test_an_answer_of_its_own_goes_before_one_of_a_combined_call() -> None:
    title = record()
    bucket = stage([title], {(title.manga_id, COMBINED): "in ledger", (title.manga_id, "reading_level"): "in ledger"})
    (plan,) = bucket.plan(["reading_level"])
    assert bucket.entries[plan.fingerprint].analysis == "reading_level"


def test_a_combined_call_fills_only_what_is_missing() -> None:
    title = record()
    there = {(title.manga_id, "reading_level"): "current", (title.manga_id, "content_summary"): "in ledger"}
    assert shape(stage([title], there).plan([COMBINED])) == {
        ("content_summary", Action.USE_LEDGER, ("content_summary",)),
        (COMBINED, Action.ASK, ("genre_classification", "similar_series")),
    }


def test_when_only_the_combined_analysis_is_selected_it_is_asked_also_for_a_single_gap() -> None:
    title = record()
    states = {(title.manga_id, name): "current" for name in SINGLES if name != "reading_level"}
    assert shape(stage([title], states).plan([COMBINED])) == {(COMBINED, Action.ASK, ("reading_level",))}


def test_when_only_the_combined_analysis_is_selected_and_can_not_be_asked_its_reason_stands_for_its_parts() -> None:
    title = record(synopsis=None)
    plans = stage([title]).plan([COMBINED])
    assert shape(plans) == {(name, Action.INSUFFICIENT, (name,)) for name in SINGLES}
    assert {plan.reason for plan in plans} == {"content_summary: the synopsis is missing or too short to summarise"}


def test_when_only_the_combined_analysis_is_selected_its_failure_stands_for_its_parts() -> None:
    title = record()
    plans = stage([title], {(title.manga_id, COMBINED): "failed"}).plan([COMBINED])
    assert {plan.action for plan in plans} == {Action.FAILED_BEFORE}
    assert {plan.reason for plan in plans} == {"refusal"}


@pytest.mark.parametrize(
    "changed",
    [record(synopsis="Another story altogether, told over more than one sentence."), record(title="New Title")],
)
def test_a_changed_title_is_asked_again(changed: MangaRecord) -> None:
    before = stage([record()], {(record().manga_id, name): "current" for name in SINGLES})
    after = replace(before, records=[changed])
    assert before.plan() == []
    assert {name for plan in after.plan() for name in plan.fills} == set(SINGLES)


def test_a_change_that_no_prompt_shows_is_not_asked_again() -> None:
    before = stage([record()], {(record().manga_id, name): "current" for name in SINGLES})
    assert replace(before, records=[record(isbn13="9784000000000")]).plan() == []


def test_the_ledger_is_asked_once_per_bucket_and_only_for_what_could_be_there() -> None:
    title, untold = record(1), bare_record(2)
    bucket = stage([title, untold], {(title.manga_id, "reading_level"): "current"})
    questions: list[list[str]] = []

    def lookup(fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        questions.append(list(fingerprints))
        return {}

    planner = Planner(ANALYSES, MODEL_BY_NAME, list(ANALYSES))
    list(planner.plan(bucket.records, bucket.candidates, bucket.current, lookup))
    shown = bucket.candidates[title.manga_id]
    possible = {name for name in ANALYSES if name != "reading_level"}
    assert questions == [sorted(fingerprint_of(name, title, shown) for name in possible)]


def test_what_earlier_calls_were_billed_decides_between_combined_and_single() -> None:
    """A combined call whose answers turned out ten times as long is no bargain any more."""
    bucket = stage([record()])
    dear = Calibration(samples=50, input_factor=1.0, output_tokens=20_000, latency_p50_ms=900)
    planner = Planner(ANALYSES, MODEL_BY_NAME, list(ANALYSES), {COMBINED: dear})
    plans = list(planner.plan(bucket.records, bucket.candidates, bucket.current, bucket.lookup))
    assert {plan.analysis for plan in plans} == set(SINGLES)
