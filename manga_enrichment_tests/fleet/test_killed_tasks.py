"""Tasks killed with -9: the night goes on in other tasks, on other disks; what is paid twice is booked."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.local.fleet.site import CONTAINER, FAMILY, LOG_GROUP, LOGS_BUCKET
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.fleet.conftest import HAS_POSTGRES, OpenFleet
from manga_enrichment_tests.fleet.world import FleetWorld

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not HAS_POSTGRES, reason="the extra `fleet` is not installed"),
]
TITLES = 24
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


def assert_no_secret_is_told(world: FleetWorld, stack: LocalStack) -> None:
    """In no task definition, command, event, log or file of one; and all of these were there to be looked at."""
    site = world.fleet.site
    told = {name: list(texts) for name, texts in everything_told(world, stack).items()}
    assert all(told.values()), {name: len(texts) for name, texts in told.items()}
    for value in site.secret.values():
        assert [name for name, texts in told.items() if any(value in text for text in texts)] == []
    assert all(reference in told["task definition"][0] for reference in site.references.values())


def everything_told(world: FleetWorld, stack: LocalStack) -> dict[str, Iterator[str]]:
    ecs, logs, s3 = world.fleet.ecs(), stack.client("logs"), stack.client("s3")
    folder = world.fleet.home.parent
    return {
        "task definition": iter([json.dumps(ecs.describe_task_definition(taskDefinition=FAMILY), default=str)]),
        "tasks": (json.dumps(task, default=str) for task in world.tasks()),
        "events": events(),
        "logs of tasks": log_lines(logs),
        "captured logs": objects(s3, LOGS_BUCKET),
        "logs of servers": (file.read_text("utf-8", "replace") for file in (folder / "logs").iterdir()),
        "instance": iter([(world.fleet.home / "dagster.yaml").read_text("utf-8")]),
    }


def events() -> Iterator[str]:
    with dg.DagsterInstance.get() as instance:
        for run in instance.get_runs():
            yield str(run)
            yield from (entry.to_json() for entry in instance.all_logs(run.run_id))


def log_lines(logs: Any) -> Iterator[str]:
    for stream in logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]:
        name = stream["logStreamName"]
        assert name.startswith(f"run/{CONTAINER}/")
        found = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=name, startFromHead=True)["events"]
        yield from (event["message"] for event in found)


def objects(s3: Any, bucket: str) -> Iterator[str]:
    for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
        yield s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode("utf-8", "replace")
