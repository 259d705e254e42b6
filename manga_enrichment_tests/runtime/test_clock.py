"""The real clock, and the event loop it waits on."""

import asyncio
import gc
import threading

import pytest

from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.runtime.garbage import ASKING_COLLECTION_OBJECTS


async def _loop_and_thread() -> tuple[str, int]:
    return type(asyncio.get_running_loop()).__module__, threading.get_ident()


def test_runs_on_uvloop_where_it_is_installed_in_the_thread_of_the_caller() -> None:
    pytest.importorskip("uvloop")
    assert SystemClock().run(_loop_and_thread()) == ("uvloop", threading.get_ident())


def test_what_the_coroutine_raises_comes_through() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        SystemClock().run(fail())


def test_garbage_is_looked_for_less_often_while_it_runs_and_as_before_after_that() -> None:
    async def threshold() -> int:
        return gc.get_threshold()[0]

    before = gc.get_threshold()
    assert SystemClock().run(threshold()) == ASKING_COLLECTION_OBJECTS > before[0]
    assert gc.get_threshold() == before
