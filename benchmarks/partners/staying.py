"""What runs that stay cost while nobody asks.

Belongs here: their CPU, memory and SQS calls. Stays out: what they answer (`phases.py`), their processes (`site.py`).
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.partners.phases import Numbers
from benchmarks.partners.site import Site, said

STARTED_SECONDS = 30.0
"""A run's CPU until then is that of its start."""
STARTS_AN_HOUR = 3600 / (900 - 60)
"""Each run's life, less its successor's head start."""
_LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Watched:
    """CPU seconds of one process: at the first look, once it had started, now. since: when it had.

    start_cpu: of its start; None when nobody saw that.
    """

    first_cpu: float
    first_age: float
    started_cpu: float | None = None
    since: float = 0.0
    peak_bytes: int = 0
    cpu: float = 0.0
    now: float = 0.0

    def looked(self, cpu: float, age_seconds: float, now: float, rss_bytes: int = 0) -> None:
        self.cpu, self.now, self.peak_bytes = cpu, now, max(self.peak_bytes, rss_bytes)
        if self.started_cpu is None and age_seconds >= STARTED_SECONDS:
            self.started_cpu, self.since = cpu, now

    @property
    def start_cpu(self) -> float | None:
        return self.started_cpu if self.first_age < STARTED_SECONDS else None


def resident(site: Site, queues: Sequence[str], minutes: float) -> Numbers:
    """For so long. The growth of all, and what one run costs in an hour with its starts, as its parts come to."""
    before, watched = site.calls(), dict[int, Watched]()
    started = time.monotonic()
    while (now := time.monotonic()) < started + minutes * 60:
        for process in site.runs():
            with suppress(psutil.Error):
                times, age = process.cpu_times(), time.time() - process.create_time()
                cpu = times.user + times.system
                watched.setdefault(process.pid, Watched(cpu, age)).looked(cpu, age, now, process.memory_info().rss)
        time.sleep(_LOOK_SECONDS)
    seconds = time.monotonic() - started
    calls = site.calls() - before
    said({"site": site.name, "resident_calls": dict(calls.most_common())})
    return {
        "minutes": minutes,
        **shares(watched, seconds),
        **{
            f"sqs_calls_a_minute {queue}": sum(n for kind, n in calls.items() if kind.endswith(f".{queue}"))
            / seconds
            * 60
            for queue in queues
        },
    }


def shares(watched: Mapping[int, Watched], seconds: float) -> Numbers:
    """CPU as percent of a core. Nothing of starts when none was seen. Raises ValueError when no run stayed."""
    starts = [each.start_cpu for each in watched.values() if each.start_cpu is not None]
    stayed = [(each.cpu - each.started_cpu, each.now - each.since) for each in watched.values() if each.started_cpu]
    if not sum(long for _, long in stayed):
        raise ValueError(f"no run was seen that stayed longer than {STARTED_SECONDS:.0f} s")
    idle = sum(cpu for cpu, _ in stayed) / sum(long for _, long in stayed)
    return {
        "run_processes": len(watched),
        "peak_mb": max(each.peak_bytes for each in watched.values() if each.started_cpu) / 1e6,  # of those that stayed
        "cpu_percent_all_runs": 100 * sum(each.cpu - each.first_cpu for each in watched.values()) / seconds,
        "idle_cpu_percent_of_one": 100 * idle,
        **(_with_starts(idle, sum(starts) / len(starts)) if starts else {}),
    }


def _with_starts(idle: float, start_cpu: float) -> Numbers:
    hour = 100 * (idle + start_cpu * STARTS_AN_HOUR / 3600)
    return {"start_cpu_s": start_cpu, "hour_with_starts_cpu_percent_of_one": hour}
