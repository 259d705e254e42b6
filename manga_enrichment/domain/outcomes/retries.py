"""How often one call may be tried again, by error class. Pure: counts and seconds in, decision out.

Belongs here: the reading of the table in `error_classes.py`. Stays out: sleeping and sending
(`pipeline/engine/call_loop.py`).
"""

from collections import Counter
from dataclasses import dataclass, field

from manga_enrichment.domain.outcomes.error_classes import TREATMENTS, ErrorClass, Retry

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 20.0
REFRESH_SECONDS = 60.0
"""Credentials of a role are renewed well within that; those that are not need a person."""


@dataclass(slots=True)
class RetryState:
    """What one call has used up so far. refused_since: monotonic second from which its credentials were refused."""

    used: Counter[Retry] = field(default_factory=Counter)
    refused_since: float | None = None

    def may_retry(self, error_class: ErrorClass, *, room_for_larger_limit: bool, now_seconds: float) -> bool:
        """Count this failure and say whether another attempt is allowed (deadlines are the caller's).

        room_for_larger_limit: the model allows more output tokens than the attempt had. now_seconds: monotonic.
        """
        retry = TREATMENTS[error_class].retry
        self.used[retry] += 1
        if retry is Retry.REFRESH_FOR_A_WHILE:
            self.refused_since = now_seconds if self.refused_since is None else self.refused_since
            return now_seconds - self.refused_since < REFRESH_SECONDS
        self._credentials_were_taken()
        if retry is Retry.UNTIL_DEADLINE:
            return True
        if retry is Retry.NEVER or (retry is Retry.LARGER_LIMIT_ONCE and not room_for_larger_limit):
            return False
        return self.used[retry] == 1

    def pause_seconds(self, error_class: ErrorClass, jitter: float) -> float:
        """Pause before the next attempt: exponential with full jitter; jitter is uniform in [0, 1)."""
        retry = TREATMENTS[error_class].retry
        is_first_refresh = retry is Retry.REFRESH_FOR_A_WHILE and self.used[retry] == 1
        if is_first_refresh or retry in {Retry.REPAIR_ONCE, Retry.LARGER_LIMIT_ONCE}:
            return 0.0
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self.used[retry], 10))
        return longest * (0.5 + jitter / 2)

    def _credentials_were_taken(self) -> None:
        """The next time that they are refused is another one."""
        self.refused_since = None
        self.used[Retry.REFRESH_FOR_A_WHILE] = 0
