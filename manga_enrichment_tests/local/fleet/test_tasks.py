"""Tasks of the loopback ECS: processes that know nothing but what they were given, and end as ECS ends them."""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.runtime.garbage import FEW_HEAPS
from manga_enrichment.runtime.processes import process_exists
from manga_enrichment_tests.local.fleet import task_program
from manga_enrichment_tests.local.fleet.conftest import OpenEcs

pytestmark = pytest.mark.slow
SECONDS = 60.0


def command(what: str, *arguments: str) -> list[str]:
    return ["python", "-m", task_program.__name__, what, *arguments]


def register(ecs: Any, **container: Any) -> str:
    given = {"name": "run", "image": "manga-enrichment", **container}
    answer = ecs.register_task_definition(family="run", containerDefinitions=[given])
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def run(ecs: Any, definition: str, *words: str, **more: Any) -> str:
    override = {"name": "run", "command": command(*words), **more.pop("override", {})}
    overrides = {"containerOverrides": [override]}
    started = ecs.run_task(taskDefinition=definition, cluster="fleet", overrides=overrides, **more)
    assert started["failures"] == []
    return str(started["tasks"][0]["taskArn"])


def describe(ecs: Any, arn: str) -> dict[str, Any]:
    (task,) = ecs.describe_tasks(tasks=[arn], cluster="fleet", include=["TAGS"])["tasks"]
    return dict(task)


def wait_for(ecs: Any, arn: str, status: str) -> dict[str, Any]:
    end = time.monotonic() + SECONDS
    while (task := describe(ecs, arn))["lastStatus"] != status:
        assert time.monotonic() < end, task
        time.sleep(0.05)
    return task


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_task_has_a_folder_of_its_own_until_it_ends_and_its_exit_code_after_that(
    open_ecs: OpenEcs, tmp_path: Path
) -> None:
    ecs = open_ecs()
    arn = run(ecs, register(ecs), "tell", tags=[{"key": "dagster/run_id", "value": "r"}])
    task = wait_for(ecs, arn, "STOPPED")
    assert (task["containers"][0]["exitCode"], task["stopCode"]) == (0, "EssentialContainerExited")
    assert task["createdAt"] <= task["startedAt"] <= task["stoppedAt"]
    assert task["tags"] == [{"key": "dagster/run_id", "value": "r"}]
    assert list((tmp_path / "disks").iterdir()) == []


@pytest.mark.parametrize(
    ("what", "code", "timeout_seconds"), [("be_polite", 3, 60), ("be_stubborn", 137, 1)], ids=["asked", "killed"]
)
def test_stopping_asks_and_after_the_time_that_the_definition_gives_it_kills(
    open_ecs: OpenEcs, tmp_path: Path, what: str, code: int, timeout_seconds: int
) -> None:
    ecs = open_ecs()
    arn = run(ecs, register(ecs, stopTimeout=timeout_seconds), what)
    pid = int(wait_for(ecs, arn, "RUNNING")["containers"][0]["runtimeId"])
    (disk,) = (tmp_path / "disks").iterdir()
    wait_until(lambda: _is_ready(pid))
    ecs.stop_task(task=arn, cluster="fleet", reason="a deploy")
    assert describe(ecs, arn)["desiredStatus"] == "STOPPED"
    task = wait_for(ecs, arn, "STOPPED")
    assert (task["containers"][0]["exitCode"], task["stopCode"], task["stoppedReason"]) == (
        code,
        "UserInitiated",
        "a deploy",
    )
    assert not process_exists(pid)
    assert not disk.exists()


def _is_ready(pid: int) -> bool:
    """Whether it has set its handler: Linux says so."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigCgt", "SigIgn"))]
    return any(mask >> 14 & 1 for mask in masks)


def test_killed_it_ends_with_137_and_so_does_what_it_had_started(open_ecs: OpenEcs, local_stack: LocalStack) -> None:
    logs = local_stack.client("logs")
    ecs = open_ecs(logs)
    arn = run(ecs, register(ecs, logConfiguration=to_group(logs, "children")), "leave_a_child")
    wait_for(ecs, arn, "STOPPED")
    (child,) = said(logs, "children", arn)
    assert not process_exists(int(child))


def to_group(logs: Any, group: str) -> dict[str, Any]:
    logs.create_log_group(logGroupName=group)
    return {"logDriver": "awslogs", "options": {"awslogs-group": group, "awslogs-stream-prefix": "run"}}


def said(logs: Any, group: str, arn: str) -> list[str]:
    """As dagster-aws asks for it."""
    stream = f"run/run/{arn.rsplit('/', maxsplit=1)[-1]}"
    events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    return [event["message"] for event in events]


def test_a_task_knows_what_definition_overrides_and_secrets_say_and_nothing_else(
    open_ecs: OpenEcs, local_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs, secrets_manager = (local_stack.client(name) for name in ("logs", "secretsmanager"))
    whole = secrets_manager.create_secret(Name="whole", SecretString="w-value")["ARN"]
    part = secrets_manager.create_secret(Name="part", SecretString=json.dumps({"password": "p-value"}))["ARN"]
    monkeypatch.setenv("OF_THE_DAEMON", "leaked")
    ecs = open_ecs(logs, secrets_manager)
    definition = register(
        ecs,
        environment=[{"name": "A", "value": "definition"}, {"name": "B", "value": "definition"}],
        secrets=[{"name": "WHOLE", "valueFrom": whole}, {"name": "PART", "valueFrom": f"{part}:password::"}],
        logConfiguration=to_group(logs, "environments"),
    )
    override = {"environment": [{"name": "B", "value": "override"}]}
    arn = run(ecs, definition, "tell", "argument", override=override)
    wait_for(ecs, arn, "STOPPED")
    found = json.loads("\n".join(said(logs, "environments", arn)))
    assert found["arguments"] == ["argument"]
    assert found["tmp"] == []
    environment: Mapping[str, str] = found["environment"]
    assert found["cwd"] == environment["DAGSTER_HOME"]
    assert {name: environment[name] for name in ("A", "B", "WHOLE", "PART")} == {
        "A": "definition",
        "B": "override",
        "WHOLE": "w-value",
        "PART": "p-value",
    }
    image = {"PATH", "PYTHONPATH", "PYTHONUNBUFFERED", *FEW_HEAPS, "LANG", "TMPDIR", "DAGSTER_HOME", "HOME"}
    assert set(environment) - {"A", "B", "WHOLE", "PART", "ECS_CONTAINER_METADATA_URI_V4", "LC_CTYPE"} == image
    told = json.dumps([describe(ecs, arn), ecs.describe_task_definition(taskDefinition="run")], default=str)
    assert whole in told
    assert "w-value" not in told
    assert "p-value" not in told
    url = environment["ECS_CONTAINER_METADATA_URI_V4"]
    assert _get(url) == {"Name": "run"}
    assert _get(f"{url}/task")["TaskARN"] == arn


def _get(url: str) -> dict[str, Any]:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return dict(json.loads(answer.read()))


class KeptLogs:
    """As much of CloudWatch Logs as a task needs."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def create_log_stream(self, **_stream: str) -> None: ...

    def put_log_events(self, *, logEvents: list[dict[str, Any]], **_stream: str) -> None:  # noqa: N803 (AWS's name)
        self.lines += [event["message"] for event in logEvents]


def test_the_folder_that_dagster_takes_off_the_path_is_the_empty_one(open_ecs: OpenEcs) -> None:
    logs = KeptLogs()
    ecs = open_ecs(logs)
    configuration = {"logDriver": "awslogs", "options": {"awslogs-group": "any"}}
    wait_for(ecs, run(ecs, register(ecs, logConfiguration=configuration), "tell"), "STOPPED")
    found = json.loads("\n".join(logs.lines))
    assert found["path"][0] == found["cwd"]
    assert str(Path(__file__).parents[3]) in found["path"][1:]


def test_a_secret_that_is_not_there_keeps_the_task_from_starting(open_ecs: OpenEcs, local_stack: LocalStack) -> None:
    ecs = open_ecs(secrets_manager=local_stack.client("secretsmanager"))
    reference = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:nobody-AbCdEf"
    arn = run(ecs, register(ecs, secrets=[{"name": "A", "valueFrom": reference}]), "tell")
    task = wait_for(ecs, arn, "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    assert "ResourceInitializationError" in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]


def test_a_program_that_the_image_has_not_is_said_to_be_missing(open_ecs: OpenEcs) -> None:
    ecs = open_ecs()
    overrides = {"containerOverrides": [{"name": "run", "command": ["bash", "-c", "true"]}]}
    started = ecs.run_task(taskDefinition=register(ecs), cluster="fleet", overrides=overrides)
    task = wait_for(ecs, started["tasks"][0]["taskArn"], "STOPPED")
    assert "CannotStartContainerError" in task["stoppedReason"]


def test_asked_twice_with_one_token_it_starts_one_task_and_lists_it(open_ecs: OpenEcs) -> None:
    ecs = open_ecs()
    definition = register(ecs)
    arns = {run(ecs, definition, "be_polite", clientToken="t", startedBy="me") for _ in range(2)}
    assert len(arns) == 1
    (arn,) = arns
    other = run(ecs, definition, "be_polite")
    assert set(ecs.list_tasks(cluster="fleet")["taskArns"]) == {arn, other}
    assert ecs.list_tasks(cluster="fleet", startedBy="me")["taskArns"] == [arn]
    assert ecs.list_tasks(cluster="fleet", family="walk")["taskArns"] == []
    pages = ecs.get_paginator("list_tasks").paginate(cluster="fleet", PaginationConfig={"PageSize": 1})
    assert [len(page["taskArns"]) for page in pages] == [1, 1]
    ecs.stop_task(task=arn, cluster="fleet")
    assert ecs.list_tasks(cluster="fleet", desiredStatus="STOPPED")["taskArns"] == [arn]
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "b"}])
    assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "b"}]


def test_what_ecs_refuses_is_refused(open_ecs: OpenEcs) -> None:
    ecs = open_ecs()
    definition = register(ecs)
    with pytest.raises(ClientError, match="at most 8192"):
        run(ecs, definition, "tell", "x" * 8_192)
    with pytest.raises(ClientError, match="not a container"):
        run(ecs, definition, "tell", override={"name": "walk"})
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.list_tasks(cluster="elsewhere")
    with pytest.raises(ClientError, match="not found"):
        ecs.stop_task(task="nobody", cluster="fleet")
    with pytest.raises(ClientError, match="no operation"):
        ecs.list_services(cluster="fleet")
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.run_task(taskDefinition=definition, cluster="fleet", count=11)
    missing = ecs.describe_tasks(tasks=["nobody"], cluster="fleet")
    assert missing["tasks"] == []
    assert missing["failures"] == [{"arn": "nobody", "reason": "MISSING"}]
    assert ecs.list_tasks(cluster="fleet")["taskArns"] == []
