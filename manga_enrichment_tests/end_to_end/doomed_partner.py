"""The partner lane in processes of their own that are killed, frozen or asked to end at a chosen step.

Belongs here: what such a process does. Stays out: what must hold afterwards (`partner_books.py`), and time that all
processes of a test share (`file_clock.py`).
"""

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import CATALOG_JOB
from manga_enrichment.defs.queues.assets import OBSERVE_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.doomed import CONTEXT, Doom, doomed_resources
from manga_enrichment_tests.end_to_end.file_clock import FileClock

_SECONDS = 120
SENSOR = "partner_requests"


class LaneProcess:
    """One tick of the sensor, then the runs it asks for, in a new process.

    starts_runs: False kills the process when its tick is over, before any run has started.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        clock: FileClock,
        home: Path,
        doom: Doom | None = None,
        *,
        sensor: str = SENSOR,
        starts_runs: bool = True,
    ) -> None:
        self._report = home / "report.json"
        self._report.unlink(missing_ok=True)
        self._child = CONTEXT.Process(
            target=_lane, args=(dict(environment), clock, str(home), doom, sensor, starts_runs), daemon=True
        )
        self._child.start()

    @property
    def pid(self) -> int:
        assert self._child.pid is not None
        return self._child.pid

    def wait(self) -> int:
        """Its exit code, -9 when it was killed."""
        self._child.join(_SECONDS)
        if self._child.is_alive():
            self._child.kill()
            self._child.join()
            raise TimeoutError(f"the process did not end within {_SECONDS} s")
        assert self._child.exitcode is not None
        return self._child.exitcode

    def wait_until_frozen(self) -> None:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            if Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T":
                return
            time.sleep(0.02)
        raise TimeoutError(f"the process did not freeze within {_SECONDS} s")

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def messages(self) -> str:
        """What its runs logged."""
        return "\n".join(json.loads(self._report.read_text("utf-8")))


def import_catalog(environment: Mapping[str, str]) -> None:
    """Run the catalog job in a new process."""
    _run(environment, _catalog)


def look_at_queues(environment: Mapping[str, str], clock: FileClock) -> None:
    """Run the job that a daemon runs every five minutes, in a new process."""
    _run(environment, _look, clock)


def _run(environment: Mapping[str, str], target: Callable[..., None], *arguments: object) -> None:
    child = CONTEXT.Process(target=target, args=(dict(environment), *arguments))
    child.start()
    child.join(_SECONDS)
    assert child.exitcode == 0


def _enter(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    logging.getLogger("dagster").setLevel(logging.ERROR)


def _catalog(environment: dict[str, str]) -> None:
    _enter(environment)
    settings = load_settings()
    keys = bucket_keys(settings.catalog_buckets)
    job = build_definitions(settings).resolve_job_def(CATALOG_JOB)
    result = job.execute_in_process(tags=range_tags(keys[0], keys[-1]), raise_on_error=False)
    os._exit(0 if result.success else 1)


def _look(environment: dict[str, str], clock: FileClock) -> None:
    _enter(environment)
    job = build_definitions(load_settings(), resources={"clock": clock}).resolve_job_def(OBSERVE_JOB)
    os._exit(0 if job.execute_in_process(raise_on_error=False).success else 1)


def _lane(
    environment: dict[str, str], clock: FileClock, home: str, doom: Doom | None, sensor: str, starts_runs: bool
) -> None:
    _enter(environment)
    settings = load_settings()
    resources: dict[str, Any] = {"clock": clock}
    if doom:
        resources |= doomed_resources(settings, doom)
    with dg.DagsterInstance.ephemeral(tempdir=home) as instance:
        lane = InProcessLane(build_definitions(settings, resources=resources), instance)
        if not starts_runs:
            lane.tick(sensor)
            os.kill(os.getpid(), signal.SIGKILL)
        results = lane.run_all(lane.tick(sensor))
        messages = [entry.user_message for result in results for entry in instance.all_logs(result.run_id)]
    (Path(home) / "report.json").write_text(json.dumps(messages), "utf-8")
    os._exit(0 if all(result.success for result in results) else 1)
