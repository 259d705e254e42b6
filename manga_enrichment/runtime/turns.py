"""How often threads of this process take turns: a setting of the whole process.

Belongs here: shorter turns beside an event loop. Stays out: the loop (`clock.py`), what the threads do.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

SHORT_TURN_SECONDS = 0.0005
"""With Python's own 5 ms a loop that is woken waits so long for a thread that computes, at each step of each call."""


@contextmanager
def short_turns() -> Iterator[None]:
    """Meanwhile a thread that waits for its turn gets it sooner."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SHORT_TURN_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
