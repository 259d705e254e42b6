"""Things that are done again and again, each at its own pace, one at a time.

Belongs here: when. Stays out: what (`day.py`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_POLL_SECONDS = 0.2
_AGAIN_SECONDS = 1.0
_SENTENCE = 300


@dataclass
class Recurring:
    """do: says whether it could be done; when not, it is tried again soon instead of a whole period later."""

    name: str
    every_seconds: float
    do: Callable[[], bool]
    due: float = 0.0


def follow(entries: Sequence[Recurring], is_over: Callable[[], bool]) -> list[str]:
    """Do what is due until it is over; a sentence per thing that raised, which does not stop the others."""
    mishaps: list[str] = []
    began = time.monotonic()
    for entry in entries:
        entry.due = began + entry.every_seconds
    while not is_over():
        for entry in entries:
            if time.monotonic() >= entry.due:
                entry.due = time.monotonic() + (entry.every_seconds if _done(entry, mishaps) else _AGAIN_SECONDS)
        time.sleep(_POLL_SECONDS)
    return mishaps


def _done(entry: Recurring, mishaps: list[str]) -> bool:
    try:
        return entry.do()
    except Exception as error:  # noqa: BLE001 (an hour must not be lost because one of its things went wrong)
        mishaps.append(f"{entry.name}: {type(error).__name__}: {error}"[:_SENTENCE])
        return True
