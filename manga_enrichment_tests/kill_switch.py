"""Kill a process at a chosen call of a gateway, or take a store away from it.

Belongs here: wrappers of gateways that fail when told. Stays out: what is done with them (`partner_world.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from manga_enrichment.gateways.errors import StoreUnavailableError


class Killed(BaseException):
    """This process is gone; nothing it would have done next happens."""


@dataclass
class KillSwitch:
    """Kills at the n-th call of a gateway from now, before or after it took effect. A dead process stays dead."""

    calls_left: int | None = None
    after_effect: bool = False
    dead: bool = False

    def arm(self, calls: int, *, after_effect: bool) -> None:
        self.calls_left, self.after_effect = calls, after_effect

    def revive(self) -> None:
        self.calls_left, self.dead = None, False


class Mortal:
    """A gateway whose calls may be the last thing its process does."""

    def __init__(self, target: Any, switch: KillSwitch) -> None:
        self._target = target
        self._switch = switch

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        return self._guarded(method) if callable(method) else method

    def _guarded(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            switch = self._switch
            if switch.dead:
                raise Killed
            last = switch.calls_left == 0
            if switch.calls_left is not None:
                switch.calls_left -= 1
            switch.dead = last
            if last and not switch.after_effect:
                raise Killed
            result = method(*args, **kwargs)
            if last:
                raise Killed
            return result

        return call


@dataclass
class Outage:
    """A store that goes away at its n-th call from now, and comes back when it is told to. error: what it says."""

    calls_left: int | None = None
    error: Exception = field(default_factory=lambda: StoreUnavailableError("the store is away"))
    refused: int = 0

    def begin(self, after_calls: int = 0) -> None:
        self.calls_left = after_calls

    def end(self) -> None:
        self.calls_left = None

    @property
    def is_on(self) -> bool:
        return self.calls_left is not None and self.calls_left <= 0

    def take_call(self) -> None:
        """Raises its error while it is away."""
        if self.is_on:
            self.refused += 1
            raise self.error
        if self.calls_left is not None:
            self.calls_left -= 1


class Behind:
    """A gateway behind an outage; what is no call passes."""

    def __init__(self, target: Any, outage: Outage) -> None:
        self._target = target
        self._outage = outage

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        if not callable(method) or name == "uri":
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            self._outage.take_call()
            return method(*args, **kwargs)

        return call
