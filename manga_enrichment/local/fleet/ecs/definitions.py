"""Task definitions: families with revisions, as they are registered and described.

Belongs here: what ECS refuses in one, which revision a name means. Stays out: running one (`cluster.py`).
"""

import re
import threading
import time
from collections.abc import Mapping

from manga_enrichment.local.fleet.ecs.shapes import EcsError, Json, arn, last_part

_FAMILY = re.compile(r"[A-Za-z0-9_-]{1,255}")


class TaskDefinitions:
    """For use from several threads."""

    def __init__(self) -> None:
        self._revisions: dict[str, list[Json]] = {}
        self._lock = threading.Lock()

    def register(self, request: Json) -> Json:
        """The next revision of a family. Raises EcsError for what ECS would not take either."""
        given = {name: value for name, value in request.items() if name != "tags"}
        family = str(given.get("family", ""))
        if not _FAMILY.fullmatch(family):
            raise EcsError("ClientException", f"Family {family!r} contains invalid characters or is too long.")
        containers = given.get("containerDefinitions") or []
        if not containers:
            raise EcsError("ClientException", "Container list cannot be empty.")
        for container in containers:
            _check(container)
        with self._lock:
            revisions = self._revisions.setdefault(family, [])
            number = len(revisions) + 1
            about = {"revision": number, "status": "ACTIVE", "registeredAt": time.time()}
            definition = {**given, **about, "taskDefinitionArn": arn("task-definition", f"{family}:{number}")}
            revisions.append({"taskDefinition": definition, "tags": request.get("tags", [])})
            return revisions[-1]

    def describe(self, request: Json) -> Json:
        """By family (its latest), `family:revision` or ARN. Raises EcsError where there is none."""
        family, _, revision = last_part(str(request.get("taskDefinition", ""))).partition(":")
        with self._lock:
            revisions = self._revisions.get(family, [])
            number = int(revision) if revision.isdecimal() else len(revisions)
            if not 0 < number <= len(revisions):
                raise EcsError("ClientException", "Unable to describe task definition.")
            return revisions[number - 1]


def _check(container: Mapping[str, object]) -> None:
    for name in ("name", "image"):
        if not container.get(name):
            raise EcsError("ClientException", f"Container.{name} should not be null or empty.")
    listed = [name for part in ("environment", "secrets") for name in _names(container.get(part))]
    if len(listed) != len(set(listed)):
        raise EcsError("ClientException", "The secret name must be unique and not shared with an environment variable.")


def _names(listed: object) -> list[str]:
    return [str(each.get("name")) for each in listed] if isinstance(listed, list) else []
