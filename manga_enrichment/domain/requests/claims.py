"""Who may work at a request: its status row, and what a claim on it comes to.

Belongs here: the row, the decision, when a redrive opens a request again. Stays out: which states may follow which
(`states.py`), the conditional write that makes the decision hold (`aws/dynamodb/requests.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.domain.requests.states import RequestState, is_answered, is_final

UNCLAIMED_KEY = "waits_in"
"""Attribute of rows that the front wrote and nobody has claimed: the queue. Claims write rows without it."""

MESSAGE_LOST = "message_lost"
"""Error class of a request whose message never came. A message that does come is worked on all the same."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """The status row of one request. owner and generation fence every write after the claim.

    lease_until: the owner is taken for alive until then. body_key: object with the validated request. Timestamps UTC.
    item_count: what the front wrote; 0 for a request that was put into its queue directly.
    problems: JSON of all that is wrong with a rejected one, each with its place.
    reopened: a person had a rejected or failed request redriven, so that the next claim may have it.
    accepted_at: when SQS or the API took it; claimed_at: of its first generation; completed_at: when it was answered.
    None where nobody noted it. model_seconds: in which calls of it were under way, in all its generations.
    resumes_on: UTC day from which a deferred one can go on, where that is known: its partner's cap ends.
    cancelled_ms: since 1970, when somebody wanted it cancelled; 0: nobody. reference: the partner's own name of it.
    """

    request_id: str
    partner_id: str
    schema: str
    state: RequestState
    generation: int
    owner: str
    queue: str
    message_id: str
    receipt_handle: str
    submitted_at: datetime
    updated_at: datetime
    lease_until: datetime
    run_id: str = ""
    group_id: str = ""
    body_key: str = ""
    result_key: str = ""
    error_class: str = ""
    reason: str = ""
    callback_state: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    cost_micro_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reopened: bool = False
    accepted_at: datetime | None = None
    item_count: int = 0
    problems: str = ""
    claimed_at: datetime | None = None
    completed_at: datetime | None = None
    model_seconds: float = 0.0
    resumes_on: str = ""
    cancelled_ms: int = 0
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Ours now, as this row says."""

    row: RequestRow


@dataclass(frozen=True, slots=True)
class AlreadyLive:
    """Another delivery is being worked on; its stored receipt handle was refreshed to the newer one."""

    row: RequestRow


@dataclass(frozen=True, slots=True)
class AlreadyFinal:
    """Answered (or rejected) before: only ack."""

    row: RequestRow


_WAITING = frozenset({RequestState.ACCEPTED, RequestState.DEFERRED, RequestState.FAILED})


def decide_claim(present: RequestRow | None, wanted: RequestRow, now: datetime) -> Claimed | AlreadyLive | AlreadyFinal:
    """What a claim comes to, given the row as it stands; the row in the answer is what is to be written.

    now: by which leases of others are over, so the time less the skew that clocks may have.
    A failed request is final if it has a result: then the partner was told. Without one it was a crash of ours.
    Accepted, deferred and crashed requests wait for nobody: no lease protects them. A message of another partner
    gets the row as it is, whatever its state: nobody takes over a request by knowing its id.
    """
    if present is None:
        return Claimed(replace(wanted, generation=1, reopened=False))
    if present.partner_id and wanted.partner_id != present.partner_id:
        return AlreadyFinal(present) if is_answered(present.state) or _is_closed(present) else AlreadyLive(present)
    if is_answered(present.state) or (_is_closed(present) and not present.reopened):
        return AlreadyFinal(present)
    waits = present.reopened or present.state in _WAITING
    if is_leased(present, now, max(now, wanted.updated_at)) and not waits:
        return AlreadyLive(_refreshed(present, wanted))
    return Claimed(_taken_over(present, wanted))


def is_leased(row: RequestRow, now: datetime, claimed_at: datetime) -> bool:
    """A lease that ends later than any lease can was written by a clock that has been set back since, or is wrong.

    Nobody renews it, or it would end sooner; and whoever waited for its end would burn one receive after the other.
    claimed_at: the claimer's time; `now` is earlier by as much as other clocks may be off, also ahead.
    """
    visibility_seconds = QUEUES[row.queue].visibility_seconds if row.queue in QUEUES else 0
    longest = 2 * timedelta(seconds=visibility_seconds) + (claimed_at - now)
    return now <= row.lease_until <= claimed_at + longest


def _taken_over(present: RequestRow, wanted: RequestRow) -> RequestRow:
    """The row of the next generation.

    A message that was sent once more, as for a repeated POST, says a later time; but rows of results lie in the hour in
    which the request was submitted, and its age counts from there. Of a rejected one nobody noted it.
    """
    is_rejected = present.state is RequestState.REJECTED
    return replace(
        wanted,
        generation=present.generation + 1,
        reopened=False,
        submitted_at=wanted.submitted_at if is_rejected else present.submitted_at,
        body_key=wanted.body_key or present.body_key,
        reference=wanted.reference or present.reference,
        cost_micro_usd=present.cost_micro_usd,
        input_tokens=present.input_tokens,
        output_tokens=present.output_tokens,
        item_count=present.item_count,
        cancelled_ms=0 if present.reopened else present.cancelled_ms,
        **_times_kept(present, wanted),
    )


def _times_kept(present: RequestRow, wanted: RequestRow) -> dict[str, Any]:
    """A redriven request is measured from its redrive: how long it lay among the dead letters is no latency of ours."""
    if present.reopened:
        return {}
    return {
        "accepted_at": present.accepted_at or wanted.accepted_at,
        "claimed_at": present.claimed_at or wanted.claimed_at,
        "model_seconds": present.model_seconds,
    }


def _is_closed(row: RequestRow) -> bool:
    return row.state is RequestState.REJECTED or (row.state is RequestState.FAILED and bool(row.result_key))


def came_back(row: RequestRow, *, sent_at: datetime, dead_lettered_at: datetime | None, skew: timedelta) -> bool:
    """Whether a message was moved back from the dead letters after its request had ended, as AWS's own redrive does.

    dead_lettered_at: what `reject` noted, to the second; None for a message that SQS moved. Such a one is known by
    being sent anew (sent_at, SQS's clock) after the request failed. A second delivery, or a copy from before the end,
    is none, so that nothing is answered twice for it.
    """
    if not _is_closed(row):
        return False
    ended_at = row.completed_at or row.updated_at
    if dead_lettered_at is not None:
        return dead_lettered_at >= ended_at.replace(microsecond=0)
    return row.state is RequestState.FAILED and sent_at > ended_at + skew


def may_reopen(row: RequestRow) -> bool:
    """Whether a redrive opens it: it is closed and the partner has no answer from it."""
    return _is_closed(row)


def _refreshed(present: RequestRow, wanted: RequestRow) -> RequestRow:
    """The newer delivery's handle, since SQS forgot the older one; not that of whoever only came to close it."""
    if is_final(wanted.state):
        return present
    return replace(present, queue=wanted.queue, message_id=wanted.message_id, receipt_handle=wanted.receipt_handle)
