"""A model's prompt cache, as a run knows it: the first call of a prefix pays for writing it, others read it.

Belongs here: which prefixes the cache holds, what a call takes until it does, who goes first. Stays out: marking the
prefix (`aws/bedrock/converse.py`), how much is asked at once (`pipeline/engine/engine.py`).

Calls that leave together before an answer has come all pay for writing. So where nobody waits for single answers the
first goes alone. When it fails the next one does, and after a while all go: one that hangs holds up nobody for long.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.pipeline.engine.calls import Call
from manga_enrichment.pipeline.engine.money.estimates import CallEstimate

ALONE_SECONDS = 10.0
"""From when the first call of a prefix leaves until all may, whatever has become of it."""
_LOOK_SECONDS = 0.02

_Prefix = tuple[str, str, str]


@dataclass(slots=True)
class _Opening:
    """Of one prefix. until: monotonic second; is_out: a call has gone ahead."""

    until: float
    is_out: bool = False
    queue: asyncio.Lock = field(default_factory=asyncio.Lock)


class PromptCache:
    """Of one engine, within its event loop. is_patient: nobody waits for single answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.is_patient = False
        self._held: set[_Prefix] = set()
        self._openings: dict[_Prefix, _Opening] = {}

    def answered(self, call: Call) -> None:
        self._held.add(_prefix(call))

    def estimate(self, call: Call) -> CallEstimate:
        """Until an answer came the cache may not hold the prefix, and any call may pay for writing it."""
        return call.estimate if _prefix(call) in self._held else call.estimate.writing_prefix()

    def is_open(self, call: Call) -> bool:
        """Whether it need not ask for its turn."""
        return not (self.is_patient and call.estimate.prefix_cached) or _prefix(call) in self._held

    @asynccontextmanager
    async def turn(self, call: Call, is_wanted: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait until this call may leave; within the block it is the one that goes ahead, if it is one.

        is_wanted: looked at while waiting; once it is not, the wait is over.
        """
        until = self._clock.monotonic_seconds() + ALONE_SECONDS
        opening = self._openings.setdefault(_prefix(call), _Opening(until))
        goes_ahead = False
        async with opening.queue:
            while self._is_closed(call, opening) and is_wanted():
                if not opening.is_out:
                    goes_ahead = opening.is_out = True
                    break
                await self._clock.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            if goes_ahead:
                opening.is_out = False

    def _is_closed(self, call: Call, opening: _Opening) -> bool:
        return not self.is_open(call) and self._clock.monotonic_seconds() < opening.until


def _prefix(call: Call) -> _Prefix:
    """What stands for the text that is the same for every title."""
    return call.model.model_id, call.analysis.name, call.analysis.version
