"""What a fleet lives on goes away in the middle of its work and comes back: nothing is lost, nobody does anything."""

import time
from collections.abc import Callable

import pytest

from manga_enrichment.domain.operations.nights import SECOND_PASS_AFTER
from manga_enrichment.domain.requests.queues import NORMAL
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.doomed_partner import import_catalog
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.partner_books import SAMPLE, PartnerBooks, known_titles
from manga_enrichment_tests.end_to_end.partner_books import open_books as open_partner_books
from manga_enrichment_tests.fleet.conftest import HAS_POSTGRES, OpenFleet
from manga_enrichment_tests.fleet.seen import assert_books_agree, assert_no_secret_is_told, say
from manga_enrichment_tests.fleet.world import FleetWorld

pytestmark = [
    pytest.mark.fleet,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not HAS_POSTGRES, reason="the extra `fleet` is not installed"),
]
TITLES = 32
PARTS = 3
"""The import and two groups of buckets."""
AT_WORK, WAITING = 5, 20
"""Requests that were taken up before the daemon went, and those that came while it was away."""
DAEMON_AWAY_SECONDS = 300
OpenBooks = Callable[[], Books]
Begin = Callable[[], None]


def start(world: FleetWorld) -> None:
    world.start_code_server()
    world.start_daemon()


def wait_for_the_night(world: FleetWorld, clock: FileClock, parts: int = PARTS) -> float:
    """Seconds that it took, but for the ten minutes before a second pass, which go by at once."""
    passed_after = 0  # so many runs

    def is_over() -> bool:
        nonlocal passed_after
        runs = world.runs()
        if world.is_night_over(parts):
            return True
        if len(runs) > passed_after and len(runs) >= parts and all(run.is_finished for run in runs):
            clock.advance(SECOND_PASS_AFTER.total_seconds())
            passed_after = len(runs)
        return False

    return world.wait_until("the night is over", is_over, seconds=600)


def statuses(world: FleetWorld) -> list[str]:
    return [run.status.value for run in world.runs()]


def test_postgres_is_away_for_twenty_seconds_of_a_night(
    open_fleet: OpenFleet,
    begin: Begin,
    clock: FileClock,
    model_server: ModelServerControl,
    local_stack: LocalStack,
    open_books: OpenBooks,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = open_fleet(TITLES, catalog_buckets=4, buckets_per_run=2)
    model_server.faults(latency={"fixed_ms": 4_000})
    start(world)
    begin()
    world.wait_until("calls are in flight", lambda: model_server.counters()["billed"] >= 4)
    world.fleet.postgres.stop()
    time.sleep(20)
    world.fleet.postgres.start()
    model_server.faults()
    say(capsys, "PostgreSQL away for 20 s", wait_for_the_night(world, clock))
    assert_books_agree(open_books(), model_server)
    assert_no_secret_is_told(world, local_stack)


def test_the_code_server_is_away_for_a_minute_while_runs_are_queued(
    open_fleet: OpenFleet,
    begin: Begin,
    clock: FileClock,
    model_server: ModelServerControl,
    local_stack: LocalStack,
    open_books: OpenBooks,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = open_fleet(TITLES, tasks_at_once=1, catalog_buckets=4, buckets_per_run=1)
    parts = 5
    model_server.faults(latency={"fixed_ms": 3_000})
    start(world)
    begin()
    world.wait_until("a run asks", lambda: model_server.counters()["billed"] >= 2)
    world.wait_until("others wait", lambda: sorted(statuses(world)) == [*["QUEUED"] * 3, "STARTED", "SUCCESS"])
    world.stop("code-server")
    model_server.faults()
    time.sleep(60)
    assert set(statuses(world)) <= {"QUEUED", "STARTING", "STARTED", "SUCCESS"}, (
        "what ran goes on, what is queued waits"
    )
    world.start_code_server()
    say(capsys, "code server away for 60 s", wait_for_the_night(world, clock, parts))
    assert statuses(world) == ["SUCCESS"] * parts
    assert_books_agree(open_books(), model_server)
    assert_no_secret_is_told(world, local_stack)


def test_the_daemon_is_away_for_five_minutes_while_partners_wait(
    open_fleet: OpenFleet,
    clock: FileClock,
    model_server: ModelServerControl,
    local_stack: LocalStack,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = open_fleet(TITLES, catalog_buckets=1, buckets_per_run=1, variables={"MANGA_CATALOG_URI": str(SAMPLE)})
    import_catalog(world.environment)
    model_server.faults(latency={"fixed_ms": 2_000})
    pairs = list(zip(*[iter(known_titles()[: 2 * (AT_WORK + WAITING)])] * 2, strict=True))
    with open_partner_books(local_stack, clock) as books:
        sent = {books.send(pair): pair for pair in pairs[:AT_WORK]}
        start(world)
        world.wait_until("they are asked about", lambda: model_server.counters()["billed"] >= 1)
        world.stop("daemon")
        sent |= {books.send(pair): pair for pair in pairs[AT_WORK:]}
        time.sleep(DAEMON_AWAY_SECONDS)
        assert not any(is_answered(books, each) for each in list(sent)[AT_WORK:]), "nobody was there"
        model_server.faults()
        world.start_daemon()
        seconds = world.wait_until("all are answered", lambda: are_answered(books, list(sent)), seconds=600)
        say(capsys, f"daemon away for 5 min, {WAITING} requests waiting", seconds)
        for each, pair in sent.items():
            books.assert_answered_once(each, pair)
    bill = model_server.counters()
    assert bill["duplicates"] == 0 < bill["billed"]
    assert_no_secret_is_told(world, local_stack)


def are_answered(books: PartnerBooks, requests: list[str]) -> bool:
    return all(is_answered(books, each) for each in requests) and books.is_empty(NORMAL.name)


def is_answered(books: PartnerBooks, request: str) -> bool:
    row = books.gateways.requests.get(request)
    return row is not None and row.state is RequestState.COMPLETED


def test_after_a_drain_the_night_goes_on_with_another_launcher(
    open_fleet: OpenFleet,
    begin: Begin,
    clock: FileClock,
    model_server: ModelServerControl,
    local_stack: LocalStack,
    open_books: OpenBooks,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = open_fleet(TITLES, catalog_buckets=4, buckets_per_run=2)
    start(world)
    world.switch("nights", on=False)
    begin()
    world.wait_until("the import is done", lambda: statuses(world) == ["SUCCESS"])
    world.stop_all()
    world.change_instance({}, without="run_launcher")
    start(world)
    world.switch("nights", on=True)
    say(capsys, "another launcher", wait_for_the_night(world, clock))
    runs = world.runs()
    assert statuses(world) == ["SUCCESS"] * PARTS
    assert ["ecs/task_arn" in run.tags for run in runs] == [True, False, False]
    assert_books_agree(open_books(), model_server)
    assert_no_secret_is_told(world, local_stack)
