"""Reads of the ledger that many requests share: while one is under way, those that come meanwhile gather for the next.

Belongs here: whose wishes go together, handing each its own. Stays out: the ledger (`gateways/ledger.py`), what is
wished for (`pipeline/partner/plan_run.py`).

One that comes alone waits for nobody. A wish is part of a read that begins after it, so nothing older is found than by
a read of its own.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.gateways.ledger import EntryReader

MOST_TOGETHER = 100
"""Fingerprints: what DynamoDB reads with one call. More than that are read alone, and hold up nobody."""


@dataclass(slots=True, eq=False)
class _Wish:
    fingerprints: Sequence[str]
    found: dict[str, LedgerEntry] = field(default_factory=dict)
    error: BaseException | None = None
    is_over: bool = False


class SharedReads:
    """An `EntryReader` for many threads."""

    def __init__(self, ledger: EntryReader) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._waiting: list[_Wish] = []

    @property
    def waiting(self) -> int:
        """How many are to be part of a read that has not begun."""
        with self._lock:
            return len(self._waiting)

    def get_many(self, fingerprints: Sequence[str]) -> dict[str, LedgerEntry]:
        if len(fingerprints) >= MOST_TOGETHER:
            return self._ledger.get_many(fingerprints)
        wish = _Wish(fingerprints)
        with self._lock:
            self._waiting.append(wish)
        with self._reading:
            if not wish.is_over:
                self._read(self._next_wishes(wish))
        if wish.error is not None:
            raise wish.error
        return wish.found

    def _next_wishes(self, own: _Wish) -> list[_Wish]:
        """This one, and of the others as many as one call reads, oldest first."""
        taken, room = [own], MOST_TOGETHER - len(own.fingerprints)
        with self._lock:
            self._waiting.remove(own)
            while self._waiting and (room := room - len(self._waiting[0].fingerprints)) >= 0:
                taken.append(self._waiting.pop(0))
        return taken

    def _read(self, wishes: Sequence[_Wish]) -> None:
        wanted = list(dict.fromkeys(each for wish in wishes for each in wish.fingerprints))
        try:
            entries = self._ledger.get_many(wanted)
        except BaseException as error:  # noqa: BLE001 (raised by each who waits for it)
            for wish in wishes:
                wish.error, wish.is_over = error, True
            return
        for wish in wishes:
            wish.found = {each: entries[each] for each in wish.fingerprints if each in entries}
            wish.is_over = True
