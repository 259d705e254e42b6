"""The product in a process of its own: a night over all buckets, and rounds of the partner lane.

Belongs here: what such a process does and says. Stays out: the proxies between it and its services (`proxies.py`), what
must hold afterwards (`judge.py`). Children come from the fork server of `end_to_end/doomed.py`.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import CATALOG_JOB, NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.local.demo.lane import QUIET, InProcessLane
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.doomed import CONTEXT
from manga_enrichment_tests.end_to_end.file_clock import FileClock

SENSOR = "partner_requests"
_SENTENCE = 400
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended.

    ended: by itself, within its time; success: of all its runs; reasons: a sentence per step that failed.
    """

    ended: bool
    success: bool
    seconds: float
    reasons: tuple[str, ...] = ()


Doomed = Callable[[], bool]
"""Says when a process is to be killed, which then counts as its end."""


def never() -> bool:
    return False


def run_night(
    environment: Mapping[str, str], clock: FileClock, folder: Path, limit_seconds: float, doomed: Doomed = never
) -> Ending:
    """The nightly job over all buckets. Killed when it takes longer than the limit."""
    return _run(_night, environment, clock, folder, limit_seconds, doomed)


def run_import(environment: Mapping[str, str], clock: FileClock, folder: Path, limit_seconds: float) -> Ending:
    """The catalog job: what partners' requests need."""
    return _run(_import, environment, clock, folder, limit_seconds)


def run_lane(
    environment: Mapping[str, str], clock: FileClock, folder: Path, limit_seconds: float, doomed: Doomed = never
) -> Ending:
    """One tick of the requests sensor and the runs it asks for. A tick that raises counts as a failure."""
    return _run(_lane, environment, clock, folder, limit_seconds, doomed)


Target = Callable[[FileClock, Path], list[str]]


def _run(
    target: Target,
    environment: Mapping[str, str],
    clock: FileClock,
    folder: Path,
    limit_seconds: float,
    doomed: Doomed = never,
) -> Ending:
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    started = time.monotonic()
    child = CONTEXT.Process(target=_child, args=(target, dict(environment), clock, folder), daemon=True)
    child.start()
    while child.is_alive() and time.monotonic() - started < limit_seconds:
        child.join(_POLL_SECONDS)
        if doomed():
            child.kill()
            child.join()
            return Ending(ended=True, success=True, seconds=time.monotonic() - started)
    ended = not child.is_alive()
    if not ended:
        child.kill()
        child.join()
    seconds = time.monotonic() - started
    if not report.exists():
        return Ending(ended, success=False, seconds=seconds, reasons=(f"it left no report (exit {child.exitcode})",))
    reasons = tuple(json.loads(report.read_text("utf-8")))
    return Ending(ended, success=ended and not reasons, seconds=seconds, reasons=reasons)


def _child(target: Target, environment: dict[str, str], clock: FileClock, folder: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    _write_into(folder / "log")
    try:
        reasons = target(clock, folder)
    except Exception as error:  # noqa: BLE001 (a tick that raises is what we want to know of)
        reasons = [f"{type(error).__name__}: {error}"[:_SENTENCE]]
    (folder / "report.json").write_text(json.dumps(reasons), "utf-8")
    os._exit(0)


def _write_into(log: Path) -> None:
    """What the process says goes into a file of the cell."""
    into = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(into, stream.fileno())


def _night(clock: FileClock, _folder: Path) -> list[str]:
    return _whole_job(NIGHTLY_JOB, clock)


def _import(clock: FileClock, _folder: Path) -> list[str]:
    return _whole_job(CATALOG_JOB, clock)


def _whole_job(name: str, clock: FileClock) -> list[str]:
    settings = load_settings()
    keys = bucket_keys(settings.catalog_buckets)
    job = build_definitions(settings, resources={"clock": clock}).resolve_job_def(name)
    tags = range_tags(keys[0], keys[-1])
    result = job.execute_in_process(tags=tags, run_config=dict(QUIET), raise_on_error=False)
    return _reasons([result])


def _lane(clock: FileClock, folder: Path) -> list[str]:
    definitions = build_definitions(load_settings(), resources={"clock": clock})
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        lane = InProcessLane(definitions, instance)
        return _reasons(lane.run_all(lane.tick(SENSOR)))


def _reasons(results: Iterable[dg.ExecuteInProcessResult]) -> list[str]:
    """One sentence per failed step; of a run that failed outside its steps, that it did."""
    said = []
    for result in results:
        failed = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        said += [f"{event.step_key}: {_sentence(event)}" for event in failed]
        if not result.success and not failed:
            said.append("the run failed outside its steps")
    return said


def _sentence(event: Any) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)[:_SENTENCE]
    error = data.error.cause or data.error if data.error is not None else None
    return " ".join(error.message.split())[:_SENTENCE] if error is not None else "no reason given"
