"""What becomes of received messages, and what an intake reports of them.

Belongs here: the outcomes and the report. Stays out: how they come about (`intake.py`).
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from manga_enrichment.pipeline.partner.work_units import WorkUnit


class IntakeOutcome(StrEnum):
    """What became of a received message.

    claimed: to be worked on; rejected: a dead letter now; live: another delivery is worked on; final: acked; left: the
    queue failed, it comes again; returned: a store is away, it was given back; resumed: a deferred request of a FIFO
    queue whose time has come, not received anew
    """

    CLAIMED = "claimed"
    REJECTED = "rejected"
    LIVE = "live"
    FINAL = "final"
    LEFT = "left"
    RETURNED = "returned"
    RESUMED = "resumed"


@dataclass(slots=True)
class IntakeReport:
    """One queue in one tick. units: what to launch runs for. away: why nothing was received, if a store is away."""

    outcomes: Counter[IntakeOutcome] = field(default_factory=Counter)
    units: list[WorkUnit] = field(default_factory=list)
    away: str = ""

    @property
    def received(self) -> int:
        return self.outcomes.total()
