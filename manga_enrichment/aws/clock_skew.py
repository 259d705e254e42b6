"""How far this machine's clock is from AWS's, as every answer's Date header tells.

Claims and leases are moments that processes on several machines compare with their own clocks. Where each is off by
less than half of what two may differ by (MANGA_CLOCK_SKEW_SECONDS), all is well; beyond that nothing may be claimed.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW

_HEADER_ROUNDING = timedelta(seconds=1)


def machine_time() -> datetime:
    return datetime.now(UTC)


class ClockSkew:
    """Noted at each answer, asked for before anything is claimed or reserved."""

    def __init__(self, now: Callable[[], datetime] = machine_time) -> None:
        self._now = now
        self._ahead = timedelta(0)

    def note(self, response_dict: Mapping[str, Any] | None = None, **_event: Any) -> None:
        """A handler of botocore's event `response-received`; an answer without a readable date says nothing."""
        date = response_dict["headers"].get("date") if response_dict else None
        try:
            told = parsedate_to_datetime(date) if date else None
        except ValueError:
            return
        if told is None:
            return
        ahead = self._now() - told.astimezone(UTC)
        self._ahead = max(timedelta(0), ahead - _HEADER_ROUNDING) if ahead > timedelta(0) else ahead

    def check(self, most: timedelta = MOST_CLOCK_SKEW) -> None:
        """Raises ConfigurationError when this clock is off by more than half of what two machines may differ by."""
        if abs(self._ahead) <= most / 2:
            return
        seconds = round(abs(self._ahead).total_seconds())
        direction = "ahead of" if self._ahead > timedelta(0) else "behind"
        raise ConfigurationError(
            f"The clock of this machine is {seconds} s {direction} AWS's, and at most "
            f"{most.total_seconds() / 2:g} s are allowed, since runs would take over each other's claims: "
            "synchronise it (NTP) and start the run again, or raise MANGA_CLOCK_SKEW_SECONDS on all machines"
        )
