"""Objects of requests: those that are theirs alone go, those of a run are written again without them.

Belongs here: which objects hold something of a request, what is left of a shared one. Stays out: the requests log
(`books.py`), tables in DynamoDB and queues (`forget.py`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

import orjson
import pyarrow as pa

from manga_enrichment.domain.operations.forgetting import Subject
from manga_enrichment.gateways.erasure import Erasure, ObjectVersion
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.forgetting.find import BODIES, RESULTS, ids_in
from manga_enrichment.pipeline.forgetting.result_rows import RESULT_ROWS, shared_tables, without
from manga_enrichment.pipeline.partner.conversations import last_question
from manga_enrichment.pipeline.store.conditional_writes import rewrite_table
from manga_enrichment.pipeline.store.hour_keys import group_of
from manga_enrichment.pipeline.store.object_keys import RUNS_ROOT, arrears_prefix, conversation_prefix

CONVERSATIONS = "fm-conversations/"
_OWN = (CONVERSATIONS, RESULTS, RESULT_ROWS, f"{RUNS_ROOT}/parked/", BODIES)
"""Prefixes of objects that one request has alone, its id in the key. Bodies last: they are how a request is found."""

Document = dict[str, Any]
Gone = Callable[[str], bool]
"""Whether a request is to be forgotten, by its id."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A shared object. document: what is left of it, None for nothing. outdated: versions that still have it all.

    is_table: with rows of requests, of which some are left; `document` then says nothing.
    """

    key: str
    document: Document | None
    is_current: bool
    outdated: tuple[ObjectVersion, ...]
    is_table: bool = False


@dataclass(slots=True)
class ObjectPlan:
    """own: versions that go. rewrites: shared objects."""

    own: list[ObjectVersion] = field(default_factory=list)
    rewrites: list[Rewrite] = field(default_factory=list)

    def apply(self, erasure: Erasure, tables: ObjectStore, gone: Gone) -> None:
        for each in self.rewrites:
            if each.is_current and each.document is not None and each.is_table:
                _rewrite_rows(tables, each.key, gone)
            elif each.is_current and each.document is not None:
                tables.write_json(each.key, each.document)
            erasure.delete_versions(each.outdated)
        erasure.delete_versions(self.own)

    def keys(self) -> list[str]:
        """Of objects that go whole."""
        gone = {each.key for each in self.rewrites if each.document is None}
        return sorted({version.key for version in self.own} | gone)


def plan_objects(erasure: Erasure, gone: Gone, subject: Subject, still_open: Collection[str]) -> ObjectPlan:
    """What is to be done to forget these requests of a subject, and what is left of a user's own session.

    still_open: ids of all requests that somebody works at or will.
    """
    plan = ObjectPlan()
    for prefix in _OWN:
        for version in erasure.versions(prefix):
            if not group_of(version.key) and any(map(gone, ids_in(version.key))):
                plan.own.append(version)
    if subject.user:
        for _, turns in groupby(erasure.versions(conversation_prefix(subject.user)), key=lambda version: version.key):
            plan.own += _old_turn(erasure, list(turns), subject, gone)
    texts = frozenset(_texts(erasure, plan.own))
    for key, versions in groupby(erasure.versions(f"{RUNS_ROOT}/"), key=lambda version: version.key):
        clean = _cleaner(key, still_open)
        if clean is not None and (rewrite := _rewrite(erasure, key, list(versions), clean, gone, texts)) is not None:
            plan.rewrites.append(rewrite)
    plan.rewrites += _shared_rows(erasure, gone)
    return plan


def _shared_rows(erasure: Erasure, gone: Gone) -> Iterator[Rewrite]:
    """Versions come key by key."""
    tables = shared_tables(erasure, ["request_id"])
    for key, found in groupby(tables, key=lambda each: each[0].key):
        outdated, left, is_current = [], False, False
        for version, table in found:
            kept = without(table, gone)
            if kept.num_rows < table.num_rows:
                outdated.append(version)
                if version.is_current:
                    is_current, left = True, kept.num_rows > 0
        if outdated:
            yield Rewrite(key, {} if left else None, is_current, tuple(outdated), is_table=True)


def _rewrite_rows(tables: ObjectStore, key: str, gone: Gone) -> None:
    """Unless it is gone: then compaction has merged it into an object that is looked at once more."""
    if tables.read(key, []) is not None:
        rewrite_table(tables, key, lambda current: pa.table({}) if current is None else without(current, gone))


def _old_turn(erasure: Erasure, versions: list[ObjectVersion], subject: Subject, gone: Gone) -> list[ObjectVersion]:
    """All versions of a turn of whose request nothing else is kept; [] for one that came after the subject asked."""
    bodies = [body for version in versions if (body := erasure.read(version)) is not None]
    moments = [datetime.fromisoformat(orjson.loads(body)["answered_at"]) for body in bodies]
    is_listed = any(map(gone, ids_in(versions[0].key)))
    return [] if is_listed or any(moment > subject.asked_at for moment in moments) else versions


def _texts(erasure: Erasure, own: Collection[ObjectVersion]) -> Iterator[str]:
    """Questions and replies that go: later plans of a session show them to the model."""
    for version in own:
        body = erasure.read(version) if version.key.startswith((CONVERSATIONS, BODIES)) else None
        if body is None:
            continue
        document = orjson.loads(body)
        if version.key.startswith(CONVERSATIONS):
            yield from (document["question"], document["reply"])
        elif "items" not in document["body"]:
            yield last_question(document["schema"], document["body"])


_Cleaner = Callable[[Document, Gone, Collection[str]], Document | None]


def _cleaner(key: str, still_open: Collection[str]) -> _Cleaner | None:
    """How an object of a run is written without some requests; None for one that knows nothing of requests."""
    if key.startswith(f"{RUNS_ROOT}/units/"):
        return partial(_unit, ids_in(key), still_open)
    if key.startswith(arrears_prefix()):
        return _arrears
    return {"partner/plan.json": _plan, "partner/collected.json": _collected}.get("/".join(key.split("/")[2:]))


def _rewrite(
    erasure: Erasure,
    key: str,
    versions: list[ObjectVersion],
    clean: _Cleaner,
    gone: Gone,
    texts: Collection[str],
) -> Rewrite | None:
    outdated, left, is_current = [], None, False
    for version in versions:
        body = erasure.read(version)
        document = None if body is None else orjson.loads(body)
        if document is None or (cleaned := clean(document, gone, texts)) == document:
            continue
        outdated.append(version)
        if version.is_current:
            is_current, left = True, cleaned
    if not outdated:
        return None
    if is_current and left is None:  # nothing is left to hide
        outdated += [version for version in versions if version.is_marker]
    return Rewrite(key, left, is_current, tuple(outdated))


def _unit(
    named: Collection[str], still_open: Collection[str], unit: Document, gone: Gone, _texts: Collection[str]
) -> Document | None:
    """named: the request that the unit's key names. When that one goes, so does a unit that nobody needs any more."""
    left = _without(unit, "requests", gone)
    if left is None or not any(map(gone, named)):
        return left
    return left if any(each["request_id"] in still_open for each in left["requests"]) else None


def _arrears(arrears: Document, gone: Gone, _texts: Collection[str]) -> Document | None:
    """Without replies to the requests; what they cost stays owed. Only conversations are told by a request's id."""
    left = [each for each in arrears.get("entries", ()) if not any(map(gone, ids_in(each["manga_id"])))]
    if len(left) == len(arrears.get("entries", ())):
        return arrears
    dropped = [each for each in arrears["entries"] if each not in left]
    cost = sum(attempt["cost_micro_usd"] for each in dropped for attempt in each["attempts"])
    return {**arrears, "entries": left, "micro_usd": arrears["micro_usd"] + cost}


def _collected(collected: Document, gone: Gone, _texts: Collection[str]) -> Document | None:
    return _without(collected, "results", gone)


def _without(document: Document, name: str, gone: Gone) -> Document | None:
    left = [each for each in document[name] if not gone(each["request_id"])]
    return {**document, name: left} if left or not document[name] else None


def _plan(plan: Document, gone: Gone, texts: Collection[str]) -> Document | None:
    items = {request_id: each for request_id, each in plan["items"].items() if not gone(request_id)}
    calls = [call for each in plan["calls"] if (call := _call(each, gone, texts)) is not None]
    return {**plan, "items": items, "calls": calls} if items or not plan["items"] else None


def _call(call: Mapping[str, Any], gone: Gone, texts: Collection[str]) -> Document | None:
    wanted_by = [each for each in call["request_ids"] if not gone(each)]
    history = [turn for turn in call["history"] if turn[1] not in texts]
    return {**call, "request_ids": wanted_by, "history": history} if wanted_by else None
