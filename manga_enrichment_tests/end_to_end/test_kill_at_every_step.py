"""Kill -9 of a real process at every step of the protocol, then a second run: nothing lost, nothing twice."""

import signal
from collections.abc import Callable

import pytest

from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.doomed import Doom, run_nightly

TITLES = 16
CONCURRENCY = 4
LEVEL = "enrichment/reading_level/"

WHILE_ASKING = [
    Doom("model", "converse", call=7),
    Doom("model", "converse", call=7, after=True),
    Doom("ledger", "put_many", call=2, after=True),
    Doom("tables", "write", where="enrichment/requests/"),
    Doom("tables", "write", where="/entries/"),
    Doom("tables", "write", where="/entries/", after=True),
]
"""The log of an analysis that has ended is written while others are asked."""
WHILE_WRITING = [
    Doom("tables", "write", where=LEVEL),
    Doom("tables", "write", where=LEVEL, after=True),
    Doom("status", "put_partition"),
]


WHILE_BOTH = [
    Doom("tables", "write", where=LEVEL),
    Doom("tables", "write", where=LEVEL, after=True),
    Doom("tables", "write", where="/entries/", after=True),
    Doom("status", "put_partition", call=2),
]
"""With more buckets than one, the first is written while others are at the model."""


@pytest.fixture
def environment(arrange: Callable[..., dict[str, str]]) -> dict[str, str]:
    return arrange(TITLES, catalog_buckets=1, concurrency=CONCURRENCY, claim_seconds=5)


def enrich_in_two_runs(environment: dict[str, str], doom: Doom) -> None:
    assert run_nightly(environment, doom) == -signal.SIGKILL
    assert run_nightly(environment) == 0


@pytest.mark.slow
@pytest.mark.parametrize("doom", WHILE_ASKING, ids=str)
def test_killed_while_asking_at_most_the_calls_in_flight_are_paid_twice(
    environment: dict[str, str], doom: Doom, model_server: ModelServerControl, open_books: Callable[[], Books]
) -> None:
    enrich_in_two_runs(environment, doom)
    books, bill = open_books(), model_server.counters()
    books.assert_every_title_is_accounted_for()
    assert bill["duplicates"] <= CONCURRENCY
    books.assert_bill_is_logged(bill)


@pytest.mark.slow
@pytest.mark.parametrize("doom", WHILE_WRITING, ids=str)
def test_killed_while_writing_nothing_is_paid_twice_and_every_call_is_logged(
    environment: dict[str, str], doom: Doom, model_server: ModelServerControl, open_books: Callable[[], Books]
) -> None:
    enrich_in_two_runs(environment, doom)
    books, bill = open_books(), model_server.counters()
    books.assert_every_title_is_accounted_for()
    attempts = books.attempts()
    assert bill["duplicates"] == 0
    assert len(attempts) == bill["billed"]
    assert sum(row["cost_micro_usd"] for row in attempts) == bill["cost_micro_usd"]


@pytest.mark.slow
@pytest.mark.parametrize("doom", WHILE_BOTH, ids=str)
def test_killed_while_one_bucket_is_written_and_others_are_asked(
    arrange: Callable[..., dict[str, str]],
    doom: Doom,
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
) -> None:
    environment = arrange(3 * TITLES, catalog_buckets=4, concurrency=CONCURRENCY, claim_seconds=5)
    model_server.faults(latency={"fixed_ms": 1500})  # so that a slow machine, too, writes before all is asked
    assert run_nightly(environment, doom) == -signal.SIGKILL
    paid_before = model_server.counters()["billed"]
    model_server.faults()
    assert run_nightly(environment) == 0
    books, bill = open_books(), model_server.counters()
    books.assert_every_title_is_accounted_for()
    assert 0 < paid_before < bill["billed"], "some were answered before the kill, others were still to be asked"
    assert bill["duplicates"] <= CONCURRENCY
    books.assert_bill_is_logged(bill)
    assert run_nightly(environment) == 0
    assert model_server.counters()["billed"] == bill["billed"]
