"""The one cluster: its tasks, from RunTask to StopTask.

Belongs here: what ECS answers to requests about tasks. Stays out: HTTP (`server.py`), what a task does (`task.py`).

Tasks that have ended are described as long as the server lives; ECS forgets them after an hour.
"""

import json
import threading
import uuid
from collections.abc import Callable, Mapping

from manga_enrichment.local.fleet.ecs.definitions import TaskDefinitions
from manga_enrichment.local.fleet.ecs.shapes import EcsError, Json, arn, last_part, pairs, tag_list
from manga_enrichment.local.fleet.ecs.task import Machine, Task

OVERRIDES_MAX_CHARACTERS = 8_192
_MOST_TASKS_AT_ONCE = 10


class Cluster:
    """For use from several threads."""

    def __init__(self, name: str, definitions: TaskDefinitions, machine: Machine) -> None:
        self.name = name
        self._definitions = definitions
        self._machine = machine
        self._tasks: dict[str, Task] = {}
        self._threads: list[threading.Thread] = []
        self._by_client_token: dict[str, list[Task]] = {}
        self._lock = threading.Lock()

    @property
    def operations(self) -> Mapping[str, Callable[[Json], Json]]:
        """By the name that the protocol has for them."""
        return {
            "RegisterTaskDefinition": self._definitions.register,
            "DescribeTaskDefinition": self._definitions.describe,
            "RunTask": self._run,
            "DescribeTasks": self._describe,
            "ListTasks": self._list,
            "StopTask": self._stop,
            "TagResource": self._tag,
            "ListTagsForResource": self._tags,
        }

    def metadata(self, task_id: str) -> tuple[Json, Json] | None:
        """What a task may ask about its container and itself."""
        task = self._tasks.get(task_id)
        if task is None:
            return None
        return {"Name": task.container_name}, {"Cluster": arn("cluster", self.name), "TaskARN": task.arn}

    def end(self) -> None:
        """Stop all tasks, and wait for their last words."""
        for task in list(self._tasks.values()):
            task.stop("the cluster ends")
        for thread in list(self._threads):
            thread.join()

    def _run(self, request: Json) -> Json:
        self._check_cluster(request)
        definition = self._definitions.describe(request)["taskDefinition"]
        _check_overrides(request, definition)
        count = int(request.get("count", 1))
        if not 0 < count <= _MOST_TASKS_AT_ONCE:
            raise EcsError("InvalidParameterException", "count must be between 1 and 10.")
        with self._lock:
            token = str(request.get("clientToken") or uuid.uuid4())
            started = self._by_client_token.get(token)
            if started is None:
                started = [self._start(definition, request) for _ in range(count)]
                self._by_client_token[token] = started
        return {"tasks": [task.described() for task in started], "failures": []}

    def _start(self, definition: Json, request: Json) -> Task:
        task_id = uuid.uuid4().hex
        task = Task(arn("task", f"{self.name}/{task_id}"), definition, request, self._machine)
        self._tasks[task_id] = task
        thread = threading.Thread(target=task.run, name=task_id)
        self._threads.append(thread)
        thread.start()
        return task

    def _describe(self, request: Json) -> Json:
        self._check_cluster(request)
        asked = {name: self._tasks.get(last_part(name)) for name in request.get("tasks", ())}
        with_tags = "TAGS" in request.get("include", ())
        found = [task.described() for task in asked.values() if task is not None]
        tasks = found if with_tags else [{name: each[name] for name in each if name != "tags"} for each in found]
        missing = [{"arn": name, "reason": "MISSING"} for name, task in asked.items() if task is None]
        return {"tasks": tasks, "failures": missing}

    def _list(self, request: Json) -> Json:
        self._check_cluster(request)
        status = request.get("desiredStatus", "RUNNING")
        arns = [
            task.arn
            for task in list(self._tasks.values())
            if task.desired_status == status
            and request.get("family", task.family) == task.family
            and request.get("startedBy", task.started_by) == task.started_by
        ]
        first, size = int(request.get("nextToken", 0)), int(request.get("maxResults", 100))
        more = {"nextToken": str(first + size)} if len(arns) > first + size else {}
        return {"taskArns": arns[first : first + size], **more}

    def _stop(self, request: Json) -> Json:
        self._check_cluster(request)
        task = self._task(str(request.get("task", "")))
        task.stop(str(request.get("reason", "Task stopped by user")))
        return {"task": task.described()}

    def _tag(self, request: Json) -> Json:
        self._task(str(request.get("resourceArn", ""))).tags.update(pairs(request.get("tags")))
        return {}

    def _tags(self, request: Json) -> Json:
        return {"tags": tag_list(self._task(str(request.get("resourceArn", ""))).tags)}

    def _task(self, name: str) -> Task:
        task = self._tasks.get(last_part(name))
        if task is None:
            raise EcsError("InvalidParameterException", "The referenced task was not found.")
        return task

    def _check_cluster(self, request: Json) -> None:
        if last_part(str(request.get("cluster", "default"))) != self.name:
            raise EcsError("ClusterNotFoundException", "Cluster not found.")


def _check_overrides(request: Json, definition: Json) -> None:
    overrides = request.get("overrides") or {}
    if len(json.dumps(overrides, separators=(",", ":"))) > OVERRIDES_MAX_CHARACTERS:
        raise EcsError("InvalidParameterException", "Container Overrides length must be at most 8192")
    names = {container["name"] for container in definition["containerDefinitions"]}
    for override in overrides.get("containerOverrides", ()):
        if override.get("name") not in names:
            raise EcsError(
                "ClientException", f"Override for container named {override.get('name')} is not a container."
            )
