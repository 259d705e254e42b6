"""Forgetting: who or what is meant, and which requests that takes.

Belongs here: subjects, digests, what is known of a request, the choice; pure. Stays out: finding and deleting
(`pipeline/forgetting/`).

A user and a request are remembered as digests: what was forgotten must be recognised when it comes back with a restore,
and named by nothing.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

BATCH = "batch_analysis"


@dataclass(frozen=True, slots=True)
class Trace:
    """A request as far as anything kept tells of it; "" and None for what nothing tells.

    user, session, group   digests with the partner; group is that of its messages: a session, a user or neither
    noted                  positions of items with a note of the partner
    is_open                somebody works at it, or will
    has_row                it has a status row
    """

    request_id: str
    partner_id: str = ""
    schema: str = ""
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    user: str = ""
    session: str = ""
    group: str = ""
    run_id: str = ""
    noted: frozenset[int] = frozenset()
    is_open: bool = False
    has_row: bool = False

    @property
    def conversations(self) -> frozenset[str]:
        """Sessions it belongs to; a batch belongs to none."""
        return frozenset() if self.schema == BATCH else frozenset({self.session, self.group} - {""})


@dataclass(frozen=True, slots=True)
class Subject:
    """All of a partner, a user of a partner, or one request. What was submitted after asked_at is not meant."""

    asked_at: datetime
    partner_id: str = ""
    user: str = ""
    request: str = ""

    @property
    def is_partner(self) -> bool:
        return not (self.user or self.request)

    def may_take(self, trace: Trace) -> bool:
        """Whether it could, for all that is known by now."""
        if self.request:
            return digest(trace.request_id) == self.request
        if trace.submitted_at is not None and trace.submitted_at > self.asked_at:
            return False
        return trace.partner_id in ("", self.partner_id)

    def takes(self, trace: Trace) -> bool:
        if self.request or not self.may_take(trace):
            return self.may_take(trace)
        if not self.user:
            return trace.partner_id == self.partner_id
        return trace.partner_id == self.partner_id and self.user in {trace.user, *trace.conversations}

    def to_document(self) -> dict[str, Any]:
        return {
            "asked_at": self.asked_at.isoformat(),
            "partner_id": self.partner_id,
            "user": self.user,
            "request": self.request,
        }


class StillWorkedOnError(RuntimeError):
    """Requests that are to be forgotten have not ended: what was deleted would be written again."""

    def __init__(self, request_ids: Sequence[str]) -> None:
        named = ", ".join(request_ids[:5]) + (" …" if len(request_ids) > 5 else "")
        super().__init__(
            f"{len(request_ids)} requests have not ended: {named}. Nothing was deleted: wait until they have "
            "(`manga-enrichment status ID`), then forget again"
        )
        self.request_ids = tuple(request_ids)


def chosen_of(subject: Subject, traces: Iterable[Trace], listed: Collection[str]) -> list[Trace]:
    """The requests to forget. listed: digests of some that are known to be among them.

    A user's sessions are the user's: a chat names a session only, and belongs to whoever else asked in it.
    """
    known = list(traces)
    chosen = {each.request_id: each for each in known if subject.takes(each) or digest(each.request_id) in listed}
    if subject.user:
        sessions = {session for each in chosen.values() for session in each.conversations}
        for each in known:
            shares = subject.may_take(each) and each.user in ("", subject.user) and each.conversations & sessions
            if shares and each.partner_id == subject.partner_id:
                chosen[each.request_id] = each
    return [chosen[request_id] for request_id in sorted(chosen)]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def user_digest(partner_id: str, user_id: str) -> str:
    """Partners may use the same ids. The same as the name of a session that has no other than its user's."""
    return digest(f"{partner_id}:{user_id}")
