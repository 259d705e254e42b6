"""A consumer that follows a table by its changes alone, and what must hold of them.

Belongs here: reading changes as docs/analysts.md says. Stays out: writing them.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.tables.changes import ENRICHED_CHANGES
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import changes_prefix, table_key

TABLE_OF = {"enriched_changes": "enriched_catalog", "catalog_changes": "catalog"}


class Follower:
    """Knows nothing at first. Reads each object of changes once, in the order of their names."""

    def __init__(self, tables: ObjectStore, changes: str = ENRICHED_CHANGES) -> None:
        self._tables = tables
        self._changes = changes
        self._read: set[str] = set()
        self.titles: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self.rows: list[dict[str, Any]] = []

    def look(self) -> list[dict[str, Any]]:
        """The rows that are new."""
        found = []
        for key in sorted(self._tables.list_keys(changes_prefix(self._changes))):
            if key not in self._read:
                self._read.add(key)
                stored = self._tables.read(key)
                assert stored is not None
                found += stored.table.to_pylist()
        for row in found:
            self._take(row)
        self.rows += found
        return found

    def _take(self, row: dict[str, Any]) -> None:
        titles = self.titles[row["bucket"]]
        if row["kind"] == "removed":
            titles.pop(row["manga_id"])
        elif row["kind"] == "added":
            assert row["manga_id"] not in titles
            titles[row["manga_id"]] = json.loads(row["to_value"])
        else:
            value = None if row["to_value"] is None else json.loads(row["to_value"])
            before = None if row["from_value"] is None else json.loads(row["from_value"])
            assert titles[row["manga_id"]].get(row["field"]) == before
            titles[row["manga_id"]][row["field"]] = value

    def assert_equals_the_table(self, buckets: Sequence[str]) -> None:
        for bucket in buckets:
            stored = self._tables.read(table_key(TABLE_OF[self._changes], bucket))
            rows = stored.table if stored is not None else pa.table({})
            assert typed(self.titles[bucket].values(), rows.schema) == rows.to_pylist()

    def assert_versions_are_a_chain(self) -> None:
        """By bucket every version leads to the next: none is missing, none is there twice."""
        chains: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
        for row in self.rows:
            step = (row["previous_version"], row["version"])
            if step not in chains[row["bucket"]]:
                chains[row["bucket"]].append(step)
        for steps in chains.values():
            assert [before for before, _after in steps] == [None, *(after for _before, after in steps[:-1])]
        told = Counter((row["version"], row["manga_id"], row["field"]) for row in self.rows)
        assert set(told.values()) <= {1}


def typed(titles: Iterable[dict[str, Any]], schema: pa.Schema) -> list[dict[str, Any]]:
    """Titles as rows of the table: every column, times as moments, by id."""
    moments = {field.name for field in schema if pa.types.is_timestamp(field.type)}
    rows = [
        {
            name: datetime.fromisoformat(title[name]) if name in moments and title.get(name) else title.get(name)
            for name in schema.names
        }
        for title in titles
    ]
    return sorted(rows, key=lambda row: str(row["manga_id"]))
