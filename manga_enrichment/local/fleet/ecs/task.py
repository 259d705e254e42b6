"""One task: what ECS says about it, and the thread that takes its container from start to end.

Belongs here: states, their order and what they are called. Stays out: the process (`container.py`), which tasks there
are (`cluster.py`). A task has one container: sidecars are not run.
"""

import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from manga_enrichment.local.fleet.ecs.container import CannotStartError, Container
from manga_enrichment.local.fleet.ecs.log_stream import LogStream
from manga_enrichment.local.fleet.ecs.secret_values import resolve
from manga_enrichment.local.fleet.ecs.shapes import Json, last_part, pairs, tag_list

METADATA_VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"
_STOP_TIMEOUT_SECONDS = 30
_POLL_SECONDS = 0.2
_LAST_WORDS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What all tasks run on. disks: each gets a folder there; url: of the server; the others: boto3 clients."""

    disks: Path
    url: str
    logs: Any
    secrets_manager: Any


class Task:
    """For use from several threads. `run` is a thread's whole work."""

    def __init__(self, arn: str, definition: Json, request: Json, machine: Machine) -> None:
        """definition: as it is described. request: of RunTask."""
        self.arn = arn
        self.family = str(definition["family"])
        self.tags = pairs(request.get("tags"))
        self.started_by = str(request.get("startedBy", ""))
        self._overrides = request.get("overrides") or {}
        self._definition = definition
        self._container: Json = definition["containerDefinitions"][0]
        self._machine = machine
        self._asked_to_stop = threading.Event()
        self._saying = threading.Lock()
        self._said: Json = {"lastStatus": "PROVISIONING", "desiredStatus": "RUNNING", "createdAt": time.time()}
        self._about_container: Json = {"name": self._container["name"], "lastStatus": "PENDING"}

    @property
    def desired_status(self) -> str:
        return str(self._said["desiredStatus"])

    @property
    def container_name(self) -> str:
        return str(self._container["name"])

    def described(self) -> Json:
        return {
            "taskArn": self.arn,
            "clusterArn": self.arn.replace(":task/", ":cluster/").rsplit("/", 1)[0],
            "taskDefinitionArn": self._definition["taskDefinitionArn"],
            "containers": [{**self._about_container, "taskArn": self.arn}],
            "overrides": self._overrides,
            "launchType": "EXTERNAL",
            "attachments": [],
            "startedBy": self.started_by,
            "tags": tag_list(self.tags),
            **self._said,
        }

    def stop(self, reason: str) -> None:
        """Ask for the end: SIGTERM, after the definition's `stopTimeout` SIGKILL."""
        if not self._asked_to_stop.is_set():
            self._say(desiredStatus="STOPPED", stopCode="UserInitiated", stoppedReason=reason, stoppingAt=time.time())
            self._asked_to_stop.set()

    def run(self) -> None:
        """Start the container and stay until it has ended."""
        try:
            container, log = self._start()
        except (CannotStartError, BotoCoreError, ClientError, OSError) as error:
            self._stopped(None, {"stopCode": "TaskFailedToStart", "stoppedReason": str(error)})
            return
        following = threading.Thread(target=log.follow, args=(container.output,), daemon=True)
        following.start()
        self._about_container.update(lastStatus="RUNNING", runtimeId=str(container.pid))
        self._say(lastStatus="RUNNING", startedAt=time.time())
        self._wait(container)
        code = container.ended()
        following.join(_LAST_WORDS_SECONDS)
        self._stopped(
            code, {"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited"}
        )

    def _start(self) -> tuple[Container, LogStream]:
        task_id = last_part(self.arn)
        overrides: list[Json] = self._overrides.get("containerOverrides", [])
        override: Json = next((each for each in overrides if each["name"] == self.container_name), {})
        secrets = resolve(self._machine.secrets_manager, self._container.get("secrets", ()))
        environment = {
            **pairs(self._container.get("environment")),
            **secrets,
            **pairs(override.get("environment")),
            METADATA_VARIABLE: f"{self._machine.url}/v4/{task_id}",
        }
        command = override.get("command") or self._container.get("command") or []
        log = LogStream(self._machine.logs, self._container.get("logConfiguration", {}), self.container_name, task_id)
        return Container(command, environment, self._machine.disks / task_id), log

    def _wait(self, container: Container) -> None:
        while not container.has_ended(_POLL_SECONDS):
            if self._asked_to_stop.is_set():
                self._say(lastStatus="DEACTIVATING")
                container.signal(signal.SIGTERM)
                if not container.has_ended(float(self._container.get("stopTimeout", _STOP_TIMEOUT_SECONDS))):
                    container.signal(signal.SIGKILL)
                return

    def _stopped(self, exit_code: int | None, why: Mapping[str, str]) -> None:
        self._about_container["lastStatus"] = "STOPPED"
        if exit_code is not None:
            self._about_container["exitCode"] = exit_code
        asked = self._asked_to_stop.is_set()
        self._say(**({} if asked else why), lastStatus="STOPPED", desiredStatus="STOPPED", stoppedAt=time.time())

    def _say(self, **facts: object) -> None:
        """In one step: whoever describes the task sees all of it or nothing."""
        with self._saying:
            self._said = {**self._said, **facts}
