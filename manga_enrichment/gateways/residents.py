"""Who serves the slots of a lane: heartbeat rows of resident runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Resident:
    """The row of one slot.

    epoch     fencing token: it only grows, and whoever has a larger one has the slot
    beat      grows with every write; a reader tells by its own clock when it stopped
    beat_at   when it was written, by the writer's clock
    ends_at   when the run stops receiving by itself
    is_busy   its last receive was full, or it had no room to receive
    has_left  it receives no more
    """

    lane: str
    slot: int
    epoch: int
    run_id: str
    beat: int
    beat_at: datetime
    ends_at: datetime
    is_busy: bool = False
    has_left: bool = False


class ResidentTable(Protocol):
    """Rows of slots. Raises StoreUnavailableError while the table is away."""

    def put(self, resident: Resident) -> bool:
        """Take the slot, or renew it; False when a run with a later epoch, or another one with the same, has it."""
        ...

    def residents(self, lane: str, slots: int) -> Sequence[Resident]:
        """The rows of the first `slots` slots that exist, read consistently."""
        ...
