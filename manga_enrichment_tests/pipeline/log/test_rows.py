"""Rows of the requests log: every attempt once, whoever logs it again."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.pipeline.log.rows import (
    REQUEST_SCHEMA,
    request_rows,
    row_identity,
    union_requests,
    unsent_row,
)
from manga_enrichment_tests.builders import candidates_of, entry, record, title_id
from manga_enrichment_tests.fakes import START

TITLE = record(1)


def request_row(**changes: Any) -> dict[str, Any]:
    (row,) = request_rows(entry("reading_level", TITLE, candidates_of([TITLE])[TITLE.manga_id]))
    return {**row, **changes}


request_lists = st.lists(
    st.builds(
        request_row,
        manga_id=st.sampled_from([title_id(1), title_id(2)]),
        attempt=st.integers(0, 2),
        status=st.sampled_from(["retried", "succeeded"]),
        started_at=st.sampled_from([START, START + timedelta(seconds=1)]),
    ),
    max_size=6,
)


@given(request_lists, request_lists)
def test_logging_the_same_rows_again_changes_nothing(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    once = union_requests(union_requests(None, first), second)
    assert union_requests(once, [*second, *first]).equals(once)
    assert union_requests(once, once.to_pylist()).equals(once)


@given(request_lists)
def test_every_attempt_is_kept_and_each_once(rows: list[dict[str, Any]]) -> None:
    logged = union_requests(None, [*rows, *rows]).to_pylist()
    sent = {(row["manga_id"], row["attempt"], row["status"], row["started_at"]) for row in rows if row["attempt"]}
    assert len([row for row in logged if row["attempt"]]) == len(sent)
    unsent = {(row["manga_id"], row["status"]) for row in rows if not row["attempt"]}
    assert len([row for row in logged if not row["attempt"]]) == len(unsent)


def test_the_attempts_of_a_tried_again_op_are_told_apart_by_their_time() -> None:
    first = request_row(status="retried", error_class="read_timeout")
    again = {**first, "started_at": START + timedelta(minutes=1)}
    assert union_requests(union_requests(None, [first]), [again]).num_rows == 2


def test_a_decision_without_a_request_is_logged_once_per_run() -> None:
    run = Provenance("run-1", "2026-01-01", "schedule")
    about = row_identity(manga_id=TITLE.manga_id, analysis="reading_level", bucket="0", provenance=run)
    first = unsent_row(about, status="insufficient_input", at=START)
    again = {**first, "started_at": START + timedelta(minutes=1)}
    assert union_requests(union_requests(None, [first]), [again]).num_rows == 1
    next_run = {**again, "dagster_run_id": "run-2"}
    assert union_requests(union_requests(None, [first]), [next_run]).num_rows == 2


def test_a_log_has_the_schema_also_when_it_is_empty() -> None:
    assert union_requests(None, []).schema.equals(REQUEST_SCHEMA)


def test_a_log_of_an_older_release_lacks_a_column_and_is_completed() -> None:
    first = request_row(status="retried", error_class="read_timeout")
    old = union_requests(None, [first]).drop_columns(["guardrail_micro_usd"])
    again = {**first, "started_at": START + timedelta(minutes=1), "guardrail_micro_usd": 7}
    logged = union_requests(old, [again])
    assert logged.schema.equals(REQUEST_SCHEMA)
    assert logged.column("guardrail_micro_usd").to_pylist() == [None, 7]
    assert union_requests(logged, [first, again]).equals(logged)
