"""Resident runs for real: killed with calls in flight, and beside work that would hold others up."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import pytest
from botocore.exceptions import ClientError

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.partner.resident_job import PostConfig
from manga_enrichment.defs.partner.resident_sensor import INTERVAL_SECONDS, RESIDENTS_SENSOR
from manga_enrichment.defs.shared.tags import BACKFILL_TAG, RESIDENT_TAG
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.resident.receiving import LONG_POLL_SECONDS
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.doomed_partner import import_catalog
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.night_process import nightly_run, wait_for_billed_calls
from manga_enrichment_tests.end_to_end.partner_books import SAMPLE, PartnerBooks, known_titles, open_books
from manga_enrichment_tests.end_to_end.resident_process import FIRST, resident_run

pytestmark = pytest.mark.slow

CONCURRENCY = 4
REQUESTS, TITLES = 6, 3
LANE = FIRST.lane
TICKS_UNTIL_FOLLOWED = 4
"""Of the sensor, five seconds apart: a killed run is followed within twenty."""
_SECONDS = 120

_known = known_titles()


@pytest.fixture
def environment(local_stack: LocalStack, fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    environment = local_stack.child_environment(os.environ) | {
        "MANGA_CATALOG_URI": str(SAMPLE),
        "MANGA_CATALOG_BUCKETS": "1",
        "MANGA_CONCURRENCY": str(CONCURRENCY),
        "MANGA_CLAIM_SECONDS": "5",
        "MANGA_CLOCK_SKEW_SECONDS": "2",
        "MANGA_GRACE_SECONDS": "5",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    import_catalog(environment)
    return environment


@pytest.fixture
def clock(tmp_path: Path) -> FileClock:
    return FileClock(tmp_path / "clock")


@pytest.fixture
def books(
    local_stack: LocalStack, environment: dict[str, str], clock: FileClock, model_server: ModelServerControl
) -> Iterator[PartnerBooks]:
    with open_books(local_stack, clock) as books:
        yield books
    model_server.reset()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def has(books: PartnerBooks, request_id: str, state: RequestState) -> bool:
    row = books.gateways.requests.get(request_id)
    return row is not None and row.state is state


def launched_after_a_kill(clock: FileClock) -> PostConfig:
    """The run that the sensor asks for in the killed one's place, within twenty seconds."""
    with dg.DagsterInstance.ephemeral() as instance:
        lane = InProcessLane(build_definitions(load_settings(), resources={"clock": clock}), instance)
        for _ in range(TICKS_UNTIL_FOLLOWED):
            asked = [each for each in lane.tick(RESIDENTS_SENSOR) if each.tags[RESIDENT_TAG] == LANE]
            if asked:
                [launch] = asked
                return PostConfig(**launch.run_config["ops"]["answer_requests"]["config"])
            clock.advance(INTERVAL_SECONDS)
    raise AssertionError("nobody follows the killed run")


def test_killed_with_calls_in_flight_the_next_run_of_its_slot_answers_all_once(
    environment: dict[str, str], clock: FileClock, books: PartnerBooks, model_server: ModelServerControl, tmp_path: Path
) -> None:
    model_server.faults(latency={"fixed_ms": 300})
    asked = [_known[at : at + TITLES] for at in range(0, REQUESTS * TITLES, TITLES)]
    with resident_run(environment, clock, tmp_path / "first") as run:
        sent = [books.send(titles, priority="high") for titles in asked]
        wait_until(lambda: model_server.counters()["billed"] >= REQUESTS * TITLES // 3)
        run.kill()
    time.sleep(LONG_POLL_SECONDS)  # what shows before goes to the dead run's open poll: a receive for nothing
    open_then = [each for each in sent if has(books, each, RequestState.PROCESSING)]
    assert open_then

    follower = launched_after_a_kill(clock)
    assert (follower.slot, follower.epoch > FIRST.epoch) == (FIRST.slot, True)
    for each in sent:
        with suppress(ClientError):  # its message is acked
            if books.gateways.requests.get(each) is not None:
                books.show(each, HIGH_PRIORITY.name)
    books.let_leases_run_out(HIGH_PRIORITY)
    with resident_run(environment, clock, tmp_path / "next", follower) as run:
        wait_until(lambda: all(has(books, each, RequestState.COMPLETED) for each in sent))
        run.end()
    for request_id, titles in zip(sent, asked, strict=True):
        books.assert_answered_once(request_id, titles)
    assert {books.row(each).generation for each in open_then} == {2}
    bill = model_server.counters()
    assert bill["billed"] - bill["duplicates"] == REQUESTS * TITLES
    assert bill["duplicates"] <= CONCURRENCY
    Books(load_settings()).assert_bill_is_logged(bill)


def test_what_is_in_the_ledger_is_answered_while_another_batch_is_throttled(
    environment: dict[str, str], clock: FileClock, books: PartnerBooks, model_server: ModelServerControl, tmp_path: Path
) -> None:
    paid, throttled = _known[:TITLES], _known[TITLES : 2 * TITLES]
    with resident_run(environment, clock, tmp_path / "run") as run:
        first = books.send(paid, priority="high")
        wait_until(lambda: has(books, first, RequestState.COMPLETED))
        model_server.faults(throttle_probability=1.0)
        waits = books.send(throttled, priority="high")
        wait_until(lambda: model_server.counters()["throttled"] >= TITLES)
        known = books.send(paid, priority="high")
        wait_until(lambda: has(books, known, RequestState.COMPLETED))
        assert books.row(waits).state is RequestState.PROCESSING
        assert model_server.counters()["billed"] == TITLES
        model_server.faults()
        wait_until(lambda: has(books, waits, RequestState.COMPLETED))
        run.end()
    for request_id, titles in ((first, paid), (waits, throttled), (known, paid)):
        books.assert_answered_once(request_id, titles)
        assert books.row(request_id).generation == 1
    assert model_server.counters()["billed"] == 2 * TITLES


def test_an_urgent_title_overtakes_a_backfill_that_saturates_the_quota(
    environment: dict[str, str], clock: FileClock, books: PartnerBooks, model_server: ModelServerControl, tmp_path: Path
) -> None:
    model_server.faults(quota={"requests_per_minute": 240})
    backfill = nightly_run(environment, tmp_path / "log", last_bucket="0", tags={BACKFILL_TAG: "abcdefgh"})
    with resident_run(environment, clock, tmp_path / "run") as run, backfill as process:
        wait_for_billed_calls(model_server, 5, process)
        wait_until(lambda: model_server.counters()["throttled"] > 0)
        before = model_server.counters()["billed"]
        sent = books.send(_known[:1], priority="high")
        wait_until(lambda: has(books, sent, RequestState.COMPLETED))
        calls_meanwhile = model_server.counters()["billed"] - before
        wait_for_billed_calls(model_server, before + calls_meanwhile + 5, process)  # it has not ended by then
        run.end()
    assert books.row(sent).generation == 1
    books.assert_answered_once(sent, _known[:1])
    assert calls_meanwhile < len(_known) / 4
