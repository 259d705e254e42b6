"""Finding the requests of a subject, in everything that tells of requests.

Belongs here: traces from status rows, stored requests, result documents and result rows, replaced versions included.
Stays out: which of them are chosen (`domain/operations/forgetting.py`), their other objects (`objects.py`).

A partner's later requests have no stored body any more after 90 days, and no status row after 400: so each source is
asked for what the others do not tell.
"""

import io
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
import pyarrow.parquet as pq

from manga_enrichment.domain.operations.forgetting import BATCH, Subject, Trace, chosen_of, digest, user_digest
from manga_enrichment.domain.prompts.conversations import conversation_fingerprint
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.states import is_final
from manga_enrichment.gateways.erasure import Erasure, ObjectVersion
from manga_enrichment.pipeline.forgetting.result_rows import READERS, RESULT_ROWS, a_row_of_each, fingerprints_of
from manga_enrichment.pipeline.partner.conversations import session_name
from manga_enrichment.pipeline.store.hour_keys import group_of

BODIES, RESULTS = "fm-requests/", "fm-results/"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_WAIT = timedelta(days=15)
"""No queue keeps a message longer: what has not ended by then never will."""


def ids_in(text: str) -> set[str]:
    """Request ids that a text names; of a key its last part does, as a partner may be named like a request."""
    return set(_ID.findall(text.rpartition("/")[2]))


class Finding:
    """Looks only. All methods raise StoreUnavailableError."""

    def __init__(self, erasure: Erasure, now: datetime) -> None:
        self._erasure = erasure
        self._now = now
        self.still_open: frozenset[str] = frozenset()
        """Of all requests there are; known once `chosen` has looked."""

    def chosen(self, subject: Subject, listed: Collection[str] = ()) -> list[Trace]:
        """listed: digests of requests that are among them, whatever is still known of them."""

        def wanted(trace: Trace) -> bool:
            return subject.may_take(trace) or digest(trace.request_id) in listed

        traces = {row.request_id: self._of_row(row) for row in self._erasure.request_rows()}
        self.still_open = frozenset(each.request_id for each in traces.values() if each.is_open)
        for prefix, read in ((BODIES, _of_body), (RESULTS, _of_result), (RESULT_ROWS, trace_of_rows)):
            by_id = self._by_id(prefix)
            for request_id in by_id:
                traces.setdefault(request_id, Trace(request_id))
            # Bodies tell of users, sessions and notes; the others only whose it was.
            asked = [
                (traces[each], by_id[each])
                for each in by_id
                if wanted(traces[each]) and (prefix == BODIES or not traces[each].partner_id)
            ]
            with ThreadPoolExecutor(READERS) as pool:
                for found in pool.map(partial(self._told, read), asked):
                    traces[found.request_id] = found
        unknown = Trace("")

        def may_want(request_id: str) -> bool:
            trace = traces.get(request_id, unknown)
            return not trace.partner_id and wanted(replace(trace, request_id=request_id))

        for request_id, row in a_row_of_each(self._erasure, may_want).items():
            traces[request_id] = _of_result_row(traces.get(request_id, Trace(request_id)), row)
        return chosen_of(subject, traces.values(), listed)

    def partners_of_user(self, user_id: str) -> set[str]:
        """Partners of whose requests some name this user."""
        bodies = [version for versions in self._by_id(BODIES).values() for version in versions]
        with ThreadPoolExecutor(READERS) as pool:
            documents = [orjson.loads(body) for body in pool.map(self._erasure.read, bodies) if body is not None]
        return {each["partner_id"] for each in documents if _user_of(each) == user_id}

    def own_fingerprints(self, traces: Iterable[Trace]) -> set[str]:
        """Of answers that hold what a person or a partner wrote: conversations, and items with a note."""
        known = list(traces)
        own = {conversation_fingerprint(each.request_id) for each in known if each.schema != BATCH}
        noted = [each for each in known if each.noted]
        rows = self._by_id(RESULT_ROWS) if noted else {}
        own |= fingerprints_of(self._erasure, {each.request_id: each.noted for each in noted}) if noted else set()
        for trace in noted:
            for version in rows.get(trace.request_id, ()):
                found = pq.read_table(io.BytesIO(self._erasure.read(version) or b"")).to_pylist()
                own |= {row["fingerprint"] for row in found if row["position"] in trace.noted and row["fingerprint"]}
        return own

    def _by_id(self, prefix: str) -> dict[str, list[ObjectVersion]]:
        """Versions that hold something, by the request that their key names."""
        by_id: dict[str, list[ObjectVersion]] = defaultdict(list)
        for version in self._erasure.versions(prefix):
            if version.is_marker or group_of(version.key):
                continue
            for request_id in ids_in(version.key):
                by_id[request_id].append(version)
        return by_id

    def _told(self, read: Callable[[Trace, bytes], Trace], asked: tuple[Trace, list[ObjectVersion]]) -> Trace:
        trace, versions = asked
        bodies = (self._erasure.read(version) for version in versions)
        return next((read(trace, body) for body in bodies if body is not None), trace)

    def _of_row(self, row: RequestRow) -> Trace:
        return Trace(
            request_id=row.request_id,
            partner_id=row.partner_id,
            schema=row.schema,
            submitted_at=row.submitted_at,
            ended_at=row.updated_at,
            group=digest(row.group_id) if row.group_id else "",
            run_id=row.run_id,
            has_row=True,
            is_open=not is_final(row.state) and row.updated_at > self._now - _LONGEST_WAIT,
        )


def _of_body(trace: Trace, stored: bytes) -> Trace:
    document = orjson.loads(stored)
    partner_id, schema, body = document["partner_id"], document["schema"], document["body"]
    user = _user_of(document)
    return replace(
        trace,
        partner_id=partner_id,
        schema=schema,
        submitted_at=datetime.fromisoformat(document["submitted_at"]),
        user=user_digest(partner_id, user) if user else "",
        session=session_name(partner_id, schema, body) or "",
        noted=frozenset(_noted(body)),
    )


def _noted(body: Mapping[str, Any]) -> Iterator[int]:
    return (position for position, item in enumerate(body.get("items", ())) if item.get("additional_context"))


def _user_of(document: Mapping[str, Any]) -> str:
    return str(document["body"].get("context", {}).get("user_id", ""))


def _of_result(trace: Trace, stored: bytes) -> Trace:
    document = orjson.loads(stored)
    return replace(
        trace,
        partner_id=document["partner_id"],
        schema=document["schema"],
        submitted_at=datetime.fromisoformat(document["submitted_at"]),
        ended_at=datetime.fromisoformat(document["completed_at"]),
    )


def trace_of_rows(trace: Trace, stored: bytes) -> Trace:
    """What an object of result rows tells. stored: its Parquet."""
    return _of_result_row(trace, pq.read_table(io.BytesIO(stored)).to_pylist()[0])


def _of_result_row(trace: Trace, row: Mapping[str, Any]) -> Trace:
    schema = "" if row["analysis"] == "conversation" else BATCH
    ended_at = row["completed_at"]
    return replace(
        trace,
        partner_id=row["partner_id"],
        schema=schema,
        submitted_at=ended_at,
        ended_at=ended_at,
        run_id=row["dagster_run_id"],
    )
