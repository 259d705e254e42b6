"""Which event loop the engine runs on.

Belongs here: that one choice. uvloop takes a tenth to a third less CPU per call than asyncio's own loop and keeps up
with bursts better (`docs/benchmarks.md`); where it does not exist (Windows), asyncio's own does the same work.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

try:
    from uvloop import new_event_loop
except ImportError:
    from asyncio import new_event_loop  # type: ignore[assignment]

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """`asyncio.run` on that loop. From a thread without a running loop, as Dagster's steps are."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
