"""The real clock. Everything that reads or waits for time gets a `gateways.Clock`; this is the one for production."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """Clock of this machine."""

    def now(self) -> datetime:
        """The current moment in UTC."""
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        """Seconds since some fixed point; never goes back when the machine's time is corrected."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only lets others run."""
        await asyncio.sleep(seconds)
