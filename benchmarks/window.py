"""A steady window of a running benchmark: what happened in it, and what CPU it took.

Start-up and the tail stay out: the window opens after a settling time and closes while work still comes.
"""

import math
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SETTLING_SECONDS = 2.0
WINDOW_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at one moment, in seconds: elapsed, CPU of this process, of others by name, of the whole machine."""

    at: float
    cpu: float
    others: Mapping[str, float]
    machine: float


@dataclass(slots=True)
class Window:
    """Counts answers between its opening and its closing. Safe to use from threads.

    pids: other processes to watch, by name. ledger_requests: to DynamoDB, while it was open.
    """

    pids: Mapping[str, int] = field(default_factory=dict)
    settling_seconds: float = SETTLING_SECONDS
    seconds: float = WINDOW_SECONDS
    answered: int = 0
    failed: int = 0
    latency_ms: float = 0.0
    ledger_requests: int = 0
    _born: float = field(default_factory=time.perf_counter)
    _opened: Reading | None = None
    _closed: Reading | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """The settling time begins now and not when this was made."""
        self._born = time.perf_counter()

    @property
    def is_over(self) -> bool:
        return time.perf_counter() - self._born >= self.settling_seconds + self.seconds

    def count(self, *, answered: bool, latency_ms: float) -> None:
        """One title came to an outcome. latency_ms: of its last request, as its sender saw it."""
        elapsed = time.perf_counter() - self._born
        if elapsed < self.settling_seconds or self._closed is not None:
            return
        with self._lock:
            if self._opened is None:
                self._opened = self._read()  # this one came before the window
            elif self._closed is None:
                self.answered += answered
                self.failed += not answered
                self.latency_ms += latency_ms
                if self.is_over:
                    self._closed = self._read()

    def note_request(self, **_kwargs: object) -> None:
        """An event of botocore's: a request to DynamoDB leaves."""
        with self._lock:
            self.ledger_requests += self._opened is not None and self._closed is None

    def figures(self) -> dict[str, float | int | None]:
        """Rate, latency and CPU per answered title. Raises ValueError when nothing was answered in the window."""
        if self._opened is None or self._closed is None or not self.answered:
            raise ValueError("nothing was answered in the window")
        first, last = self._opened, self._closed

        def per_title(cpu_seconds: float) -> float:
            return round(cpu_seconds * 1000 / self.answered, 3)

        figures: dict[str, float | int] = {
            "answered": self.answered,
            "failed": self.failed,
            "per_second": round(self.answered / (last.at - first.at), 1),
            "latency_seen_ms": round(self.latency_ms / (self.answered + self.failed), 1),
            "client_cpu_ms": per_title(last.cpu - first.cpu),
        }
        for name in self.pids:
            figures[f"{name}_cpu_ms"] = per_title(last.others[name] - first.others[name])
        figures["ledger_requests"] = round(self.ledger_requests / self.answered, 4)
        figures["strangers_cores"] = _strangers_cores(first, last)
        return {name: None if math.isnan(value) else value for name, value in figures.items()}

    def _read(self) -> Reading:
        others = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        return Reading(time.perf_counter(), time.process_time(), others, machine_cpu_seconds())


def _strangers_cores(first: Reading, last: Reading) -> float:
    """Cores that neither this process nor the named ones used, but others did: what spoils the figures."""
    ours = last.cpu - first.cpu + sum(last.others.values()) - sum(first.others.values())
    return round(max(0.0, last.machine - first.machine - ours) / (last.at - first.at), 2)


def machine_cpu_seconds() -> float:
    """CPU that all processes and the hypervisor have used; not a number where there is no /proc."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return math.nan
    user, nice, system, _idle, _iowait, irq, softirq, steal = stat.read_text().split()[1:9]
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / os.sysconf("SC_CLK_TCK")


def peak_rss_bytes() -> int:
    """Of this process. Linux counts into ru_maxrss what the parent had when it started this one, so /proc is asked."""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_seconds(pid: int) -> float:
    """CPU that another process has used; not a number where there is no /proc."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return math.nan
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
