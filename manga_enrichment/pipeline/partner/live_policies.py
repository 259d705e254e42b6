"""Policies as they count now: the document, and what rows change of it.

Belongs here: when a row is read again. Stays out: the document (`domain/requests/policies.py`), rows
(`gateways/requests.py`).
"""

import logging
import threading

from manga_enrichment.domain.requests.policies import PartnerPolicies, PartnerPolicy, PolicyError, checked_changes
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.requests import RequestStore

FRESH_SECONDS = 30.0

_log = logging.getLogger(__name__)


class LivePolicies:
    """Of one process; safe to share between threads."""

    def __init__(self, document: PartnerPolicies, requests: RequestStore, clock: Clock) -> None:
        self._document = document
        self._requests = requests
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, PartnerPolicy]] = {}

    def of(self, partner_id: str) -> PartnerPolicy:
        """Up to FRESH_SECONDS old. Raises StoreUnavailableError."""
        now = self._clock.monotonic_seconds()
        with self._lock:
            known = self._known.get(partner_id)
        if known is not None and now - known[0] < FRESH_SECONDS:
            return known[1]
        policy = self._read(partner_id)
        with self._lock:
            self._known[partner_id] = now, policy
        return policy

    def _read(self, partner_id: str) -> PartnerPolicy:
        """A row that says nothing sound changes nothing: a partner is not held up by it."""
        policy = self._document.of(partner_id)
        try:
            return policy.changed(checked_changes(self._requests.policy_changes(partner_id), None))
        except PolicyError as error:
            _log.warning("what is changed of the policy of %s cannot be used: %s", partner_id, error)
            return policy
