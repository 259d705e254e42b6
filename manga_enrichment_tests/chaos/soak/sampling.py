"""How much memory the servers and the runs have, written down as it is seen.

Belongs here: asking the system. Stays out: what the figures mean (`memory.py`), which process is which (`servers.py`).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from manga_enrichment_tests.chaos.soak.memory import Sample

_KIB = 1_024


class MemoryLog:
    """file: gets a JSON line per sample of a server or a run.

    servers: samples by server. runs: process id -> (seconds at which it was first seen, its peak in bytes).
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.servers: dict[str, list[Sample]] = defaultdict(list)
        self.runs: dict[int, tuple[float, int]] = {}

    def take(self, at_seconds: float, servers: Mapping[str, psutil.Process], runs: Iterable[psutil.Process]) -> None:
        """One look at all of them; a process that ends meanwhile is left out."""
        with self._file.open("a", encoding="utf-8") as out:
            for name, process in servers.items():
                with suppress(psutil.NoSuchProcess):
                    sample = Sample(at_seconds, process.pid, process.memory_info().rss)
                    self.servers[name].append(sample)
                    out.write(json.dumps({"at": round(at_seconds, 1), "server": name, "rss": sample.rss_bytes}) + "\n")
            for process in runs:
                with suppress(psutil.NoSuchProcess):
                    self._run(at_seconds, process.pid, peak_bytes(process))
                    out.write(
                        json.dumps({"at": round(at_seconds, 1), "run": process.pid, "peak": self.runs[process.pid][1]})
                        + "\n"
                    )

    def _run(self, at_seconds: float, pid: int, peak: int) -> None:
        first, before = self.runs.get(pid, (at_seconds, 0))
        self.runs[pid] = (first, max(before, peak))


def peak_bytes(process: psutil.Process) -> int:
    """The most it ever had resident, as Linux notes it; elsewhere what it has now. Raises psutil.NoSuchProcess."""
    now: int = process.memory_info().rss
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return max(now, int(line.split()[1]) * _KIB)
    return now
