"""Room: how much a resident run holds open at once, in calls and bytes.

Belongs here: counting. Stays out: receiving (`receiving.py`), whose turn it is at the model
(`fair_turns.py`).

Requests do not count as such: one that waits for a throttled model must not keep out another that needs no call.
"""

from dataclasses import dataclass

MOST_MESSAGES = 10
"""What SQS gives at once."""


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """calls: open ones, of all requests; bytes: of their messages. Passed by one receive at most."""

    calls: int = 1_000
    bytes: int = 64 * 1024 * 1024


class Room:
    """Of one event loop."""

    def __init__(self, limits: RoomLimits) -> None:
        self._limits = limits
        self._open: dict[str, tuple[int, int]] = {}
        self._calls = 0
        self._bytes = 0

    def take(self, name: str, calls: int, size_bytes: int) -> None:
        """A message that was received; `calls` as far as is known."""
        self.leave(name)
        self._open[name] = (calls, size_bytes)
        self._calls += calls
        self._bytes += size_bytes

    def change(self, name: str, calls: int) -> None:
        """More is known, or has been answered."""
        if name in self._open:
            self.take(name, calls, self._open[name][1])

    def leave(self, name: str) -> None:
        calls, size_bytes = self._open.pop(name, (0, 0))
        self._calls -= calls
        self._bytes -= size_bytes

    def messages(self) -> int:
        """How many may be received now."""
        if self._bytes >= self._limits.bytes:
            return 0
        return max(0, min(MOST_MESSAGES, self._limits.calls - self._calls))
