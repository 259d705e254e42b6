"""Every title of the catalog is accounted for, with a reason."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.pipeline.enrichment.outcomes import OutcomeRows
from manga_enrichment.pipeline.enrichment.plan_files import PlanRow
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.store.rows import OUTCOME_SCHEMA, answer_row, answer_schema
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, candidates_of, entry, record, title_id
from manga_enrichment_tests.fakes import START

LEVEL = "reading_level"
TITLES = [record(number) for number in range(1, 6)]
CANDIDATES = candidates_of(TITLES)
ANSWERED = entry(LEVEL, TITLES[0], CANDIDATES[title_id(1)])
REFUSED = entry(LEVEL, TITLES[1], CANDIDATES[title_id(2)], error_class=ErrorClass.REFUSAL)
NO_ANSWERS = answer_schema(ANALYSES[LEVEL]).empty_table()


def planned(number: int, action: Action, fingerprint: str = "", reason: str = "", analysis: str = LEVEL) -> PlanRow:
    return PlanRow(title_id(number), analysis, action, (LEVEL,), fingerprint, reason, 0, 0, 0)


def answers(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=NO_ANSWERS.schema)


def outcome_rows(
    *plan: PlanRow,
    entries: Any = (),
    unledgered: Any = (),
    run_id: str = "run-1",
    later: timedelta = timedelta(0),
) -> OutcomeRows:
    return OutcomeRows(
        LEVEL,
        {row.manga_id: row for row in plan},
        {each.fingerprint: each for each in entries},
        unledgered,
        run_id,
        START + later,
    )


def decide(rows: OutcomeRows, table: pa.Table = NO_ANSWERS, number: int = 1) -> dict[str, Any]:
    (row,) = rows.merged(None, ids_of(number), table)[0].to_pylist()
    return dict(row)


def ids_of(*numbers: int) -> pa.Array:
    return pa.array([title_id(number) for number in numbers], pa.string())


def test_an_answer_in_the_table_is_a_success() -> None:
    row = decide(outcome_rows(), answers(answer_row(ANALYSES[LEVEL], ANSWERED)))
    assert (row["outcome"], row["via"], row["fingerprint"]) == ("succeeded", LEVEL, ANSWERED.fingerprint)
    assert row["transient"] is False


def test_too_little_text_is_said_in_words() -> None:
    row = decide(outcome_rows(planned(1, Action.INSUFFICIENT, reason="no synopsis")))
    assert (row["outcome"], row["reason"], row["error_class"]) == ("insufficient_input", "no synopsis", None)


def test_a_refusal_is_a_failure_that_stands() -> None:
    plan = planned(2, Action.ASK, REFUSED.fingerprint)
    row = decide(outcome_rows(plan, entries=[REFUSED]), number=2)
    assert (row["outcome"], row["error_class"], row["reason"]) == ("failed", "refusal", "scripted")
    assert row["transient"] is False


def test_a_refused_combined_call_is_tried_again_by_single_ones() -> None:
    refused = entry(COMBINED, TITLES[1], CANDIDATES[title_id(2)], error_class=ErrorClass.REFUSAL)
    plan = planned(2, Action.ASK, refused.fingerprint, analysis=COMBINED)
    row = decide(outcome_rows(plan, entries=[refused]), number=2)
    assert (row["outcome"], row["via"], row["transient"]) == ("failed", COMBINED, True)


@pytest.mark.parametrize("error_class", [each for each in ErrorClass if TREATMENTS[each].transient])
def test_a_passing_failure_is_what_the_last_attempt_says(error_class: ErrorClass) -> None:
    unledgered = [
        {"manga_id": title_id(1), "analysis": LEVEL, "error_class": "throttled", "message": "first"},
        {"manga_id": title_id(1), "analysis": LEVEL, "error_class": error_class.value, "message": "last"},
    ]
    row = decide(outcome_rows(planned(1, Action.ASK, "f1"), unledgered=unledgered))
    assert (row["outcome"], row["error_class"]) == (TREATMENTS[error_class].outcome.value, error_class.value)
    assert (row["reason"], row["transient"]) == ("last", True)


def test_a_title_that_was_planned_and_never_asked_is_left_for_the_next_run() -> None:
    row = decide(outcome_rows(planned(1, Action.ASK, "f1")))
    assert (row["outcome"], row["error_class"], row["transient"]) == ("deferred", "stopped", True)
    assert row["reason"] == "planned, but the run ended before it"


def test_a_title_that_came_after_the_plan_is_left_for_the_next_run() -> None:
    row = decide(outcome_rows())
    assert (row["outcome"], row["reason"]) == ("deferred", "not looked at in this run")


def test_an_outdated_answer_does_not_pass_for_the_new_one() -> None:
    old = answers(answer_row(ANALYSES[LEVEL], replace(ANSWERED, fingerprint="old")))
    refused = replace(REFUSED, manga_id=title_id(1))
    row = decide(outcome_rows(planned(1, Action.ASK, refused.fingerprint), entries=[refused]), old)
    assert (row["outcome"], row["fingerprint"]) == ("failed", refused.fingerprint)


def test_a_decision_that_stands_keeps_its_date_and_run() -> None:
    plan = planned(2, Action.FAILED_BEFORE, REFUSED.fingerprint)
    stored, changed = outcome_rows(plan, entries=[REFUSED]).merged(None, ids_of(2), NO_ANSWERS)
    assert changed == stored.to_pylist()
    later = outcome_rows(plan, entries=[REFUSED], run_id="run-2", later=timedelta(days=1))
    again, changed = later.merged(stored, ids_of(2), NO_ANSWERS)
    assert (again, changed) == (stored, [])


def test_a_changed_decision_has_the_date_and_run_that_changed_it() -> None:
    plan = planned(1, Action.ASK, ANSWERED.fingerprint)
    stored, _ = outcome_rows(plan).merged(None, ids_of(1), NO_ANSWERS)
    table = answers(answer_row(ANALYSES[LEVEL], ANSWERED))
    later, changed = outcome_rows(run_id="run-2", later=timedelta(days=1)).merged(stored, ids_of(1), table)
    assert (rows := later.to_pylist()) == changed
    assert (rows[0]["dagster_run_id"], rows[0]["decided_at"]) == ("run-2", START + timedelta(days=1))


@given(
    ids=st.sets(st.integers(1, 5)),
    plans=st.dictionaries(st.integers(1, 5), st.sampled_from(Action)),
    left=st.dictionaries(st.integers(1, 5), st.sampled_from(ErrorClass)),
)
def test_whatever_happened_every_title_has_one_outcome_and_all_that_did_not_succeed_a_reason(
    ids: set[int], plans: dict[int, Action], left: dict[int, ErrorClass]
) -> None:
    unledgered = [
        {"manga_id": title_id(number), "analysis": LEVEL, "error_class": each.value, "message": None}
        for number, each in left.items()
    ]
    rows = outcome_rows(
        *(planned(number, action, f"f{number}", "a reason") for number, action in plans.items()),
        entries=[ANSWERED, REFUSED],
        unledgered=unledgered,
    )
    table = answers(answer_row(ANALYSES[LEVEL], ANSWERED))
    found, _changed = rows.merged(None, ids_of(*ids), table)
    decided = found.to_pylist()
    assert [row["manga_id"] for row in decided] == [title_id(number) for number in sorted(ids)]
    assert sum(rows.outcomes.values()) == len(ids)
    for row in decided:
        assert row["outcome"] == Outcome.SUCCEEDED.value or row["error_class"] or row["reason"]
    assert (found.num_rows, found.schema) == (len(ids), OUTCOME_SCHEMA)
