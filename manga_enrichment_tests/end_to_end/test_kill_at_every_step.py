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
]
WHILE_WRITING = [
    Doom("tables", "write", where="enrichment/requests/"),
    Doom("tables", "write", where="/entries/"),
    Doom("tables", "write", where="/entries/", after=True),
    Doom("tables", "write", where=LEVEL),
    Doom("tables", "write", where=LEVEL, after=True),
    Doom("status", "put_partition"),
]


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
