"""Who takes how much CPU and memory, looked at while a night goes on.

Belongs here: looks and what lies between two moments. Stays out: what the moments are (`stages.py`).
"""

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil

from benchmarks.partners.site import Site

Look = tuple[float, Counter[str]]
"""(seconds since 1970, CPU seconds so far by kind of process)"""
_EVERY_SECONDS = 0.2


class Watch:
    """peak_bytes: the most that one process of a run held at a look."""

    def __init__(self, site: Site, now: Callable[[], float] = time.time) -> None:
        self._site = site
        self._now = now
        self._work = site.work()
        self.looks: list[Look] = [(now(), Counter())]
        self.peak_bytes = 0

    def look(self) -> None:
        """At most so often: looking takes CPU, too."""
        if self._now() - self.looks[-1][0] < _EVERY_SECONDS:
            return
        self._work.look()
        self.looks.append((self._now(), self._work.seconds()))
        for process in self._site.runs():
            with suppress(psutil.Error):
                self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)


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
