"""The time of a machine whose clock is set again and again, for all processes that read one file.

Belongs here: the steps. Stays out: when they come (`day.py`). Unlike the clock that it is made of it leaves the
monotonic time alone, as a real step does. Processes with an odd id are as far behind as the others are ahead, so that
two of them differ as two machines may.
"""

import os
import time
from datetime import UTC, datetime, timedelta

from manga_enrichment_tests.end_to_end.file_clock import FileClock

CLOCK_FILE = "SOAK_CLOCK_FILE"
MOST_SECONDS = 12.0
"""Within half of what MANGA_CLOCK_SKEW_SECONDS allows by default."""


class SteppedClock(FileClock):
    """file: seconds that even processes are ahead and odd ones behind; there is none at first."""

    def step_to(self, seconds: float) -> None:
        """Raises ValueError for more than the product allows."""
        if abs(seconds) > MOST_SECONDS:
            raise ValueError(f"a step to {seconds} s is more than {MOST_SECONDS} s")
        self.advance(seconds - self._ahead_seconds())

    def now(self) -> datetime:
        sign = -1 if os.getpid() % 2 else 1
        return datetime.now(UTC) + timedelta(seconds=sign * self._ahead_seconds())

    def monotonic_seconds(self) -> float:
        return time.monotonic()
