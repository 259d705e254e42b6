"""Which claimed requests share a run: a run costs seconds of CPU, so small requests are worked at together.

Belongs here: how many fit, which must be alone. Stays out: what a unit is (`work_units.py`), claiming (`intake.py`).
"""

from dataclasses import dataclass

from manga_enrichment.domain.requests.queues import LOW_PRIORITY
from manga_enrichment.pipeline.partner.work_units import UnitRequest, WorkUnit

UNHURRIED = 4
"""So many times as much is in a run of the low-priority queue: a start costs as much as hundreds of small requests."""


@dataclass(frozen=True, slots=True)
class UnitLimits:
    """What one run takes at most."""

    max_messages: int = 500
    max_titles: int = 1_000

    def of(self, queue: str) -> "UnitLimits":
        """Requests of a run are answered together, so those that somebody waits for share smaller runs."""
        factor = UNHURRIED if queue == LOW_PRIORITY.name else 1
        return UnitLimits(factor * self.max_messages, factor * self.max_titles)


class Packing:
    """Fills at most `units` units, in order. A request that was delivered for the last time gets one of its own:
    should it be what kills its run, the others do not go to the dead letters with it."""

    LARGEST_REQUEST_TITLES = 100

    def __init__(self, queue: str, units: int, limits: UnitLimits) -> None:
        self._queue = queue
        self._most_units = units
        self._limits = limits.of(queue)
        self._alone: list[UnitRequest] = []
        self._shared: list[list[UnitRequest]] = []

    def room(self) -> int:
        """How many more messages fit, whatever is in them."""
        unopened = self._most_units - len(self._shared) - len(self._alone)
        per_unit = self._fitting(0, 0)
        last = self._shared[-1] if self._shared else []
        rest = self._fitting(len(last), sum(each.titles for each in last)) if last else 0
        return max(0, unopened * per_unit + rest)

    def add(self, request: UnitRequest) -> None:
        if request.is_last_delivery:
            self._alone.append(request)
            return
        last = self._shared[-1] if self._shared else None
        titles = sum(each.titles for each in last) if last else 0
        limits = self._limits
        if last is None or len(last) >= limits.max_messages or titles + request.titles > limits.max_titles:
            self._shared.append([request])
        else:
            last.append(request)

    def units(self) -> list[WorkUnit]:
        groups = [*self._shared, *([request] for request in self._alone)]
        return [WorkUnit(self._queue, tuple(group)) for group in groups]

    def _fitting(self, messages: int, titles: int) -> int:
        by_titles = (self._limits.max_titles - titles) // self.LARGEST_REQUEST_TITLES
        return max(0 if messages else 1, min(self._limits.max_messages - messages, by_titles))
