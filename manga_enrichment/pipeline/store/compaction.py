"""Compaction: the small objects of an hour that is over become one.

Belongs here: merging beside readers, writers and other compactions, so that being cut off anywhere changes nothing that
is read. Stays out: when and which tables (`pipeline/publish/compact.py`), what a row is and when two are the same.

    look 1   every object of the hour is read, the merged object is put over the version that was read
    look 2   an hour later: whatever the merged object has whole is deleted

Between the looks rows are there twice, and whoever reads takes each once anyway (`hour_groups.py`). Who has listed the
objects before look 2 has had an hour to read them. A row that comes late is one more object, merged at the next look.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import ObjectStore, StoredTable
from manga_enrichment.pipeline.store.conditional_writes import CONFLICT_TRIES
from manga_enrichment.pipeline.store.hour_groups import Once, joined, read_group
from manga_enrichment.pipeline.store.hour_keys import group_of, merged_key

Parts = Mapping[str, StoredTable]


@dataclass(slots=True)
class CompactionReport:
    """hours: that were looked at. merged: objects put. deleted: objects whose rows are in those.

    left: hours that others kept writing to, for the next time.
    """

    hours: int = 0
    merged: int = 0
    deleted: int = 0
    left: int = 0


def compact(objects: ObjectStore, folder: str, once: Once, before: str, report: CompactionReport) -> None:
    """Look at the hours of a folder that came before this group of it. Raises StoreUnavailableError."""
    keys_of: dict[str, list[str]] = {}
    for key in objects.list_keys(folder):
        keys_of.setdefault(group_of(key), []).append(key)
    for group, keys in sorted(keys_of.items()):
        if not group or group >= before or keys == [merged_key(group)]:
            continue
        report.hours += 1
        try:
            _look_at(objects, group, once, report)
        except WriteConflictError:
            report.left += 1


def _look_at(objects: ObjectStore, group: str, once: Once, report: CompactionReport) -> None:
    parts = dict(read_group(objects, group))
    merged = parts.pop(merged_key(group), None)
    before, rows = merged, _union(parts, merged, once)
    if merged is not None and rows.equals(merged.table):
        for key in parts:
            objects.delete(key)
        report.deleted += len(parts)
        return
    etag = before.etag if before else None
    for _ in range(CONFLICT_TRIES):
        etag = objects.write(merged_key(group), rows, expected_etag=etag, new=etag is None)
        now_there = dict(read_group(objects, group))
        now_there.pop(merged_key(group), None)
        if _tags(now_there).items() >= _tags(parts).items():
            report.merged += 1
            return
        # Words were taken out of an object, or rows, while it was merged: they must not come back by us.
        parts, rows = now_there, _union(now_there, before, once)
    raise WriteConflictError(f"{objects.uri(group)} kept changing under {CONFLICT_TRIES} looks")


def _union(parts: Parts, merged: StoredTable | None, once: Once) -> pa.Table:
    """The merged rows come first, so that one that has all of them stays as it is."""
    tables = [parts[key].table for key in sorted(parts)]
    return once(joined([*([merged.table] if merged else []), *tables]))


def _tags(parts: Parts) -> dict[str, str]:
    return {key: part.etag for key, part in parts.items()}
