"""Kill -9 of a real `dagster-daemon`, of the run it launched, or of both, while a partner's request is worked at."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from manga_enrichment.domain.requests.queues import NORMAL
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.partner.intake import LONG_POLL_SECONDS
from manga_enrichment_tests.end_to_end.daemon_definitions import CLOCK_FILE
from manga_enrichment_tests.end_to_end.daemon_process import Daemon
from manga_enrichment_tests.end_to_end.doomed_partner import import_catalog, look_at_queues
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.partner_books import SAMPLE, PartnerBooks, known_titles, open_books

pytestmark = pytest.mark.slow

TITLES = 6
CONCURRENCY = 2
NEVER_MS, SOON_MS = 120_000, 1_000

_titles = known_titles()[:TITLES]


@pytest.fixture
def environment(
    local_stack: LocalStack, fresh_stack_state: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    environment = local_stack.child_environment(os.environ) | {
        "MANGA_CATALOG_URI": str(SAMPLE),
        "MANGA_CATALOG_BUCKETS": "1",
        "MANGA_CONCURRENCY": str(CONCURRENCY),
        "MANGA_CLAIM_SECONDS": "5",
        "MANGA_CLOCK_SKEW_SECONDS": "2",
        CLOCK_FILE: str(tmp_path / "clock"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", "put back by this fixture")
    import_catalog(environment)
    return environment


@pytest.fixture
def books(local_stack: LocalStack, environment: dict[str, str]) -> Iterator[PartnerBooks]:
    with open_books(local_stack, FileClock(Path(environment[CLOCK_FILE]))) as books:
        yield books


@pytest.fixture
def daemon(environment: dict[str, str], tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(environment, tmp_path)
    yield daemon
    daemon.kill_all()


def start_and_wait_until_calls_are_in_flight(
    daemon: Daemon, books: PartnerBooks, model_server: ModelServerControl, latency_ms: int
) -> str:
    model_server.faults(latency={"fixed_ms": latency_ms})
    sent = books.send(_titles)
    daemon.start()
    daemon.wait_until("calls are in flight", lambda: model_server.counters()["billed"] >= CONCURRENCY)
    return sent


def wait_until_answered(daemon: Daemon, books: PartnerBooks, sent: str) -> None:
    answered = ("the request is answered", lambda: books.row(sent).state.value == "completed")
    daemon.wait_until(*answered, seen=lambda: (books.row(sent), books.gateways.queues.depth(NORMAL.name)))
    daemon.wait_until("its message is gone", lambda: books.is_empty(NORMAL.name))


def assert_answered_once(books: PartnerBooks, environment: dict[str, str], sent: str) -> None:
    """After the next look at the queues, which takes what SQS may have put among dead letters meanwhile."""
    look_at_queues(environment, FileClock(Path(environment[CLOCK_FILE])))
    books.assert_answered_once(sent, _titles)


def assert_paid_once(model_server: ModelServerControl, *, at_most_again: int) -> None:
    bill = model_server.counters()
    assert bill["billed"] - bill["duplicates"] == TITLES
    assert bill["duplicates"] <= at_most_again


def test_a_daemon_killed_with_its_run_is_started_again_and_the_request_answered_once(
    daemon: Daemon, books: PartnerBooks, model_server: ModelServerControl, environment: dict[str, str]
) -> None:
    sent = start_and_wait_until_calls_are_in_flight(daemon, books, model_server, NEVER_MS)
    daemon.kill_all()
    model_server.faults()
    time.sleep(4 * LONG_POLL_SECONDS)  # what shows before goes to a dead sensor's open poll: a receive for nothing
    books.end_lease(sent)
    daemon.start()
    wait_until_answered(daemon, books, sent)
    daemon.kill_all()
    assert_answered_once(books, environment, sent)
    assert books.row(sent).generation == 2
    assert_paid_once(model_server, at_most_again=CONCURRENCY)


def test_a_run_killed_under_a_daemon_is_replaced_and_the_request_answered_once(
    daemon: Daemon, books: PartnerBooks, model_server: ModelServerControl, environment: dict[str, str]
) -> None:
    """The daemon launches the killed run again; when its lease is over first, the message starts another."""
    sent = start_and_wait_until_calls_are_in_flight(daemon, books, model_server, NEVER_MS)
    daemon.kill_run()
    model_server.faults()
    books.end_lease(sent)
    wait_until_answered(daemon, books, sent)
    daemon.kill_all()
    assert_answered_once(books, environment, sent)
    assert_paid_once(model_server, at_most_again=CONCURRENCY)


def test_a_run_outlives_its_daemon_and_the_next_daemon_asks_for_nothing_again(
    daemon: Daemon, books: PartnerBooks, model_server: ModelServerControl, environment: dict[str, str]
) -> None:
    sent = start_and_wait_until_calls_are_in_flight(daemon, books, model_server, SOON_MS)
    daemon.kill_daemon()
    wait_until_answered(daemon, books, sent)
    daemon.kill_all()
    daemon.start()
    daemon.wait_until("the sensor has looked", lambda: daemon.has_looked_for("partner_requests"))
    daemon.kill_all()
    assert_answered_once(books, environment, sent)
    assert books.row(sent).generation == 1
    assert_paid_once(model_server, at_most_again=0)
