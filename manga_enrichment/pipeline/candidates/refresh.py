"""Candidate lists for similar_series: lists that are still good are kept, since a changed list is asked and paid again.

Belongs here: whose list is replaced by what the catalog offers today, and when. Stays out: what it offers
(`lists.py`), the rule for one list (`domain/prompts/candidates.py`), the tables (`stored_lists.py`).

Lists drawn by an earlier method stay where they are: a title that is new or has changed gets a list of today's method,
and of the others a set share moves each night (MANGA_CANDIDATES_REFRESH). What has not moved yet is kept as waiting.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from math import ceil
from typing import Any

import numpy as np
import pyarrow as pa

from manga_enrichment.domain.prompts.candidates import replaces
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.lists import SHOWN, Lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE
from manga_enrichment.pipeline.candidates.method import METHOD_VERSION
from manga_enrichment.pipeline.candidates.pairs import id_hashes
from manga_enrichment.pipeline.candidates.stored_lists import LISTS_AT_ONCE, Drawn, read_drawn, read_stored
from manga_enrichment.pipeline.candidates.terms import Numbers
from manga_enrichment.pipeline.catalog.reader import read_catalog
from manga_enrichment.pipeline.store.object_keys import candidates_state_key, drawn_key, table_key

_NOTHING = np.zeros((5, 0), np.int64)


@dataclass(frozen=True, slots=True)
class CandidateReport:
    """One bucket: titles, how many have candidates, how many lists changed, how many wait for their turn."""

    bucket: str
    titles: int
    with_candidates: int
    changed: int
    waiting: int
    uri: str


def refresh_candidates(
    *,
    tables: ObjectStore,
    buckets: Sequence[str],
    catalog_version: str,
    index: Callable[[], Lists],
    today: date,
    share: float,
    say: Callable[[str], None],
    limit: int = SHOWN,
) -> list[CandidateReport]:
    """Bring the lists of these buckets up to date with the whole catalog; as long as it stays the same, they do.

    index: of this catalog version, opened only if a list is due. share: of a bucket's titles whose lists of an earlier
    method are replaced on one day, 0 to 1.
    """
    state = {"catalog_version": catalog_version, "retrieval_version": METHOD_VERSION, "limit": limit}
    reports = []
    for bucket in buckets:
        recorded = tables.read_json(candidates_state_key(bucket)) or {}
        has_moved = recorded.get("moved_on") == today.isoformat()
        if state.items() <= recorded.items() and (has_moved or not recorded["waiting"] or not share):
            reports.append(CandidateReport(**{**recorded["report"], "changed": 0}))
            continue
        with _memory_kept():
            report, moved = _Bucket(tables, bucket, index(), limit).refreshed(0 if has_moved else share)
        moved_on = today.isoformat() if moved or has_moved else recorded.get("moved_on", "")
        tables.write_json(candidates_state_key(bucket), {**state, **_recorded(report), "moved_on": moved_on})
        say(f"bucket {bucket}: {report.changed} of {report.titles} candidate lists changed, {report.waiting} wait")
        reports.append(report)
    pa.default_memory_pool().release_unused()  # what was kept of them all, and of building the index
    return reports


@contextmanager
def _memory_kept() -> Iterator[None]:
    """Memory that is freed meanwhile is used again. Given back to the system, it would be fetched again page by page,
    which is a fifth of a night's CPU.

    A block of 30 MB, made and freed, lets glibc keep twice as much of what is freed afterwards (one of more than 32 MB
    has no such effect), and Arrow's own pool gives back what glibc's keeps.
    """
    np.empty(30 * 1024**2, np.uint8)
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)


def _recorded(report: CandidateReport) -> dict[str, Any]:
    return {"waiting": report.waiting, "report": asdict(report)}


class _Bucket:
    """One bucket on its way from the stored lists to today's."""

    def __init__(self, tables: ObjectStore, bucket: str, lists: Lists, limit: int) -> None:
        self._tables, self._bucket, self._lists = tables, bucket, lists
        column = read_catalog(tables, bucket, ["manga_id"]).column("manga_id").combine_chunks()
        self._ids: list[str] = column.to_pylist()
        self._rows = lists.matrix.rows_of(column)
        self._fresh = lists.first(self._rows, limit)
        self._stored = read_stored(tables, bucket, lists.matrix)
        self._drawn = read_drawn(tables, bucket, self._ids)
        self._digests = lists.matrix.digests_of(self._rows)

    def refreshed(self, share: float) -> tuple[CandidateReport, int]:
        """(report, lists of an earlier method that were replaced because it was their turn)"""
        places = self._stored.places(self._ids)
        parts = (slice(at, at + LISTS_AT_ONCE) for at in range(0, len(places), LISTS_AT_ONCE))
        compared = [_NOTHING, *(self._compared(places[part], self._fresh[part]) for part in parts)]
        stored, gone, fresh, missed, differs = np.concatenate(compared, axis=1)
        differing = np.flatnonzero((stored == 0) | (gone > 0) | (missed > 0))
        numbers = zip(*(each[differing].tolist() for each in (stored, gone, fresh, missed)), strict=True)
        wanted = np.zeros(len(self._ids), np.bool_)  # a whole list that misses nothing stays
        wanted[differing] = [replaces(stored=s, gone=g, fresh=f, missed=m) for s, g, f, m in numbers]
        earlier = self._drawn.is_earlier(places)
        must = (stored == 0) | (gone > 0)  # cannot be asked with any more
        stale = earlier & wanted & ~must & ~self._changed()
        turn = self._turn(np.flatnonzero(stale), share)
        stale[turn] = False
        take = wanted & ~stale
        table = self._stored.with_fresh(self._ids, places, take, self._fresh)
        key = table_key("similar_candidates", self._bucket)
        self._tables.write(key, table)
        drawn = Drawn.rows(self._ids, self._digests, stale, self._fresh, self._lists.matrix)
        self._tables.write(drawn_key(self._bucket), drawn)
        filled = int(np.count_nonzero(np.where(take, fresh, stored)))
        changed = int(np.count_nonzero(take & (differs > 0)))
        uri = self._tables.uri(key)
        return CandidateReport(self._bucket, len(self._ids), filled, changed, int(stale.sum()), uri), len(turn)

    def _changed(self) -> Numbers:
        """Titles that are not what their list was drawn for; none where that is not recorded."""
        return np.asarray(self._drawn.has_digest & (self._drawn.digests != self._digests))

    def _compared(self, places: Numbers, fresh: Numbers) -> Numbers:
        """Rows of numbers by title: how many are in the stored list, of these gone, in the fresh list, of these not in
        the stored one; 1 where the lists differ in their titles or their order."""
        members, stored = self._stored.members(places)
        missed = has = fresh != NO_TITLE
        for each in members.T:  # one member of every list
            missed = missed & (fresh != each[:, None])
        gone = stored - np.count_nonzero(members != NO_TITLE, axis=1)
        width = min(members.shape[1], fresh.shape[1])
        same = (members[:, :width] == fresh[:, :width]).all(axis=1) & (stored == has.sum(axis=1)) & (gone == 0)
        return np.stack([stored, gone, has.sum(axis=1), missed.sum(axis=1), ~same])

    def _turn(self, waiting: Numbers, share: float) -> Numbers:
        """Whose turn it is today: always the same for the same titles, and spread over the catalog."""
        hashes = id_hashes(self._lists.matrix.ids[self._rows[waiting]]) if len(waiting) else waiting
        return waiting[np.argsort(hashes, kind="stable")][: ceil(share * len(self._ids))]
