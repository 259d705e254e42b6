"""Ends of tasks, and raising one of several failures without losing the others."""

import asyncio
from collections.abc import Sequence
from typing import Any


def raise_first(failures: Sequence[BaseException]) -> None:
    """Raise the first, with its own cause and the others as its cause; nothing where there are none."""
    if not failures:
        return
    first, *others = failures
    causes = [*([first.__cause__] if isinstance(first.__cause__, Exception) else []), *others]
    if others:
        raise first from BaseExceptionGroup("and besides", causes)
    raise first


async def cancelled(tasks: Sequence[asyncio.Task[Any]], failures: list[BaseException]) -> None:
    """Cancel, wait, and keep what those raised that had ended before."""
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    failures.extend(
        each for each in ended if isinstance(each, BaseException) and not isinstance(each, asyncio.CancelledError)
    )
