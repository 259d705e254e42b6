"""How long requests of a queue take of late, from accepted to completed: what a partner is told to expect.

Belongs here: how the figure follows what was measured. Stays out: storing it (`aws/dynamodb/requests.py`), who reads it
(`api/workflow/machine.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

FORGOTTEN_AFTER = timedelta(hours=1)
NOTED_EVERY = timedelta(seconds=10)
"""By one process: an estimate is not worth a write per request."""

_KEPT_PER_REQUEST = 0.9


@dataclass(frozen=True, slots=True)
class Pace:
    seconds: float
    measured_at: datetime


def moved(present: Pace | None, seconds: Sequence[float], now: datetime) -> Pace:
    """seconds: of the requests completed since `present`, at least one. A pace of another hour counts no more."""
    typical = median(seconds)
    if present is None or now - present.measured_at > FORGOTTEN_AFTER:
        return Pace(typical, now)
    kept = _KEPT_PER_REQUEST ** len(seconds)
    return Pace(kept * present.seconds + (1 - kept) * typical, now)
