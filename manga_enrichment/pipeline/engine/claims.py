"""Claims: which titles this engine may ask about, so that two runs never pay for the same answer at once.

A claim is short and renewed while its call is open; a killed run's claims run out by themselves.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta

from manga_enrichment.domain.outcomes.answers import ClaimResult
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.pipeline.engine.outage_retry import OutageRetry, in_thread


class Claims:
    """The claims of one engine; `owner` must be unique among live engines."""

    def __init__(
        self, ledger: ResultLedger, owner: str, clock: Clock, claim_seconds: float, outage_retry: OutageRetry
    ) -> None:
        self._ledger = ledger
        self._owner = owner
        self._clock = clock
        self._claim_seconds = claim_seconds
        self._outage_retry = outage_retry
        self._held: set[str] = set()
        self._changing = asyncio.Lock()  # a renewal must not bring back what is being released

    async def take(self, fingerprints: Sequence[str]) -> ClaimResult:
        """Raises StoreUnavailableError at the deadline; nothing is held then."""
        result = await self._outage_retry.call(self._claim, fingerprints)
        self._held.update(result.granted)
        return result

    def settled(self, fingerprint: str) -> None:
        """An entry replaced the claim."""
        self._held.discard(fingerprint)

    async def release(self, fingerprints: Iterable[str]) -> None:
        """Give up claims whose titles got no entry, so that the next run need not wait for them.

        Raises StoreUnavailableError; the claims run out by themselves then.
        """
        async with self._changing:
            given_up = [fingerprint for fingerprint in fingerprints if fingerprint in self._held]
            self._held.difference_update(given_up)
            if given_up:
                await in_thread(self._ledger.release_many, given_up, self._owner)

    async def release_all(self) -> None:
        await self.release(list(self._held))

    async def keep(self) -> None:
        """Renew held claims until cancelled. A failed renewal is tried again at the next turn."""
        while True:
            await self._clock.sleep(self._claim_seconds / 3)
            async with self._changing:
                held = list(self._held)
                if held:
                    try:
                        await in_thread(self._claim, held)
                    except StoreUnavailableError:
                        continue

    def _claim(self, fingerprints: Sequence[str]) -> ClaimResult:
        now = self._clock.now()
        until = now + timedelta(seconds=self._claim_seconds)
        return self._ledger.claim_many(fingerprints, self._owner, now, until)
