"""A night with a model that fails in every way: each title ends somewhere, and every micro-dollar is accounted for."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.builders import SINGLES
from manga_enrichment_tests.end_to_end.books import Books

TITLES = 2_000
FAULTS = {
    "error_probability": 0.02,
    "hang_probability": 0.01,
    "truncated_probability": 0.01,
    "throttle_probability": 0.05,
    "refusal_probability": 0.005,
    "seed": 11,
}


def run_nightly() -> bool:
    job = build_definitions().resolve_job_def(NIGHTLY_JOB)
    return job.execute_in_process(tags=range_tags("0", "1"), raise_on_error=False).success


def was_billed(attempt: dict[str, Any]) -> bool:
    return bool(attempt["maybe_billed"] or attempt["input_tokens"])


def test_with_every_fault_at_once_each_title_is_accounted_for_and_the_log_is_the_bill(
    arrange: Callable[..., dict[str, str]], model_server: ModelServerControl, open_books: Callable[[], Books]
) -> None:
    arrange(TITLES, catalog_buckets=2, concurrency=32, call_timeout_seconds=1, claim_seconds=5)
    model_server.faults(**FAULTS)
    assert run_nightly()
    books, bill = open_books(), model_server.counters()

    books.assert_every_title_is_accounted_for()
    known = {error_class.value for error_class in ErrorClass} | {None}
    for name in SINGLES:
        assert {error_class for _, error_class in books.outcomes(name).values()} <= known
    for fault in ("error", "hang", "truncated", "throttled", "refusal"):
        assert bill["by_fault"][fault] > 0, f"{fault} was never injected: the test shows nothing about it"

    attempts = books.attempts()
    by_call: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for attempt in attempts:
        by_call[attempt["fingerprint"]].append(attempt)
    paid_again = sum(max(0, sum(map(was_billed, tries)) - 1) for tries in by_call.values())
    lost = sum(attempt["maybe_billed"] for attempt in attempts)
    assert bill["duplicates"] == paid_again <= lost
    assert sum(map(was_billed, attempts)) == bill["billed"]
    assert len(attempts) == bill["requests"]

    logged_micro_usd = sum(attempt["cost_micro_usd"] for attempt in attempts)
    assert books.spent_micro_usd() == logged_micro_usd
    # Of a call that was never answered nobody knows the price; it is booked at its estimate.
    guesses = [tries for tries in by_call.values() if not any(each["input_tokens"] for each in tries)]
    unknown_micro_usd = sum(each["cost_micro_usd"] for tries in guesses for each in tries)
    assert abs(bill["cost_micro_usd"] - logged_micro_usd) <= unknown_micro_usd


def test_after_the_faults_are_gone_the_next_night_asks_only_for_what_is_missing(
    arrange: Callable[..., dict[str, str]], model_server: ModelServerControl, open_books: Callable[[], Books]
) -> None:
    arrange(60, catalog_buckets=2, concurrency=16, call_timeout_seconds=1, claim_seconds=5)
    model_server.faults(refusal_probability=0.1, truncated_probability=0.2, seed=5)
    assert run_nightly()
    books = open_books()
    missing = {manga_id for name in SINGLES for manga_id, (_, why) in books.outcomes(name).items() if why}
    (first_run,) = {attempt["dagster_run_id"] for attempt in books.attempts()}
    model_server.faults()
    assert run_nightly()
    books.assert_every_title_is_accounted_for()
    asked_again = {row["manga_id"] for row in books.attempts() if row["dagster_run_id"] != first_run}
    assert set() < asked_again <= missing
    # Only a refusal of a single call is for good; a refused combined call is followed by single ones.
    assert {why for name in SINGLES for _, why in books.outcomes(name).values()} <= {None, "refusal"}
    assert sum(map(was_billed, books.attempts())) == model_server.counters()["billed"]
