"""The garbage collector of this process: settings of the whole process.

Belongs here: how often cycles are looked for, and where. Stays out: running the loop (`clock.py`), servers
(`long_lived.py`).
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


@contextmanager
def loading() -> Iterator[None]:
    """For what a process loads once and keeps: no look for cycles meanwhile, nor ever through what came of it.

    Looking takes a third of the CPU of importing the definitions, and finds 3,000 objects among 250,000.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
    gc.collect()  # what stays is counted by a look at everything, and is little now


def set_aside() -> None:
    """Leave what there is now out of every later look for cycles; for a process that has loaded what it keeps.

    Python looks at everything once what is new is more than a quarter of what stays. A server of 300,000 objects would
    keep 75,000 pieces of garbage until then, all over its memory: they go, but no page of it comes free.
    """
    gc.collect()
    with loading():
        pass
