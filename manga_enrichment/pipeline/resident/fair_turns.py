"""Whose call goes next to a model that many partners share: the partner's that had least of late.

Belongs here: the order in which calls come to the rate limiter, and how many are at the model at once. Stays out: how
fast (`pipeline/engine/rate/rate_limiter.py`).

One call at a time waits at the limiter, all others here. So a partner with four thousand calls delays one with forty by
the call that is at the limiter already. What a partner had is forgotten by half every few seconds: whoever comes back
after a pause is new again. A partner whose policy grants it a part of the places never has more, also when nobody else
asks.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.pipeline.engine.rate.rate_limiter import Permit, RateLimiter

HALF_LIFE_SECONDS = 10.0
_FORGOTTEN = 0.01


class FairTurns:
    """One model's, within one event loop. throttled: refusals so far."""

    def __init__(self, limiter: RateLimiter, places: int, clock: Clock) -> None:
        """places: calls at the model at once."""
        self.limiter = limiter
        self._places = places
        self._clock = clock
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._had: dict[str, tuple[float, float]] = {}  # turns of late, and the second they are counted for
        self._at_model: Counter[str] = Counter()
        self._most: dict[str, int] = {}
        self._is_gate_taken = False

    def of(self, partner_id: str, most: int | None = None) -> "PartnerTurns":
        """most: places that the partner may have at once; None: all."""
        self._most[partner_id] = most or self._places
        return PartnerTurns(self, partner_id)

    async def acquire(self, partner_id: str, tokens: int, until: float, is_wanted: Callable[[], bool]) -> Permit | None:
        await self._come_to_the_gate(partner_id)
        permit: Permit | None = None
        try:
            permit = await self.limiter.acquire(tokens, until, is_wanted)
        finally:
            self._is_gate_taken = False
            if permit is not None:
                self._at_model[partner_id] += 1
                self._count(partner_id)
            self._call_next()
        return permit

    def back(self, partner_id: str) -> None:
        """A call has come back from the model."""
        self._at_model[partner_id] -= 1
        self._call_next()

    async def _come_to_the_gate(self, partner_id: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(partner_id, deque()).append(turn)
        self._call_next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was called, and cannot come
                self._is_gate_taken = False
            self._call_next()
            raise

    def _call_next(self) -> None:
        while not self._is_gate_taken and self._at_model.total() < self._places:
            may_come = [each for each in self._waiting if self._at_model[each] < self._most[each]]
            if not may_come:
                break
            partner_id = min(may_come, key=self._had_of_late)
            turn = self._waiting[partner_id].popleft()
            if not self._waiting[partner_id]:
                del self._waiting[partner_id]
            if not turn.done():
                self._is_gate_taken = True
                turn.set_result(None)
        self.limiter.queued = self._ready()

    def _ready(self) -> int:
        """Calls that could come, were it not for the pace."""
        room = self._places - self._at_model.total() - self._is_gate_taken
        ready = 0
        for partner_id, turns in self._waiting.items():
            live = (turn for turn in turns if not turn.done())
            ready += sum(1 for _ in islice(live, max(0, self._most[partner_id] - self._at_model[partner_id])))
        return max(0, min(room, ready))

    def _had_of_late(self, partner_id: str) -> float:
        turns, at = self._had.get(partner_id, (0.0, 0.0))
        return turns * math.pow(0.5, (self._clock.monotonic_seconds() - at) / HALF_LIFE_SECONDS)

    def _count(self, partner_id: str) -> None:
        now = self._clock.monotonic_seconds()
        self._had = {name: had for name, had in self._had.items() if self._had_of_late(name) > _FORGOTTEN}
        self._had[partner_id] = (self._had_of_late(partner_id) + 1.0, now)


class PartnerTurns:
    """A rate limiter as one partner's engine sees it."""

    def __init__(self, turns: FairTurns, partner_id: str) -> None:
        self._turns = turns
        self._partner_id = partner_id

    async def acquire(self, tokens: int, until: float, is_wanted: Callable[[], bool] = lambda: True) -> Permit | None:
        return await self._turns.acquire(self._partner_id, tokens, until, is_wanted)

    def settle(self, permit: Permit, tokens_used: int) -> None:
        self._turns.limiter.settle(permit, tokens_used)
        self._turns.back(self._partner_id)

    def drop(self, permit: Permit) -> None:
        self._turns.limiter.drop(permit)
        self._turns.back(self._partner_id)

    def refuse(self, permit: Permit, retry_after_seconds: float = 0.0) -> None:
        self._turns.limiter.refuse(permit, retry_after_seconds)
        self._turns.back(self._partner_id)
