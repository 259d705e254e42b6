"""What a table's asset shows: its columns, rows that people can read, how many there are in all partitions.

Belongs here: the forms. Stays out: which columns a table has (`pipeline/publish/tables.py`), cells of Markdown
(`defs/shared/metadata.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from manga_enrichment.defs.shared.metadata import markdown_table
from manga_enrichment.domain.tables.columns import Column
from manga_enrichment.pipeline.publish.docs import type_name

COLUMN_SCHEMA = "dagster/column_schema"
"""Dagster's own name: the UI lists the columns."""
ALL_ROWS = "rows_in_all_partitions"
"""Beside `dagster/row_count`, which is of one partition."""
PREVIEW = "preview"
_NOTHING = "–"


def columns_shown(columns: Iterable[Column]) -> dict[str, Any]:
    """Metadata of a spec."""
    return {
        COLUMN_SCHEMA: dg.TableSchema(
            [
                dg.TableColumn(
                    column.name,
                    type_name(column.type),
                    column.doc,
                    constraints=dg.TableColumnConstraints(nullable=column.nullable),
                )
                for column in columns
            ]
        )
    }


def preview_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Some rows under names without underscores, values as people write them; nothing where there are none."""
    shown = [{name.replace("_", " "): plain(value) for name, value in row.items()} for row in rows]
    return {PREVIEW: dg.MetadataValue.md(markdown_table(shown))} if shown else {}


def plain(value: Any) -> str | int:
    """A value of a table in words: lists by commas, structs by their values, shares with two decimals."""
    if value is None or value in ([], ""):
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, Mapping):
        return " ".join(str(plain(each)) for each in value.values() if each is not None)
    if isinstance(value, list | tuple):
        return ", ".join(str(plain(each)) for each in value)
    return value if isinstance(value, int) else str(value)
