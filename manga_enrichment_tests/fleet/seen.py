"""What a test of a fleet looks at when it is over: the books, and whether anything told a secret."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError

from manga_enrichment.local.fleet.site import CONTAINER, FAMILY, LOG_GROUP, LOGS_BUCKET
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.fleet.world import FleetWorld


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
    assert all(reference in text for text in told["task definitions"] for reference in site.references.values())


def everything_told(world: FleetWorld, stack: LocalStack) -> dict[str, Iterator[str]]:
    ecs, logs, s3 = world.fleet.ecs(), stack.client("logs"), stack.client("s3")
    folder = world.fleet.home.parent
    return {
        "task definitions": task_definitions(ecs),
        "tasks": (json.dumps(task, default=str) for task in world.tasks()),
        "events": events(),
        "logs of tasks": log_lines(logs),
        "captured logs": objects(s3, LOGS_BUCKET),
        "logs of servers": (file.read_text("utf-8", "replace") for file in (folder / "logs").iterdir()),
        "instance": iter([(world.fleet.home / "dagster.yaml").read_text("utf-8")]),
    }


def task_definitions(ecs: Any) -> Iterator[str]:
    """Every revision: a launcher may have registered some of its own."""
    for revision in count(1):
        try:
            yield json.dumps(ecs.describe_task_definition(taskDefinition=f"{FAMILY}:{revision}"), default=str)
        except ClientError:
            return


def events() -> Iterator[str]:
    with dg.DagsterInstance.get() as instance:
        for run in instance.get_runs():
            yield str(run)
            yield from (dg.serialize_value(entry) for entry in instance.all_logs(run.run_id))


def log_lines(logs: Any) -> Iterator[str]:
    pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=LOG_GROUP)
    for name in [stream["logStreamName"] for page in pages for stream in page["logStreams"]]:
        assert name.startswith(f"run/{CONTAINER}/")
        found = logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=name, startFromHead=True)["events"]
        yield from (event["message"] for event in found)


def objects(s3: Any, bucket: str) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    for each in [found for page in pages for found in page.get("Contents", ())]:
        yield s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode("utf-8", "replace")
