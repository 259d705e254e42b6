"""The garbage collector of this process: a setting of the whole process, for as long as an event loop runs.

Belongs here: how often cycles are looked for. Stays out: running the loop (`clock.py`).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARE_COLLECTION_OBJECTS = 10_000
"""Python 3.11 looks for cycles after 700 new objects, a fifth of the CPU of an engine that makes thousands a title."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for garbage cycles less often meanwhile; a process-wide setting."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], RARE_COLLECTION_OBJECTS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
