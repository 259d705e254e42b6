"""CPU that a site takes, by what its processes are: what bounds a rate on few cores.

Belongs here: telling processes apart, adding up. Stays out: starting them (`site.py`), what they do (`phases.py`).

Strangers on the machine change how long something takes, not what it takes: compare these when the machine is busy.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

import psutil

_KINDS = (("stack.emulator", "emulator"), ("model_server", "model"), ("spawn_main", "runs"))
_OTHERS = "servers"
"""Dagster's web server, daemon and code servers, whose sensors receive what runs are launched for."""


class Work:
    """Since it was made. Processes that come and go between two looks are not seen."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._first: dict[tuple[int, float], float] = {}
        self._last: dict[tuple[int, float], tuple[str, float]] = {}
        self.look()
        self._first = {process: cpu for process, (_, cpu) in self._last.items()}

    def look(self) -> None:
        for process in _tree(self._root):
            with suppress(psutil.Error):
                times, key = process.cpu_times(), (process.pid, process.create_time())
                kind = self._last[key][0] if key in self._last else kind_of(process.cmdline())
                self._last[key] = kind, times.user + times.system

    def seconds(self) -> Counter[str]:
        """By kind."""
        found: Counter[str] = Counter()
        for process, (kind, cpu) in self._last.items():
            found[kind] += cpu - self._first.get(process, 0.0)  # type: ignore[assignment]
        return found


def kind_of(command: Iterable[str]) -> str:
    words = " ".join(command)
    return next((kind for sign, kind in _KINDS if sign in words), _OTHERS)


def _tree(root: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    return []
