"""Unclaimed dead letters: requests that wait for a message, and the message is a dead letter that nobody claimed.

Belongs here: which dead letters are such, claiming what died a second time. Stays out: looking at all dead letters,
sending them again and ending a claimed request (`dead_requests.py`).
"""

from dataclasses import dataclass, replace

from manga_enrichment.domain.requests.claims import AlreadyFinal, AlreadyLive, Claimed, RequestRow
from manga_enrichment.domain.requests.reading.envelope import Rejection, read_request
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.queue import Message
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.dead_letters.queue import REASON, original_queue
from manga_enrichment.pipeline.health.lost_calls import LostCalls
from manga_enrichment.pipeline.partner.intake_rows import wanted_row

_WAIT_FOR_A_MESSAGE = frozenset({RequestState.ACCEPTED, RequestState.DEFERRED})


def is_unclaimed(row: RequestRow | None, message: Message) -> bool:
    """Whether SQS moved it here, and no delivery of it came as far as a claim."""
    return REASON not in message.attributes and (row is None or row.state in _WAIT_FOR_A_MESSAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclaimedLetters:
    requests: RequestStore
    clock: Clock
    lost_calls: LostCalls
    policy: RequestPolicy

    def claim(self, message: Message) -> Claimed | AlreadyLive | AlreadyFinal | None:
        """As failed, for who ends it; None for an invalid message, which stays for a person to look at.

        Safe to repeat. Raises StoreUnavailableError.
        """
        accepted = read_request(message.body, self.policy)
        if isinstance(accepted, Rejection):
            return None
        now, skew = self.clock.now(), self.lost_calls.clock_skew
        found = replace(message, queue=original_queue(message) or message.queue)
        wanted = wanted_row(found, accepted, self.lost_calls.new_owner(), now, now, skew)
        return self.requests.claim(replace(wanted, state=RequestState.FAILED), now - skew)
