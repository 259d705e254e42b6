"""Columns of the tables that say what changed, and of the one of titles that are gone.

Belongs here: names, kinds and reasons. Stays out: comparing (`pipeline/changes/compare.py`), storing
(`pipeline/changes/replace.py`, `pipeline/changes/tombstones.py`).
"""

from enum import StrEnum

from manga_enrichment.domain.tables.columns import Column, ListOf, StructOf
from manga_enrichment.domain.tables.shared_columns import MANGA_ID_COLUMN

CATALOG_CHANGES = "catalog_changes"
ENRICHED_CHANGES = "enriched_changes"
TOMBSTONES = "catalog_tombstones"


class ChangeKind(StrEnum):
    """What became of a title in a table."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class LeftBecause(StrEnum):
    """Why a title is in the catalog no more."""

    NOT_IN_SOURCE = "not_in_source"
    SOURCE_REPLACED = "source_replaced"
    REJECTED = "rejected"


CHANGE_COLUMNS = (
    MANGA_ID_COLUMN,
    Column("kind", "string", "added, changed or removed", nullable=False, values=tuple(ChangeKind)),
    Column("field", "string", "column that changed, one row each; null for a title that was added or removed"),
    Column("from_value", "string", "value before as JSON; of a removed title its row, without nulls"),
    Column("to_value", "string", "value after as JSON; of an added title its row, without nulls"),
    Column("bucket", "string", "bucket of the title", nullable=False),
    Column("version", "string", "version of the bucket's table that has the change", nullable=False),
    Column("previous_version", "string", "version it was compared with; null for a bucket's first"),
    Column("dagster_run_id", "string", "run that wrote the table; `correction` where an editor did", nullable=False),
    Column("changed_at", "timestamp", "when it was compared (UTC); later in every later version", nullable=False),
)
"""The first five are of a comparison, the others the same for all rows of one."""

TOMBSTONE_COLUMNS = (
    MANGA_ID_COLUMN,
    Column("title", "string", "its main title", nullable=False),
    Column("left_at", "timestamp", "when the catalog was imported without it (UTC)", nullable=False),
    Column(
        "reason",
        "string",
        "not_in_source; source_replaced: MANGA_CATALOG_URI is another; rejected: its row is no title now",
        nullable=False,
        values=tuple(LeftBecause),
    ),
    Column("detail", "string", "why it was rejected, as in `catalog_rejects`; the source it is not in", nullable=False),
    Column(
        "outcomes",
        ListOf(StructOf((("analysis", "string"), ("outcome", "string"), ("reason", "string")))),
        "its rows of `outcomes` when it left",
        nullable=False,
    ),
    Column("last_row", "string", "its row of `enriched_catalog` when it left, else of `catalog`: JSON", nullable=False),
    Column("dagster_run_id", "string", "run that imported the catalog without it", nullable=False),
)
