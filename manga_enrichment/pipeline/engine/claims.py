"""Claims: which titles this engine may ask about, so that two runs never pay for the same answer at once.

A claim is short and renewed while its call is open; a killed run's claims run out by themselves. Each says what its
call may cost: whoever takes over the claim of a run that vanished books that, since the call may have been made.

Claims are compared with this machine's clock, so of two machines that differ by less than `clock_skew` none takes over
what the other still works at.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta

from manga_enrichment.domain.outcomes.answers import Asked, ClaimResult
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.ledger import NOTHING_SAID, ResultLedger
from manga_enrichment.pipeline.engine.calls import EngineSettings
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry, in_thread


class Claims:
    """The claims of one engine; `owner` must be unique among live engines."""

    def __init__(
        self,
        ledger: ResultLedger,
        owner: str,
        clock: Clock,
        outage_retry: OutageRetry,
        settings: EngineSettings,
    ) -> None:
        self._ledger = ledger
        self.owner = owner
        self._clock = clock
        self._claim_seconds = settings.claim_seconds
        self._clock_skew = settings.clock_skew
        self._outage_retry = outage_retry
        self._held: dict[str, int] = {}  # by fingerprint, micro-dollars at stake
        self._asked: dict[str, Asked] = {}
        self._changing = asyncio.Lock()  # a renewal must not bring back what is being released

    async def take(self, at_stake: Mapping[str, int], asked: Mapping[str, Asked] = NOTHING_SAID) -> ClaimResult:
        """at_stake: by fingerprint, what its call may cost; asked: what it is. Raises StoreUnavailableError at the
        deadline."""
        self._asked.update(asked)
        result = await self._outage_retry.call(self._claim, at_stake)
        for each in at_stake.keys() - result.granted:
            self._asked.pop(each, None)
        self._held.update({each: at_stake[each] + result.lost.get(each, 0) for each in result.granted})
        return result

    @property
    def held(self) -> tuple[str, ...]:
        return tuple(self._held)

    async def raise_stake(self, fingerprint: str, more_micro_usd: int) -> None:
        """Another request is to be sent for a call that has been billed before. Raises StoreUnavailableError."""
        async with self._changing:
            if fingerprint in self._held:
                self._held[fingerprint] += more_micro_usd
                await self._outage_retry.call(self._claim, {fingerprint: self._held[fingerprint]})

    def settled(self, fingerprint: str) -> None:
        """An entry replaced the claim."""
        self._let_go(fingerprint)

    async def release(self, fingerprints: Iterable[str]) -> None:
        """Give up claims whose titles got no entry, so that the next run need not wait for them.

        Raises StoreUnavailableError; they are held on then, and given up with the others when the run ends.
        """
        async with self._changing:
            given_up = [each for each in fingerprints if each in self._held]
            if given_up:
                await in_thread(self._ledger.release_many, given_up, self.owner)
                for each in given_up:
                    self._let_go(each)

    async def release_all(self) -> None:
        await self.release(list(self._held))

    async def keep(self) -> None:
        """Renew held claims until cancelled. A failed renewal is tried again at the next turn."""
        while True:
            await self._clock.sleep(self._claim_seconds / 3)
            async with self._changing:
                if self._held:
                    try:
                        await in_thread(self._claim, dict(self._held))
                    except StoreUnavailableError:
                        continue

    def _let_go(self, fingerprint: str) -> None:
        self._held.pop(fingerprint, None)
        self._asked.pop(fingerprint, None)

    def _claim(self, at_stake: Mapping[str, int]) -> ClaimResult:
        now = self._clock.now()
        until = now + timedelta(seconds=self._claim_seconds)
        asked = {each: self._asked[each] for each in at_stake if each in self._asked}
        return self._ledger.claim_many(at_stake, self.owner, now - self._clock_skew, until, asked)
