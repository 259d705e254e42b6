"""What happens during a soak: nights and backfills, partners, faults, kills, clock steps; then all is let come to rest.

Belongs here: the happenings and how often. Stays out: what must hold afterwards (`verdict.py`).
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.operations.killed_runs import pid_of
from manga_enrichment.defs.shared.run_facts import GOING_ON, IN_FLIGHT
from manga_enrichment.defs.shared.tags import NIGHT_TAG, RESIDENT_TAG, SCHEDULE_TAG, range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment_tests.builders import SINGLES
from manga_enrichment_tests.chaos.faults import Fault, Service, Stroke
from manga_enrichment_tests.chaos.proxies import FaultProxies
from manga_enrichment_tests.chaos.soak.catalog import ChangingCatalog
from manga_enrichment_tests.chaos.soak.console import Console
from manga_enrichment_tests.chaos.soak.partners import Partners
from manga_enrichment_tests.chaos.soak.sampling import MemoryLog
from manga_enrichment_tests.chaos.soak.servers import Servers
from manga_enrichment_tests.chaos.soak.stepped_clock import MOST_SECONDS, SteppedClock
from manga_enrichment_tests.chaos.soak.timetable import Recurring, follow

MIX = {Fault.THROTTLED: 0.05, Fault.SERVER_ERROR: 0.02, Fault.RESET_AFTER: 0.005, Fault.RESET_MIDWAY: 0.005}
"""Shares of the requests of every service."""
NIGHT_SECONDS, BATCH_SECONDS, QUESTION_SECONDS = 60.0, 30.0, 45.0
KILL_SECONDS, STEP_SECONDS, SAMPLE_SECONDS, LOOK_SECONDS = 120.0, 90.0, 5.0, 20.0
BACKFILL_EVERY = 3
"""Each third time it is a backfill instead of a night."""
QUIET_SECONDS = 20.0
"""Without any run or request for so long, nothing more comes by itself: the daemon starts a killed run again sooner."""
_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass
class Day:
    """done: how often each thing was done; mishaps: what could not be done, in words."""

    servers: Servers
    console: Console
    proxies: FaultProxies
    partners: Partners
    catalog: ChangingCatalog
    clock: SteppedClock
    instance: dg.DagsterInstance
    memory: MemoryLog
    dice: random.Random
    buckets: int
    done: Counter[str] = field(default_factory=Counter)
    mishaps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._night = ""

    def pass_by(self, seconds: float) -> None:
        """So long everything happens at once."""
        for service in Service:
            strokes = (Stroke(fault, seconds, share=share, seed=1) for fault, share in MIX.items())
            self.proxies.begin(service, *strokes)
        timetable = [
            Recurring("night", NIGHT_SECONDS, self._night_or_backfill),
            Recurring("batch", BATCH_SECONDS, self._batch),
            Recurring("question", QUESTION_SECONDS, self._question),
            Recurring("kill", KILL_SECONDS, self._kill),
            Recurring("clock step", STEP_SECONDS, self._step),
            Recurring("look", LOOK_SECONDS, self._look),
        ]
        self._night_or_backfill()
        self._follow(timetable, self._over_after(seconds))
        self.proxies.end()
        self.clock.step_to(0)

    def come_to_rest(self, limit_seconds: float) -> list[str]:
        """Wait until nothing is going on any more; what still is when the time is over, in words."""
        quiet_since: list[float] = []
        over = self._over_after(limit_seconds)

        def is_quiet() -> bool:
            if self._going_on():
                quiet_since.clear()
            elif not quiet_since:
                quiet_since.append(time.monotonic())
            return bool(quiet_since) and time.monotonic() - quiet_since[0] >= QUIET_SECONDS

        self._follow([], lambda: over() or is_quiet())
        return self._going_on()

    def whole_night(self, limit_seconds: float) -> list[str]:
        """One night without anything else; why it did not succeed, in words."""
        run_id = self._launch_night()
        over = self._over_after(limit_seconds)
        self._follow([], lambda: over() or self._status(run_id) in _FINISHED)
        status = self._status(run_id)
        return [] if status is dg.DagsterRunStatus.SUCCESS else [f"night {run_id} is {status}"]

    def runs_ended(self) -> Counter[str]:
        """How many runs of each job ended how."""
        return Counter(f"{run.job_name} {run.status.value}" for run in self.instance.get_runs())

    def _follow(self, timetable: list[Recurring], is_over: Callable[[], bool]) -> None:
        self.mishaps += follow([*timetable, Recurring("sample", SAMPLE_SECONDS, self._sample)], is_over)

    def _over_after(self, seconds: float) -> Callable[[], bool]:
        until = time.monotonic() + seconds
        return lambda: time.monotonic() >= until or self.servers.have_ended

    def _night_or_backfill(self) -> bool:
        if self._night and self._status(self._night) not in _FINISHED:
            return False
        self.catalog.change()
        number = self.done["nights"] + self.done["backfills"] + 1
        if number % BACKFILL_EVERY:
            self._night = self._launch_night()
            self.done["nights"] += 1
        else:
            assets = ["manga_catalog", "similar_candidates", *SINGLES[:2]]
            self.console.backfill(assets, bucket_keys(self.buckets))
            self.done["backfills"] += 1
        return True

    def _launch_night(self) -> str:
        keys = bucket_keys(self.buckets)
        night = datetime.now(UTC).date().isoformat()
        tags = {**range_tags(keys[0], keys[-1]), NIGHT_TAG: night, SCHEDULE_TAG: NIGHTLY_JOB}
        return self.console.launch(NIGHTLY_JOB, tags)

    def _batch(self) -> bool:
        self.partners.send_batch()
        self.done["batches"] += 1
        return True

    def _question(self) -> bool:
        self.partners.ask()
        self.done["questions"] += 1
        return True

    def _kill(self) -> bool:
        """A run of those that are going on; False while there is none."""
        alive = {process.pid for process in self.servers.runs()}
        going_on = self.instance.get_runs(dg.RunsFilter(statuses=GOING_ON))
        pids = [pid for run in going_on if (pid := pid_of(self.instance, run.run_id)) in alive and pid is not None]
        if not pids:
            return False
        os.kill(self.dice.choice(pids), signal.SIGKILL)
        self.done["kills"] += 1
        return True

    def _step(self) -> bool:
        self.clock.step_to(self.dice.uniform(-MOST_SECONDS, MOST_SECONDS))
        self.done["clock steps"] += 1
        return True

    def _look(self) -> bool:
        self.console.look()
        self.done["looks at the UI"] += 1
        return True

    def _sample(self) -> bool:
        self.memory.take(time.monotonic() - self._began, self.servers.servers(), self.servers.runs())
        return True

    def _going_on(self) -> list[str]:
        """Resident runs stay for hours: what they have in hand is their requests."""
        runs = [
            run for run in self.instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT)) if RESIDENT_TAG not in run.tags
        ]
        return [f"run {run.run_id} of {run.job_name} is {run.status.value}" for run in runs] + self.partners.waiting()

    def _status(self, run_id: str) -> dg.DagsterRunStatus | None:
        run = self.instance.get_run_by_id(run_id)
        return None if run is None else run.status
