"""Kill -9, freezing and asking to end of real processes at every step of a partner's request.

Whatever happens to the first process, after a second one the request is answered: once, paid once but for the calls
that were in flight, told once.
"""

import itertools
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from manga_enrichment.domain.requests.queues import NORMAL
from manga_enrichment.local.stack.cleaning import empty_bucket, empty_tables
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.doomed import Doom
from manga_enrichment_tests.end_to_end.doomed_partner import LaneProcess, import_catalog
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.partner_books import SAMPLE, PartnerBooks, known_titles, open_books

pytestmark = pytest.mark.slow

TITLES = 4
CONCURRENCY = 2
HIDDEN_SECONDS = 2
"""Instead of the queue's own two minutes, so that a message comes again soon."""

SENSOR_STEPS = [
    Doom("queues", "receive", after=True),
    Doom("requests", "claim"),
    Doom("requests", "claim", after=True),
    Doom("tables", "write_json", where="fm-requests/", after=True),
    Doom("tables", "write_json", where="runs/units/"),
    Doom("tables", "write_json", where="runs/units/", after=True),
]
RUN_STEPS = [
    Doom("requests", "update"),  # processing
    Doom("requests", "update", after=True),
    Doom("tables", "write_json", where="/partner/plan", after=True),
    Doom("model", "converse", call=3),
    Doom("model", "converse", call=3, after=True),
    Doom("ledger", "put_many", after=True),
    Doom("tables", "write", where="enrichment/requests/"),
    Doom("tables", "write", where="enrichment/requests/", after=True),
    Doom("tables", "write_json", where="fm-results/"),
    Doom("tables", "write_json", where="fm-results/", after=True),
    Doom("requests", "update", call=2, after=True),  # completed
    Doom("tables", "write", where="partner_results/"),  # final, and its rows are in no table
    Doom("tables", "write", where="partner_results/", after=True),
    Doom("outbox", "add_all"),  # nobody was told
    Doom("outbox", "add_all", after=True),
    Doom("queues", "delete"),
    Doom("queues", "delete", after=True),
]

_ids = itertools.count()
_known = known_titles()


@pytest.fixture(scope="module")
def environment(local_stack: LocalStack) -> dict[str, str]:
    """One catalog for all tests here; each asks for titles of its own."""
    empty_tables(local_stack.client("dynamodb"), local_stack.table_names)
    empty_bucket(local_stack.client("s3"), local_stack.endpoints.bucket)
    environment = local_stack.child_environment(os.environ)
    environment |= {
        "MANGA_CATALOG_URI": str(SAMPLE),
        "MANGA_CATALOG_BUCKETS": "1",
        "MANGA_CONCURRENCY": str(CONCURRENCY),
        "MANGA_CLAIM_SECONDS": "5",
        "MANGA_CLOCK_SKEW_SECONDS": "2",
        "MANGA_GRACE_SECONDS": "20",
    }
    import_catalog(environment)
    return environment


@pytest.fixture
def clock(tmp_path: Path) -> FileClock:
    return FileClock(tmp_path / "clock")


@pytest.fixture
def books(
    local_stack: LocalStack,
    environment: dict[str, str],
    clock: FileClock,
    model_server: ModelServerControl,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[PartnerBooks]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    model_server.reset()
    with open_books(local_stack, clock) as books:
        books.hide_received_messages_for(HIDDEN_SECONDS)
        yield books
    model_server.reset()


@pytest.fixture
def titles() -> list[str]:
    """That no other test asks for."""
    first = next(_ids) * TITLES
    return _known[first : first + TITLES]


class Lane:
    """Processes over one stack and one clock."""

    def __init__(self, environment: dict[str, str], clock: FileClock, home: Path, books: PartnerBooks) -> None:
        self._environment = environment
        self._clock = clock
        self._home = home
        self._books = books
        self._numbers = itertools.count()

    def start(self, doom: Doom | None = None, *, starts_runs: bool = True) -> LaneProcess:
        home = self._home / str(next(self._numbers))
        home.mkdir()
        return LaneProcess(self._environment, self._clock, home, doom, starts_runs=starts_runs)

    def recover(self) -> None:
        """What happens when the lease is over: the message comes again, another process takes it."""
        self._books.let_leases_run_out(NORMAL)
        assert self.start().wait() == 0


@pytest.fixture
def lane(environment: dict[str, str], clock: FileClock, tmp_path: Path, books: PartnerBooks) -> Lane:
    return Lane(environment, clock, tmp_path, books)


@pytest.mark.parametrize("doom", [*SENSOR_STEPS, *RUN_STEPS], ids=str)
def test_killed_at_a_step_the_request_is_answered_once(
    doom: Doom, lane: Lane, books: PartnerBooks, titles: list[str], model_server: ModelServerControl
) -> None:
    sent = books.send(titles)
    assert lane.start(doom).wait() == -signal.SIGKILL
    lane.recover()
    books.assert_answered_once(sent, titles)
    bill = model_server.counters()
    assert bill["billed"] - bill["duplicates"] == len(titles)
    assert bill["duplicates"] <= (CONCURRENCY if doom.gateway == "model" else 0)


def test_killed_when_its_run_was_asked_for_and_has_not_started(
    lane: Lane, books: PartnerBooks, titles: list[str], model_server: ModelServerControl
) -> None:
    sent = books.send(titles)
    assert lane.start(starts_runs=False).wait() == -signal.SIGKILL
    assert books.row(sent).state == "queued"
    lane.recover()
    books.assert_answered_once(sent, titles)
    assert books.row(sent).generation == 2
    assert model_server.counters()["billed"] == len(titles)


ZOMBIES = {
    "asking": Doom("model", "converse", call=3, by=signal.SIGSTOP),
    "about to settle": Doom("tables", "write_json", where="fm-results/", by=signal.SIGSTOP),
    "between document and status": Doom("tables", "write_json", where="fm-results/", after=True, by=signal.SIGSTOP),
    "about to complete": Doom("requests", "update", call=2, by=signal.SIGSTOP),
}


@pytest.mark.parametrize("moment", ZOMBIES)
def test_what_a_process_writes_that_was_frozen_longer_than_its_lease_is_refused(
    moment: str, lane: Lane, books: PartnerBooks, titles: list[str], model_server: ModelServerControl
) -> None:
    sent = books.send(titles)
    zombie = lane.start(ZOMBIES[moment])
    zombie.wait_until_frozen()
    lane.recover()
    before = (books.row(sent), books.results(sent))
    assert before[0].generation == 2
    zombie.thaw()
    zombie.wait()
    assert "another generation has it" in zombie.messages()
    assert (books.row(sent), books.results(sent)) == before
    books.assert_answered_once(sent, titles)
    bill = model_server.counters()
    assert bill["billed"] - bill["duplicates"] == len(titles)
    assert bill["duplicates"] <= CONCURRENCY


@pytest.mark.parametrize("doom", [Doom("tables", "write", where="partner_results/"), Doom("queues", "delete")], ids=str)
def test_frozen_before_its_flush_or_ack_it_only_repeats_what_was_said(
    doom: Doom, lane: Lane, books: PartnerBooks, titles: list[str], model_server: ModelServerControl
) -> None:
    sent = books.send(titles)
    late = lane.start(replace(doom, by=signal.SIGSTOP))
    late.wait_until_frozen()
    lane.recover()
    before = (books.row(sent), books.results(sent))
    late.thaw()
    assert late.wait() == 0
    assert (books.row(sent), books.results(sent)) == before
    books.assert_answered_once(sent, titles)
    assert model_server.counters()["billed"] == len(titles)


def test_a_message_that_comes_again_while_it_is_worked_at_is_acked_with_its_newer_handle(
    lane: Lane, books: PartnerBooks, titles: list[str], model_server: ModelServerControl
) -> None:
    """Frozen for less than its lease: the message shows, the claim finds it live, and the first handle is stale."""
    sent = books.send(titles)
    working = lane.start(Doom("model", "converse", call=2, by=signal.SIGSTOP))
    working.wait_until_frozen()
    stale = books.row(sent).receipt_handle
    books.wait_until_visible()
    books.hide_received_messages_for(NORMAL.visibility_seconds)
    assert lane.start().wait() == 0
    assert books.row(sent).receipt_handle != stale
    working.thaw()
    assert working.wait() == 0
    assert books.row(sent).generation == 1
    books.assert_answered_once(sent, titles)
    assert model_server.counters()["billed"] == len(titles)


def test_a_request_sent_twice_is_answered_once(
    lane: Lane, books: PartnerBooks, titles: list[str], model_server: ModelServerControl
) -> None:
    """Once more while it is worked at, once more when it is answered.

    The row keeps the handle of one message. What the other shows for later finds the request answered.
    """
    sent = books.send(titles)
    working = lane.start(Doom("model", "converse", call=2, by=signal.SIGSTOP))
    working.wait_until_frozen()
    books.send(titles, request_id=sent)
    assert lane.start().wait() == 0
    working.thaw()
    assert working.wait() == 0
    books.send(titles, request_id=sent)
    lane.recover()
    books.assert_answered_once(sent, titles)
    assert books.row(sent).generation == 1
    assert model_server.counters()["billed"] == len(titles)


def test_asked_to_end_it_finishes_its_calls_and_gives_the_rest_back(
    lane: Lane, books: PartnerBooks, titles: list[str], model_server: ModelServerControl
) -> None:
    sent = books.send(titles)
    assert lane.start(Doom("model", "converse", call=1, by=signal.SIGTERM)).wait() == 0
    assert books.row(sent).state == "deferred"
    answered = model_server.counters()["billed"]
    assert 1 <= answered <= CONCURRENCY
    lane.recover()
    books.assert_answered_once(sent, titles)
    bill = model_server.counters()
    assert (bill["billed"], bill["duplicates"]) == (len(titles), 0)
