"""A container's output as a stream of CloudWatch Logs, as the log driver `awslogs` makes it.

Belongs here: reading a pipe to its end, lines as events. Stays out: the container (`container.py`).

Lines are sent at most three times a second. While the logs are away they are lost, and the server's own log says how
many: a task does not wait for its log.
"""

import os
import sys
import time
from collections.abc import Mapping
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError

_AT_ONCE_BYTES = 65_536
_PAUSE_SECONDS = 0.3


class LogStream:
    """`<prefix>/<container>/<task id>`, in the group of the definition; none: output is read and forgotten."""

    def __init__(self, logs: Any, configuration: Mapping[str, Any], container: str, task_id: str) -> None:
        """logs: a boto3 client. configuration: a container's `logConfiguration`. Raises ClientError: no such group."""
        options = configuration.get("options", {}) if configuration.get("logDriver") == "awslogs" else {}
        self._logs = logs
        self._group = options.get("awslogs-group", "")
        self._stream = "/".join([options.get("awslogs-stream-prefix", "ecs"), container, task_id])
        if self._group:
            logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)

    def follow(self, pipe: IO[bytes]) -> None:
        """Until the last process that holds the other end is gone."""
        rest = b""
        with pipe:
            while chunk := os.read(pipe.fileno(), _AT_ONCE_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                self._put(lines)
                time.sleep(_PAUSE_SECONDS)
        self._put([rest])

    def _put(self, lines: list[bytes]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line.decode("utf-8", "replace")} for line in lines if line.strip()]
        if not events or not self._group:
            return
        try:
            self._logs.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=events)
        except (BotoCoreError, ClientError) as error:
            print(f"{self._stream}: {len(events)} lines are lost: {error}", file=sys.stderr)  # noqa: T201
