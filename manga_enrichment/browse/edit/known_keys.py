"""Public keys of the door, each fetched once an hour at most.

Belongs here: which ids may be asked for, how often, how long a key is believed. Stays out: the network
(`aws/outbound/door_keys.py`), what a key verifies (`door.py`).
"""

import re
import threading
from collections import deque
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from manga_enrichment.browse.edit.identity import CannotTellError, NobodyError
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import StoreUnavailableError

KEPT_SECONDS = 3600.0
MAX_KEPT = 16
FETCHES_PER_MINUTE = 10
"""Tokens of strangers can name any key; they do not make us ask for them without end."""
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

Fetch = Callable[[str], str | None]
"""Id of a key -> the key as PEM, None when there is none. Raises StoreUnavailableError."""


class KnownKeys:
    """For many threads."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._kept: dict[str, tuple[float, EllipticCurvePublicKey]] = {}
        self._fetched: deque[float] = deque(maxlen=FETCHES_PER_MINUTE)
        self._guard = threading.Lock()

    def key(self, key_id: object) -> EllipticCurvePublicKey:
        """Raises NobodyError for one that the door does not have, CannotTellError while nobody can say."""
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise NobodyError("the token names no key that the door could have")
        with self._guard:
            now = self._clock.monotonic_seconds()
            kept = self._kept.get(key_id)
            if kept is not None and now - kept[0] < KEPT_SECONDS:
                return kept[1]
            if len(self._fetched) == FETCHES_PER_MINUTE and now - self._fetched[0] < 60:
                raise CannotTellError("too many unknown keys were named within a minute; try again in a minute")
            self._fetched.append(now)
        return self._fetched_key(key_id, now)

    def _fetched_key(self, key_id: str, now: float) -> EllipticCurvePublicKey:
        try:
            text = self._fetch(key_id)
        except StoreUnavailableError as error:
            raise CannotTellError(f"the door's key could not be fetched: {error}") from error
        if text is None:
            raise NobodyError("the door has no key of the id that the token names")
        key = _parsed(text)
        with self._guard:
            while len(self._kept) >= MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key_id] = (now, key)
        return key


def _parsed(text: str) -> EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(text.encode())
    except ValueError:  # a page of a proxy, say; it is not kept
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise CannotTellError("what was fetched as the door's key is none (MANGA_DOOR_KEYS_URL)")
    return key
