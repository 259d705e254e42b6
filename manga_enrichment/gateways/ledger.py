"""The ledger: every answer ever paid for, and the claims on those that are being asked for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from manga_enrichment.domain.outcomes.answers import AbandonedClaim, Asked, ClaimResult, LedgerEntry

NOTHING_SAID: Mapping[str, Asked] = {}


class EntryReader(Protocol):
    """What a `ResultLedger` is to whoever only reads."""

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        """Entries that exist; claims are not entries."""
        ...


class ResultLedger(EntryReader, Protocol):
    """Every answer ever paid for, by fingerprint. All methods raise StoreUnavailableError."""

    def claim_many(
        self,
        at_stake: Mapping[str, int],
        owner: str,
        now: datetime,
        until: datetime,
        asked: Mapping[str, Asked] = NOTHING_SAID,
    ) -> ClaimResult:
        """Take the right to ask. A claim of the same owner is renewed; one past its time at `now` is taken over.

        at_stake: by fingerprint, micro-dollars that may be on the bill should this owner vanish without a word; it is
        kept with the claim. Whoever takes the claim over is told of it (`ClaimResult.lost`) and is to book it, and the
        new claim stands for it as well, should its owner vanish, too.

        asked: by fingerprint, what each claim is for; one that is taken over keeps what it has where this is silent.
        """
        ...

    def put_many(self, entries: Sequence[LedgerEntry], spender: str | None) -> dict[str, LedgerEntry]:
        """Put if absent and book the cost on `spender` in the same transaction; None: it is booked elsewhere.

        Returns what now stands for each fingerprint: the given entry, or the one that was there first.
        """
        ...

    def left_behind(self, run_ids: Collection[str], now: datetime) -> Iterator[LedgerEntry | AbandonedClaim]:
        """What those runs paid for, and every claim past its time at `now` with something at stake, whoever took it.

        Reads the whole ledger: for when a run was killed. Claims that do not say what they are for are left out.
        """
        ...

    def release_many(self, fingerprints: Sequence[str], owner: str) -> None:
        """Give up own claims so that another run need not wait for them to run out."""
        ...
