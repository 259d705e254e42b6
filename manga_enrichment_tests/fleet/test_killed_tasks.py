"""Tasks killed with -9: the night goes on in other tasks, on other disks; what is paid twice is booked."""

from collections.abc import Callable

import dagster as dg
import pytest

from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.fleet.conftest import HAS_POSTGRES, OpenFleet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not HAS_POSTGRES, reason="the extra `fleet` is not installed"),
]
TITLES = 24
OpenBooks = Callable[[], Books]


def test_a_task_killed_with_calls_in_flight_is_followed_by_another_on_another_disk(
    open_fleet: OpenFleet,
    begin: Callable[[], None],
    model_server: ModelServerControl,
    open_books: OpenBooks,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = open_fleet(TITLES, catalog_buckets=4, buckets_per_run=2)
    model_server.faults(latency={"fixed_ms": 3_000})
    world.start_code_server()
    world.start_daemon()
    begin()
    world.wait_until("calls are in flight", lambda: model_server.counters()["billed"] >= 4)
    killed = next(run for run in world.runs() if run.status is dg.DagsterRunStatus.STARTED)
    world.kill_task_of(killed)
    model_server.faults()
    seconds = world.wait_until("the night is over", lambda: world.is_night_over(parts=3))
    say(capsys, "a task killed with calls in flight", seconds)

    runs = world.runs()
    assert [run.status for run in runs].count(dg.DagsterRunStatus.FAILURE) == 1
    assert len({run.tags["ecs/task_arn"] for run in runs}) == len(runs) == 4
    assert_books_agree(open_books(), model_server)
    (dead,) = (task for task in world.tasks() if task["taskArn"] == world_run(runs, killed.run_id).tags["ecs/task_arn"])
    assert dead["containers"][0]["exitCode"] == 137
    assert not (world.fleet.home.parent / "tasks" / dead["taskArn"].rpartition("/")[2]).exists()


def world_run(runs: list[dg.DagsterRun], run_id: str) -> dg.DagsterRun:
    return next(run for run in runs if run.run_id == run_id)


def say(capsys: pytest.CaptureFixture[str], what: str, seconds: float) -> None:
    """What a person who runs this wants to know."""
    with capsys.disabled():
        print(f"\n{what}: healthy {seconds:.0f} s later")  # noqa: T201


def assert_books_agree(books: Books, model_server: ModelServerControl) -> None:
    """Nothing lost; what was paid twice is among what is booked as maybe billed."""
    books.assert_every_title_is_accounted_for()
    books.assert_bill_is_logged(model_server.counters())
