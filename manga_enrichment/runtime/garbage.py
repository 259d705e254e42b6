"""What a process does about memory that is used no more: settings of the whole process.

Belongs here: how often cycles are looked for, and where; which heaps there are. Stays out: running the loop
(`clock.py`), servers (`long_lived.py`).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

FEW_HEAPS = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Environment of servers, and so of runs; `deploy/Dockerfile` sets the same.

glibc lets threads fill eight heaps per CPU before they share any, and gives none back: each of a server's many threads
would fill one in its time. Arrow brings an allocator of its own, where what several threads have freed stays: 210 MB
in a run that held tables of 20. On glibc's heaps it is used again.
"""

RARE_COLLECTION_OBJECTS = 10_000
"""Python 3.11 looks for cycles after 700 new objects, a fifth of the CPU of an engine that makes thousands a title."""

ASKING_COLLECTION_OBJECTS = 50_000
"""While an engine asks. 256 calls in flight are more than 10,000 objects, which come and go in groups: each group would
set off a look, a tenth of the CPU, that finds three small objects a title."""


@contextmanager
def rare_collections(objects: int = RARE_COLLECTION_OBJECTS) -> Iterator[None]:
    """Look for garbage cycles only after so many new objects meanwhile; a process-wide setting."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], objects), *before[1:])
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
    gc.freeze()
    gc.collect()  # what stays is counted by a look at everything, and is little now
