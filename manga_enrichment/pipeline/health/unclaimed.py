"""Unclaimed dead letters: requests that wait for a message, and the message is a dead letter that nobody claimed.

Belongs here: which dead letters are such, sending each again once, claiming what died a second time. Stays out: looking
at all dead letters and ending a claimed request (`dead_requests.py`), what a person sends back
(`pipeline/dead_letters/redrive.py`).

Three deliveries may be lost before a claim: in an outage, or in processes that were killed. The request is not to blame
for that, so its message goes back by itself, with receives that count from 0; should another copy still wait, claims
decide. What takes three more deliveries down with it is no accident, and ends as a dead request does.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from manga_enrichment.domain.requests.claims import AlreadyFinal, AlreadyLive, Claimed, RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES
from manga_enrichment.domain.requests.reading.envelope import Rejection, read_request
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.queue import Message, RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.dead_letters.queue import REASON, original_queue
from manga_enrichment.pipeline.dead_letters.redrive import REDRIVES, Redrive, RedriveFilter
from manga_enrichment.pipeline.health.lost_calls import LostCalls
from manga_enrichment.pipeline.partner.intake_rows import wanted_row

_WAIT_FOR_A_MESSAGE = frozenset({RequestState.ACCEPTED, RequestState.DEFERRED})


def is_unclaimed(row: RequestRow | None, message: Message) -> bool:
    """Whether SQS moved it here, and no delivery of it came as far as a claim."""
    return REASON not in message.attributes and (row is None or row.state in _WAIT_FOR_A_MESSAGE)


def was_sent_again(message: Message) -> bool:
    """Since it was a dead letter before."""
    return REDRIVES in message.attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class UnclaimedLetters:
    """Everything raises QueueUnavailableError and StoreUnavailableError, and is safe to repeat."""

    queues: RequestQueue
    requests: RequestStore
    clock: Clock
    lost_calls: LostCalls
    policy: RequestPolicy

    def send_again(self, request_ids: Collection[str]) -> int:
        """The messages of these requests, each to the queue that it came from. Returns how many went."""
        redrive = Redrive(queues=self.queues, requests=self.requests, clock=self.clock)
        chosen = RedriveFilter(request_ids=frozenset(request_ids))
        names = [queue.name for queue in DEAD_LETTER_QUEUES] if request_ids else []
        return sum(redrive.redrive(name, chosen, limit=len(request_ids)).redriven for name in names)

    def claim(self, message: Message) -> Claimed | AlreadyLive | AlreadyFinal | None:
        """As failed, for who ends it; None for an invalid message, which stays for a person to look at."""
        accepted = read_request(message.body, self.policy)
        if isinstance(accepted, Rejection):
            return None
        now, skew = self.clock.now(), self.lost_calls.clock_skew
        found = replace(message, queue=original_queue(message) or message.queue)
        wanted = wanted_row(found, accepted, self.lost_calls.new_owner(), now, now, skew)
        return self.requests.claim(replace(wanted, state=RequestState.FAILED), now - skew)
