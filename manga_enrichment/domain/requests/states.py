"""States of a request and which may follow which.

Belongs here: the states, the allowed transitions, the state a request settles in. Stays out: writing them
(`aws/dynamodb/requests.py`, always on condition of owner and generation) and who decides when.

    accepted => queued -> processing -> completed | partially_completed | cancelled | failed | deferred
                    \\___________|______> rejected | failed | deferred

A *generation* is one attempt of ours at a request, from its claim to its end. Within a generation a request only moves
forward. A new generation starts at `queued`, or at `processing` where a run receives, from any state but an answered
one: after a crash, a delay or a redrive.
A wish to cancel is no state but a mark on the row: whoever works at the request, now or next, ends it as `cancelled`.
`accepted` is the front's word for a request whose message it sends: generation 0, which no worker has seen.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class RequestState(StrEnum):
    """accepted: no worker has it; queued: claimed for a run that is launched; processing: its run works; deferred:
    waits for another try; cancelled: its partner, or an operator, wanted no more answers than there are; received:
    claimed, in rows of earlier releases.
    """

    ACCEPTED = "accepted"
    RECEIVED = "received"
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIALLY_COMPLETED = "partially_completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REJECTED = "rejected"
    DEFERRED = "deferred"


_STOPS = frozenset({RequestState.FAILED, RequestState.REJECTED, RequestState.DEFERRED})
_ANSWERS = frozenset({RequestState.COMPLETED, RequestState.PARTIALLY_COMPLETED, RequestState.CANCELLED})

TRANSITIONS: Mapping[RequestState, frozenset[RequestState]] = MappingProxyType(
    {
        RequestState.ACCEPTED: frozenset(),  # a claim opens generation 1
        RequestState.RECEIVED: _STOPS | {RequestState.QUEUED, RequestState.PROCESSING},
        RequestState.QUEUED: _STOPS | {RequestState.PROCESSING},
        RequestState.PROCESSING: _STOPS | _ANSWERS,
        RequestState.COMPLETED: frozenset(),
        RequestState.PARTIALLY_COMPLETED: frozenset(),
        RequestState.CANCELLED: frozenset(),
        RequestState.FAILED: frozenset(),
        RequestState.REJECTED: frozenset(),
        RequestState.DEFERRED: frozenset(),
    }
)
"""Within one generation."""


class TransitionError(ValueError):
    """A state that may not follow the present one."""


def is_answered(state: RequestState) -> bool:
    """The partner has what there is, or wanted no more: another delivery of the message is only acknowledged."""
    return state in _ANSWERS


def is_final(state: RequestState) -> bool:
    """Nothing follows by itself. Accepted and deferred requests are not final: their messages come."""
    return not TRANSITIONS[state] and state not in (RequestState.ACCEPTED, RequestState.DEFERRED)


def may_follow(present: RequestState, following: RequestState) -> bool:
    """Whether a request may move on within its generation. Staying where it is counts as no move and is allowed."""
    return present is following or following in TRANSITIONS[present]


def states_before(following: RequestState) -> frozenset[RequestState]:
    """States that a request may be in to move to this one: the condition of a status write."""
    return frozenset(present for present in RequestState if may_follow(present, following))


def moved(present: RequestState, following: RequestState) -> RequestState:
    """The following state. Raises TransitionError if it may not follow."""
    if not may_follow(present, following):
        raise TransitionError(f"A request that is {present} cannot become {following} within the same generation.")
    return following


def settled_state(*, answered: int, failed: int, deferred: int, cancelled: int = 0) -> RequestState:
    """The state a request settles in, from what became of its items.

    answered counts insufficient input too: there is nothing more to learn about such a title. While items wait for
    another try, nothing is settled. A request of which all was answered before it could be cancelled is none that was.
    Raises ValueError when there are no items.
    """
    counts = (answered, failed, deferred, cancelled)
    if min(counts) < 0 or sum(counts) == 0:
        raise ValueError("a request settles by its items: give their counts")
    if deferred:
        return RequestState.DEFERRED
    if cancelled:
        return RequestState.CANCELLED
    if not failed:
        return RequestState.COMPLETED
    return RequestState.PARTIALLY_COMPLETED if answered else RequestState.FAILED
