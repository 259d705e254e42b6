"""The table of senders: who asks one model just now, and what was learned of its quota."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sender:
    """One run's item. Its numbers are shares of a told quota, or calls/s where none was told.

    name             the run; no two runs have the same
    lane, weight     of all runs of the lane together
    total            what it thinks that all senders together may ask
    demand           what it could use itself
    quiet_seconds    since its last refusal
    is_guess         its total says nothing of the quota: it is being searched for, or everything is refused just now
    at               when it was written, by the writer's clock; a reader tells by its own when it last changed
    """

    name: str
    lane: str
    weight: float
    total: float
    demand: float
    quiet_seconds: float
    is_guess: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Learned:
    """What an untold quota let in: calls/s of all senders together, and when that was so.

    is_limit: more was refused; otherwise nobody has asked for more.
    """

    rate: float
    at: datetime
    is_limit: bool = True


class SenderTable(Protocol):
    """Items by quota, which is a model's id. Every method raises StoreUnavailableError while the table is away."""

    def write(self, quota: str, sender: Sender) -> None:
        """Put the sender's item in the place of its last one."""
        ...

    def read(self, quota: str) -> tuple[list[Sender], Learned | None]:
        """All items of a quota as they are now, also old ones."""
        ...

    def learn(self, quota: str, learned: Learned) -> None:
        """Keep it in the place of what was learned before."""
        ...

    def clear(self, quota: str, sender: Sender) -> None:
        """Take an item away, unless it was written again since it was read."""
        ...
