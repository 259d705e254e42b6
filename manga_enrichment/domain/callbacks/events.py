"""What a partner is told when a request has ended, and the name by which a repetition is known.

Belongs here: the event, its id, its JSON body. Stays out: how it is signed (`signatures.py`), to whom it goes and how
often that is tried (`deliveries.py`).

An event is delivered at least once: a process may die between the receiver's "yes" and our note of it. Its id depends
on what happened to which request and on nothing else, so every repetition carries the same one, also when a crashed
worker's successor announces the same end again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from manga_enrichment.domain.requests.states import RequestState

MOST_ANSWER_BYTES = 128 * 1024
"""Of a result document that an event carries, as JSON in ASCII; a larger one is fetched."""

EVENT_VERSION = 1
"""Raised when a field goes away or changes its meaning; new fields may come at any time."""

_EVENT_ID_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Event:
    """The end of one request.

    request_id   "" for a message that could not be read as a request; message_id names it then
    state        what the request ended as
    occurred_at  UTC-aware
    result       where the result document is; "" when there is none
    counts       items by outcome
    reason       one sentence; "" when nothing went wrong
    reference    the partner's own name of the request
    answers      the result document, for the partner alone; None when there is none, or it is too large
    results_url  where the API hands the document out; "" where that is not known
    problems     all that is wrong with a rejected request, each with its place
    """

    request_id: str
    partner_id: str
    schema: str
    state: RequestState
    occurred_at: datetime
    result: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    cost_micro_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    error_class: str = ""
    reason: str = ""
    message_id: str = ""
    reference: str = ""
    answers: Mapping[str, Any] | None = None
    results_url: str = ""
    problems: Sequence[Mapping[str, Any]] = ()

    @property
    def type(self) -> str:
        """For example `request.completed`."""
        return f"request.{self.state.value}"

    @property
    def event_id(self) -> str:
        """The same for every repetition of this event, whoever repeats it and however often."""
        subject = self.request_id or f"message:{self.message_id}"
        digest = hashlib.sha256(f"{subject}\n{self.type}".encode()).hexdigest()
        return f"evt_{digest[:_EVENT_ID_CHARACTERS]}"

    def with_answers(self, document: Mapping[str, Any] | None) -> "Event":
        """With the result document, if it is small."""
        is_small = document is not None and len(_json(document)) <= MOST_ANSWER_BYTES
        return replace(self, answers=document if is_small else None)

    def body(self, *, is_private: bool = False) -> str:
        """The event as one line of JSON in ASCII. Stored once and sent as it is, because its bytes are signed.

        is_private: nobody but the partner gets it, so it may have the answers.
        """
        document = {
            "event_id": self.event_id,
            "event_version": EVENT_VERSION,
            "type": self.type,
            "occurred_at": self.occurred_at.astimezone(UTC).isoformat(timespec="seconds"),
            "request_id": self.request_id or None,
            "partner_id": self.partner_id or None,
            "schema": self.schema or None,
            "status": self.state.value,
            "reference": self.reference or None,
            "result": self.result or None,
            "results_url": self.results_url or None,
            "counts": dict(self.counts),
            "cost_usd": self.cost_micro_usd / 1_000_000,
            "tokens": {"input": self.input_tokens, "output": self.output_tokens},
            "error": {"class": self.error_class, "reason": self.reason} if self.error_class or self.reason else None,
        }
        if self.problems:
            document["problems"] = [dict(each) for each in self.problems]
        if not self.request_id:
            document["message_id"] = self.message_id
        if is_private:
            document["answers"] = None if self.answers is None else dict(self.answers)
        return _json(document)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
