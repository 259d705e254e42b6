"""Tasks killed with -9: the night goes on in other tasks, on other disks; what is paid twice is booked."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.fleet import doomed
from manga_enrichment_tests.fleet.conftest import HAS_POSTGRES, OpenFleet
from manga_enrichment_tests.fleet.seen import assert_books_agree, assert_no_secret_is_told, say

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not HAS_POSTGRES, reason="the extra `fleet` is not installed"),
]
TITLES = 24
PARTS = 5
"""The import and four groups of one bucket."""
OpenBooks = Callable[[], Books]


def test_a_task_killed_with_calls_in_flight_is_followed_by_another_and_no_secret_is_told(
    open_fleet: OpenFleet,
    begin: Callable[[], None],
    model_server: ModelServerControl,
    local_stack: LocalStack,
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
    assert_no_secret_is_told(world, local_stack)


@pytest.mark.fleet
@pytest.mark.timeout(1800)
def test_killed_in_every_step_a_night_comes_to_its_end_on_as_many_more_machines(
    open_fleet: OpenFleet,
    begin: Callable[[], None],
    model_server: ModelServerControl,
    local_stack: LocalStack,
    open_books: OpenBooks,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    doom = tmp_path / "doom"
    doom.mkdir()
    world = open_fleet(
        TITLES, tasks_at_once=4, catalog_buckets=4, buckets_per_run=1, variables={doomed.FOLDER: str(doom)}
    )
    world.change_instance({"run_retries": {"max_retries": 50}, "python_logs": doomed.PYTHON_LOGS})
    world.start_code_server()
    world.start_daemon()
    begin()
    seconds = world.wait_until("the night is over", lambda: world.is_night_over(PARTS), seconds=1_500)
    killed = sorted(file.name for file in doom.iterdir())
    say(capsys, f"a task killed in each of {len(killed)} steps", seconds)

    runs = world.runs()
    of_the_night = steps_begun(runs)
    assert of_the_night <= set(killed), "the rest are of the run that adds up costs after it"
    assert {"manga_catalog", "similar_candidates", "enrichment.plan", "enriched_catalog"} <= of_the_night
    assert len(runs) == len({run.tags["ecs/task_arn"] for run in runs}) == len(of_the_night) + PARTS
    assert_books_agree(open_books(), model_server)
    assert model_server.counters()["duplicates"] == 0, "no call was in flight when a step began"
    assert_no_secret_is_told(world, local_stack)


def steps_begun(runs: list[dg.DagsterRun]) -> set[str | None]:
    with dg.DagsterInstance.get() as instance:
        begun = (instance.all_logs(run.run_id, dg.DagsterEventType.STEP_START) for run in runs)
        return {entry.step_key for entries in begun for entry in entries}


def world_run(runs: list[dg.DagsterRun], run_id: str) -> dg.DagsterRun:
    return next(run for run in runs if run.run_id == run_id)
