"""Who takes how much CPU and memory, looked at while a night goes on.

Belongs here: looks and what lies between two moments. Stays out: what the moments are (`stages.py`).
"""

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.partners.site import Site

Look = tuple[float, Counter[str]]
"""(seconds since 1970, CPU seconds so far by kind of process)"""
Held = tuple[float, int]
"""(seconds since 1970, the most bytes that one process of a run held since the look before)"""
_EVERY_SECONDS = 0.2
_FORGET_THE_PEAK = "5"


class Watch:
    """looks and held: one each time that it looked."""

    def __init__(self, site: Site, now: Callable[[], float] = time.time) -> None:
        self._site = site
        self._now = now
        self._work = site.work()
        self.looks: list[Look] = [(now(), Counter())]
        self.held: list[Held] = []

    def look(self) -> None:
        """At most so often: looking takes CPU, too."""
        if self._now() - self.looks[-1][0] < _EVERY_SECONDS:
            return
        self._work.look()
        self.looks.append((self._now(), self._work.seconds()))
        peaks = [peak_since_asked(process.pid) for process in self._site.runs()]
        self.held.append((self._now(), max(peaks, default=0)))


def peak_since_asked(pid: int, processes: Path = Path("/proc")) -> int:
    """The most bytes of memory, those of mapped files among them, that a process held since this was asked last.

    0 of one that has ended.
    """
    with suppress(OSError, StopIteration):
        lines = (processes / str(pid) / "status").read_text().splitlines()
        peak_kb = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
        (processes / str(pid) / "clear_refs").write_text(_FORGET_THE_PEAK)
        return peak_kb * 1024
    return 0


def held_between(held: Sequence[Held], start: float, end: float) -> int | None:
    """The most bytes between two moments; None where nobody looked."""
    return max((size for moment, size in held if start < moment <= end), default=None)


def taken(looks: list[Look], start: float, end: float) -> Counter[str]:
    """CPU seconds by kind between two moments; between two looks, as if it were spent evenly."""
    kinds = set(looks[-1][1])
    return Counter({kind: _at(looks, end, kind) - _at(looks, start, kind) for kind in sorted(kinds)})


def _at(looks: list[Look], moment: float, kind: str) -> float:
    place = bisect_right(looks, moment, key=lambda look: look[0])
    if place == 0:
        return 0.0
    (before, first), (after, last) = looks[place - 1], looks[min(place, len(looks) - 1)]
    share = (moment - before) / (after - before) if after > before else 0.0
    return first[kind] + share * (last[kind] - first[kind])
