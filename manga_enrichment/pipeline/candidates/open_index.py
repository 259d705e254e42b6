"""The newest shared index, kept open for questions in words.

Belongs here: opening it once, looking for a newer one now and then. Stays out: the shared index (`shared.py`),
questions (`asking.py`).
"""

import logging
import threading
from pathlib import Path

from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.asking import Asking
from manga_enrichment.pipeline.candidates.matrix import DamagedIndexError
from manga_enrichment.pipeline.candidates.shared import SharedIndex

LOOK_SECONDS = 60.0

_log = logging.getLogger(__name__)


class OpenIndex:
    """May be used from any thread. While one of them opens a newer index, the others ask the one before."""

    def __init__(self, tables: ObjectStore, clock: Clock, home: Path | None = None) -> None:
        """home: of this machine's copies, as `SharedIndex` has it."""
        self._shared = SharedIndex(tables, (), clock, holder="", full_after=0, say=_log.info, home=home)
        self._clock = clock
        self._opening = threading.Lock()
        self._asking: Asking | None = None
        self._look_at = 0.0

    def asking(self) -> Asking | None:
        """None before the first index, and for one that can not be used. Raises StoreUnavailableError."""
        if not self._opening.acquire(blocking=self._asking is None):
            return self._asking
        try:
            if self._clock.monotonic_seconds() >= self._look_at:
                self._look()
                self._look_at = self._clock.monotonic_seconds() + LOOK_SECONDS
            return self._asking
        finally:
            self._opening.release()

    def _look(self) -> None:
        known = None if self._asking is None else self._asking.lists
        try:
            found = self._shared.latest(known)
            if found is None:
                self._asking = None
            elif found is not known:
                self._asking = Asking(found)
        except (DamagedIndexError, OSError) as error:  # a full disk; questions have answers without the catalog, too
            _log.warning("the candidate index cannot be opened, so conversations do without a newer one: %s", error)
