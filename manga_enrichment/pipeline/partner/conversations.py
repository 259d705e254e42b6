"""Conversations: the history of a session, one object per turn.

Belongs here: which session a request belongs to, reading the newest turns, adding one. Stays out: prompts
(`domain/prompts/conversations.py`), order (a FIFO group has one message in flight).

A turn's object is named by its number and request, so settling the same request twice writes the same object, and no
writer ever replaces what another one wrote.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from manga_enrichment.domain.prompts.conversations import MAX_TURNS, Turn
from manga_enrichment.domain.requests.queues import session_of
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.partner.stored.requests import StoredRequest
from manga_enrichment.pipeline.store.object_keys import conversation_prefix, conversation_turn_key


@dataclass(frozen=True, slots=True)
class History:
    """Turns before a request, oldest first, and the number that its own turn has."""

    turns: tuple[Turn, ...]
    number: int


NO_HISTORY = History((), 0)


def session_name(partner_id: str, schema: str, body: Mapping[str, Any]) -> str | None:
    """Hash that stands for a session in keys; None for a single request. Partners may use the same ids."""
    named = session_of(schema, body) or body.get("context", {}).get("user_id")
    return hashlib.sha256(f"{partner_id}:{named}".encode()).hexdigest()[:32] if named else None


def read_history(tables: ObjectStore, session: str | None, request_id: str) -> History:
    """The newest turns of a session without the request's own, should it have been settled before."""
    if session is None:
        return NO_HISTORY
    keys = sorted(key for key in tables.list_keys(conversation_prefix(session)) if request_id not in key)
    turns: list[Turn] = []
    for key in keys[-(MAX_TURNS // 2) :]:
        turn = tables.read_json(key)
        if turn is not None:
            turns += [Turn("user", turn["question"]), Turn("assistant", turn["reply"])]
    return History(tuple(turns), len(keys))


def keep_turn(tables: ObjectStore, request: StoredRequest, reply: str, at: datetime) -> None:
    """Add an answered question to its session's history; a single request has none. at: when it was answered."""
    session = session_name(request.partner_id, request.schema, request.body)
    if session is not None:
        number = read_history(tables, session, request.request_id).number
        question = last_question(request.schema, request.body)
        document = {"request_id": request.request_id, "question": question, "reply": reply}
        key = conversation_turn_key(session, number, request.request_id)
        tables.write_json(key, {**document, "answered_at": at.isoformat()})


def last_question(schema: str, body: Mapping[str, Any]) -> str:
    """What the request asks, without what came before."""
    return str(body["messages"][-1]["content"] if schema == "streaming_chat" else body["query"])
