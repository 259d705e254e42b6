"""Where an import's tables go: each one object, the titles with their changes and with a tombstone for who leaves.

Belongs here: the order of writes. Stays out: importing (`importer.py`), changes and tombstones (`pipeline/changes/`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.tables.changes import CATALOG_CHANGES
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.catalog.tables import REJECTS_SCHEMA, WARNINGS_SCHEMA
from manga_enrichment.pipeline.changes.replace import ChangeReport, Followed, Origin
from manga_enrichment.pipeline.changes.tombstones import Departure, bury, raise_again
from manga_enrichment.pipeline.store.object_keys import catalog_state_key, rejects_key, table_key, warnings_key
from manga_enrichment.pipeline.store.spool import reader_of


@dataclass(frozen=True, slots=True)
class Following:
    """Whose import it is, for those who follow its changes.

    analyses: whose outcomes a title that leaves keeps. noted: is told what became of each bucket, and how many left.
    """

    run_id: str
    analyses: Collection[str] = ()
    noted: Callable[[ChangeReport, int], None] = lambda _report, _left: None


class CatalogTables:
    """CatalogSink over an ObjectStore."""

    def __init__(
        self,
        tables: ObjectStore,
        following: Following,
        now: datetime,
        source_uri: str,
        recorded: Mapping[str, Any] | None,
    ) -> None:
        """recorded: the state of the catalog that is replaced, None for the first."""
        self._tables = tables
        self._origin = Origin(following.run_id, now)
        self._noted = following.noted
        self._recorded = recorded
        moved = recorded is not None and recorded["source_uri"] != source_uri
        self._departure = Departure(source_uri, moved, following.analyses)

    def begin(self, rejected: Mapping[str, str]) -> None:
        """From here on the recorded source is not what is stored: an import that is cut off is done again, also where
        the source has become the former again."""
        self._departure = replace(self._departure, rejected=rejected)
        if self._recorded is not None:
            self._tables.write_json(catalog_state_key(), {**self._recorded, "source_version": ""})

    def put_bucket(self, bucket: str, parts: Iterable[pa.Table]) -> str:
        left = 0

        def before(removed: pa.Table) -> None:
            nonlocal left
            left = bury(self._tables, bucket, removed, self._departure, self._origin)

        followed = Followed(self._tables, table_key("catalog", bucket), CATALOG_CHANGES, bucket)
        _parts, report = followed.replace(lambda: parts, self._origin, before)
        raise_again(self._tables, bucket, parts)
        self._noted(report, left)
        return report.version

    def put_rejects(self, parts: Iterable[pa.Table]) -> None:
        self._tables.write(rejects_key(), reader_of(parts, REJECTS_SCHEMA))

    def put_warnings(self, parts: Iterable[pa.Table]) -> None:
        self._tables.write(warnings_key(), reader_of(parts, WARNINGS_SCHEMA))
