"""A fleet and the servers of its Dagster, each of which can be stopped and started by itself.

Belongs here: processes, waiting, what is seen from outside. Stays out: what happens to them (the tests).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.local.dagster_home import LOCATION
from manga_enrichment.local.fleet.fleet import Fleet
from manga_enrichment.local.fleet.instance import CLUSTER
from manga_enrichment.local.fleet.site import CONTAINER, FAMILY, LOG_GROUP
from manga_enrichment.local.stack.processes import LOOPBACK, ChildProcess, ChildProgram, free_port, port_is_taken
from manga_enrichment_tests.fleet import code_location

SECONDS = 180.0
_SOONER = {"poll_interval_seconds": 2, "free_slots_after_run_end_seconds": 1}
"""What the deployed instance waits for, so that a test need not."""


class FleetWorld:
    """The instance is read by this process, which has the servers' environment."""

    def __init__(self, fleet: Fleet, logs: Path, cloudwatch: Any) -> None:
        """cloudwatch: a client of its logs."""
        self.fleet = fleet
        self.environment = fleet.server_environment(os.environ)
        self._logs, self._cloudwatch = logs, cloudwatch
        self._servers: dict[str, ChildProcess] = {}
        self._code_port = free_port()
        self._workspace = fleet.home / "workspace.yaml"
        server = {"host": LOOPBACK, "port": self._code_port, "location_name": LOCATION}
        self._workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), "utf-8")
        self.change_instance({"run_monitoring": _SOONER})

    # Servers

    def change_instance(self, changes: Mapping[str, Any], without: str = "") -> None:
        """In dagster.yaml; servers read it when they start."""
        file = self.fleet.home / "dagster.yaml"
        config = yaml.safe_load(file.read_text("utf-8"))
        for section, change in changes.items():
            config[section] = {**config.get(section, {}), **change}
        config.pop(without, None)
        file.write_text(yaml.safe_dump(config), "utf-8")

    def start_code_server(self) -> None:
        words = ("code-server", "start", "--host", LOOPBACK, "--port", str(self._code_port))
        where = ("--module-name", code_location.__name__, "--location-name", LOCATION)
        self._start("code-server", "dagster", *words, *where, probe=lambda: port_is_taken(self._code_port))

    def start_daemon(self) -> None:
        words = ("dagster._daemon", "run", "--workspace", str(self._workspace))
        self._start("daemon", "manga_enrichment.runtime.long_lived", *words, probe=lambda: True)

    def stop(self, name: str) -> None:
        """As a deploy does; nothing of it is left."""
        self._servers.pop(name).stop()

    def stop_all(self) -> None:
        for name in list(self._servers):
            self.stop(name)

    def _start(self, name: str, module: str, *words: str, probe: Callable[[], bool]) -> None:
        program = ChildProgram(
            name=name,
            module=module,
            port=0,
            health_path="",
            log_path=self._logs / f"{name}.log",
            arguments=words,
            environment=self.environment,
            probe=probe,
            cwd=self.fleet.home,
        )
        self._servers[name] = child = ChildProcess(program)
        child.wait_until_healthy(SECONDS)

    def switch(self, sensor: str, *, on: bool) -> None:
        """As the runbook's command does it for a person."""
        words = ("sensor", "start" if on else "stop", sensor, "--workspace", str(self._workspace))
        command = [str(Path(sys.executable).parent / "dagster"), *words]
        subprocess.run(command, env=self.environment, cwd=self.fleet.home, check=True, capture_output=True)

    # What is seen

    def runs(self) -> list[dg.DagsterRun]:
        """Of the night, the first one first."""
        with dg.DagsterInstance.get() as instance:
            return list(reversed(instance.get_runs(dg.RunsFilter(job_name=NIGHTLY_JOB))))

    def wait_until(self, what: str, is_so: Callable[[], bool], seconds: float = SECONDS) -> float:
        """Seconds that it took. What cannot be read is not so. Raises TimeoutError with the daemon's log."""
        began = time.monotonic()
        while True:
            with suppress(Exception):  # PostgreSQL may be away
                if is_so():
                    return time.monotonic() - began
            if time.monotonic() - began > seconds:
                log = (self._logs / "daemon.log").read_text("utf-8")[-3_000:]
                raise TimeoutError(f"not within {seconds:g} s: {what}\n{log}\n{self._last_words()}")
            time.sleep(0.3)

    def _last_words(self) -> str:
        """What ECS and their logs say of the tasks that ended otherwise than well."""
        said = []
        for task in self.tasks():
            container = task["containers"][0]
            if task["lastStatus"] == "STOPPED" and container.get("exitCode") != 0:
                stream = f"run/{CONTAINER}/{task['taskArn'].rpartition('/')[2]}"
                events = self._cloudwatch.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream)["events"]
                lines = [event["message"] for event in events[-30:]]
                said.append("\n".join([f"{task['stoppedReason']} {container.get('exitCode')}", *lines]))
        return "\n\n".join(said[-2:])

    def is_night_over(self, parts: int) -> bool:
        """Whether so many parts of the night have a run that succeeded, and none is under way."""
        runs = self.runs()
        done = {part_of(run) for run in runs if run.status is dg.DagsterRunStatus.SUCCESS}
        return len(done) == parts and all(run.is_finished for run in runs)

    def tasks(self) -> list[dict[str, Any]]:
        """All that ECS knows, of whatever status."""
        ecs = self.fleet.ecs()
        listed = [
            arn
            for status in ("RUNNING", "STOPPED")
            for page in ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, family=FAMILY, desiredStatus=status)
            for arn in page["taskArns"]
        ]
        chunks = [listed[start : start + 100] for start in range(0, len(listed), 100)]
        return [
            task
            for chunk in chunks
            for task in ecs.describe_tasks(cluster=CLUSTER, tasks=chunk, include=["TAGS"])["tasks"]
        ]

    def kill_task_of(self, run: dg.DagsterRun) -> None:
        """-9, as a machine that goes away: the task, and its disk with it."""
        (task,) = (each for each in self.tasks() if each["taskArn"] == run.tags["ecs/task_arn"])
        os.kill(int(task["containers"][0]["runtimeId"]), signal.SIGKILL)


def part_of(run: dg.DagsterRun) -> str:
    """Which part of a night: the import, or a group by its first bucket."""
    return run.tags.get("manga/night_part", run.tags["dagster/asset_partition_range_start"])
