"""Candidate lists for similar_series: search the whole catalog, keep lists that are still good.

Belongs here: building the index once per catalog version, refreshing buckets once per catalog version. Stays out:
searching (`candidate_index.py`) and the rule of when a list changes (`domain/prompts/candidates.py`).
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from manga_enrichment.domain.prompts.candidates import refresh
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.candidate_index import CandidateIndex, CandidateIndexError
from manga_enrichment.pipeline.catalog.candidate_tables import candidates_table
from manga_enrichment.pipeline.catalog.reader import read_candidates, read_ids, read_records
from manga_enrichment.pipeline.store.object_keys import candidates_state_key, table_key

RETRIEVAL_VERSION = "1"
"""Raise it when the search finds other candidates in the same catalog: the next run then refreshes every list."""

UNUSED_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class CandidateReport:
    """One bucket: titles, how many have candidates, how many lists changed."""

    bucket: str
    titles: int
    with_candidates: int
    changed: int
    uri: str


def refresh_candidates(
    *,
    tables: ObjectStore,
    buckets: Sequence[str],
    all_buckets: Sequence[str],
    catalog_version: str,
    say: Callable[[str], None],
    limit: int = 20,
) -> list[CandidateReport]:
    """Bring the lists of these buckets up to date with the whole catalog; as long as it stays the same, they do."""
    state = {"catalog_version": catalog_version, "retrieval_version": RETRIEVAL_VERSION, "limit": limit}
    outdated = [bucket for bucket in buckets if tables.read_json(candidates_state_key(bucket)) != state]
    reports = {bucket: _unchanged(tables, bucket) for bucket in buckets if bucket not in outdated}
    if outdated:
        index = _index(tables, all_buckets, catalog_version, say)
        ids = {manga_id for bucket in all_buckets for manga_id in read_ids(tables, bucket)}
    for bucket in outdated:
        reports[bucket] = report = _refreshed(tables, bucket, index, ids, limit)
        tables.write_json(candidates_state_key(bucket), state)
        say(f"bucket {bucket}: {report.changed} of {report.titles} candidate lists changed")
    return [reports[bucket] for bucket in buckets]


def _unchanged(tables: ObjectStore, bucket: str) -> CandidateReport:
    stored = read_candidates(tables, bucket)
    uri = tables.uri(table_key("similar_candidates", bucket))
    return CandidateReport(bucket, len(stored), sum(map(bool, stored.values())), 0, uri)


def _refreshed(tables: ObjectStore, bucket: str, index: CandidateIndex, ids: set[str], limit: int) -> CandidateReport:
    stored = read_candidates(tables, bucket)
    rows = []
    changed = with_candidates = 0
    for record in read_records(tables, bucket):
        before = stored.get(record.manga_id, ())
        after = refresh(before, index.candidates(record, limit), ids)
        changed += tuple(after) != tuple(before)
        with_candidates += bool(after)
        rows.append((record.manga_id, after))
    key = table_key("similar_candidates", bucket)
    tables.write(key, candidates_table(rows))
    return CandidateReport(bucket, len(rows), with_candidates, changed, tables.uri(key))


def _index(
    tables: ObjectStore, all_buckets: Sequence[str], catalog_version: str, say: Callable[[str], None]
) -> CandidateIndex:
    """The index of this catalog version: from this machine's disk when an earlier run built it."""
    home = Path(tempfile.gettempdir()) / "manga-enrichment-index"
    folder = home / catalog_version
    with suppress(CandidateIndexError):
        found = CandidateIndex.open(folder)
        os.utime(folder)
        return found
    say("indexing the whole catalog for candidate search")
    home.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)  # nothing, or what cannot be read
    with tempfile.TemporaryDirectory(dir=home, prefix="building-") as building:
        records = (record for bucket in all_buckets for record in read_records(tables, bucket))
        CandidateIndex.build(records, Path(building) / "index")
        with suppress(OSError):  # another run was faster; its index is the same
            (Path(building) / "index").rename(folder)
    _delete_unused(home, folder)
    return CandidateIndex.open(folder)


def _delete_unused(home: Path, newest: Path) -> None:
    """Indexes, finished or not, that no run has used for a day; other runs of this machine are at work beside us."""
    for old in home.iterdir():
        with suppress(FileNotFoundError):  # another run deletes, too
            if newest.stat().st_mtime - old.stat().st_mtime > UNUSED_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
