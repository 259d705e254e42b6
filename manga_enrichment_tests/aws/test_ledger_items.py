"""Entries as items: nothing is lost, and an item stays below DynamoDB's 400 KB."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.aws.dynamodb.ledger_items import (
    at_stake_micro_usd,
    claim_item,
    entry_from_item,
    entry_item,
    is_abandoned,
    storable,
)
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment_tests.contracts.entries import make_entry

NOW = datetime(2026, 11, 22, 12, 30, 15, 250_000, tzinfo=UTC)
RETENTION = timedelta(days=30)

counts = st.integers(0, 2**40)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
answers = st.dictionaries(
    st.text(max_size=8), st.text(max_size=40) | st.booleans() | st.floats(0, 1) | st.lists(st.text(max_size=8))
)
attempts = st.builds(
    Attempt,
    number=st.integers(1, 50),
    started_at=moments,
    latency_ms=counts,
    usage=st.builds(Usage, counts, counts, counts, counts),
    cost_micro_usd=counts,
    error_class=st.none() | st.sampled_from(ErrorClass),
    maybe_billed=st.booleans(),
    message=st.text(max_size=20),
)
entries = st.builds(
    LedgerEntry,
    fingerprint=st.text(min_size=1),
    outcome=st.sampled_from(Outcome),
    analysis=st.just("content_summary"),
    manga_id=st.just("MNG-AAAA0001"),
    bucket=st.just("0001"),
    model_id=st.just("m"),
    prompt_version=st.just("1"),
    provenance=st.builds(Provenance, st.text(), st.text(), st.text(), st.text()),
    created_at=moments,
    attempts=st.lists(attempts, max_size=3).map(tuple),
    answer=st.none() | answers,
    error_class=st.none() | st.sampled_from(ErrorClass),
)


@given(entries)
def test_an_entry_comes_back_equal_from_its_item(entry: LedgerEntry) -> None:
    assert entry_from_item(entry_item(entry, RETENTION), entry.created_at) == entry


@pytest.mark.parametrize(("analysis", "days"), [("conversation", 90), ("reading_level", 730)])
def test_a_conversation_ends_before_answers_about_titles(analysis: str, days: int) -> None:
    item = entry_item(replace(make_entry("f", NOW), analysis=analysis), timedelta(days=730))
    assert int(item["expires_at"]["N"]) == int((NOW + timedelta(days=days)).timestamp())


def test_an_item_tells_people_what_it_is() -> None:
    item = entry_item(make_entry("f", NOW, cost_micro_usd=42), RETENTION)
    shown = {name: value for name, value in item.items() if name != "entry"}
    assert shown == {
        "fingerprint": {"S": "f"},
        "analysis": {"S": "content_summary"},
        "manga_id": {"S": "MNG-AAAA0001"},
        "outcome": {"S": "succeeded"},
        "model_id": {"S": "global.anthropic.claude-haiku-5-5"},
        "cost_micro_usd": {"N": "42"},
        "run_id": {"S": "run-1"},
        "created_at": {"S": "2026-11-22T12:30:15.250000+00:00"},
        "expires_at": {"N": str(int((NOW + RETENTION).timestamp()))},
    }


def test_expiry_is_tested_by_value_because_items_outlive_their_ttl() -> None:
    item = entry_item(make_entry("f", NOW), RETENTION)
    assert entry_from_item(item, NOW + RETENTION - timedelta(seconds=1)) is not None
    assert entry_from_item(item, NOW + RETENTION) is None


def test_a_claim_is_no_entry_and_is_swept_up_a_month_later() -> None:
    item = claim_item("f", "me", NOW, 70)
    assert entry_from_item(item, NOW) is None
    assert int(item["expires_at"]["N"]) == int((NOW + timedelta(days=30)).timestamp())


def test_a_claim_past_its_time_says_what_may_have_been_billed() -> None:
    item = claim_item("f", "me", NOW, 70)
    assert not is_abandoned(item, NOW)
    assert is_abandoned(item, NOW + timedelta(milliseconds=1))
    assert at_stake_micro_usd(item) == 70
    del item["at_stake_micro_usd"]  # as versions before 0.2.0 wrote it
    assert at_stake_micro_usd(item) == 0
    assert not is_abandoned(entry_item(make_entry("f", NOW), timedelta(days=1)), NOW + timedelta(days=9))


def test_an_answer_of_a_newer_version_is_read_whatever_came_before_it() -> None:
    entry = make_entry("f", NOW, throttles=2, cost_micro_usd=9)
    item = entry_item(entry, RETENTION)
    stored = orjson.loads(item["entry"]["S"])
    stored["attempts"][0] |= {"error_class": "a_reason_of_tomorrow", "message": "what it was", "cost_micro_usd": 4}
    found = entry_from_item({**item, "entry": {"S": orjson.dumps(stored).decode()}}, NOW)
    assert found is not None
    assert (found.answer, found.cost_micro_usd) == (entry.answer, 13)
    assert found.attempts[1:] == entry.attempts[1:]
    first = found.attempts[0]
    assert (first.error_class, first.message) == (ErrorClass.STOPPED, "a_reason_of_tomorrow: what it was")


@pytest.mark.parametrize("throttles", [0, 1, 100])
def test_an_ordinary_entry_is_stored_as_it_is(throttles: int) -> None:
    entry = make_entry("f", NOW, throttles=throttles)
    assert storable(entry) is entry


def test_of_endless_free_attempts_the_first_and_last_are_stored_and_all_that_cost_something() -> None:
    entry = make_entry("f", NOW, throttles=5_000, cost_micro_usd=9)
    lost = replace(entry.attempts[2_500], maybe_billed=True, cost_micro_usd=4)
    long = [replace(attempt, message="待" * 300) for attempt in entry.attempts]
    entry = replace(entry, attempts=(*long[:2_500], lost, *long[2_501:]))
    kept = storable(entry)
    assert kept.cost_micro_usd == entry.cost_micro_usd == 13
    assert [attempt.number for attempt in kept.attempts] == [*range(1, 51), 2_501, *range(4_951, 5_002)]
    assert storable(kept) is kept
    assert len(orjson.dumps(kept)) < 200_000


def test_an_entry_of_a_release_that_knew_no_memory_counts_as_remembered_by_old_rules() -> None:
    failed = replace(make_entry("f", NOW, answer=None), error_class=ErrorClass.INVALID_REQUEST, attempts=())
    item = entry_item(failed, RETENTION)
    document = orjson.loads(item["entry"]["S"])
    del document["memory"]
    item["entry"] = {"S": orjson.dumps(document).decode()}
    assert entry_from_item(item, NOW) is None
    document["error_class"] = ErrorClass.REFUSAL.value
    item["entry"] = {"S": orjson.dumps(document).decode()}
    assert entry_from_item(item, NOW) is not None
