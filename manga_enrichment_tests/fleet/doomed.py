"""A handler of Dagster's own log events that kills its process when a step begins: once for each step.

Whoever comes first dies. It is attached by an instance's `python_logs`, so nothing in the product knows about it.
"""

import logging
import os
import signal
from pathlib import Path
from typing import Any

import dagster as dg

FOLDER = "TEST_DOOM_FOLDER"
"""Where a file says of each step that was killed already. Without the variable nothing is killed."""
PYTHON_LOGS: dict[str, Any] = {
    "dagster_handler_config": {"handlers": {"doom": {"class": f"{__name__}.DoomHandler", "level": "DEBUG"}}}
}


class DoomHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        folder = os.environ.get(FOLDER)
        if folder is None or event is None or event.event_type is not dg.DagsterEventType.STEP_START:
            return
        try:
            (Path(folder) / str(event.step_key)).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
