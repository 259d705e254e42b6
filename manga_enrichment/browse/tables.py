"""The published tables as views of a DuckDB connection over the local copy.

Belongs here: names, types, views, what a connection may. Stays out: the files (`local_copy.py`), questions.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from manga_enrichment.browse.local_copy import Copy
from manga_enrichment.domain.tables.columns import ColumnType, ListOf, StructOf
from manga_enrichment.pipeline.publish.tables import PublishedTable

_SCALARS = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
    "date": "DATE",
}


def names_of(published: Iterable[PublishedTable]) -> list[str]:
    """All names that may stand in a query, the objects of a table that gives each row once included."""
    return [name for table in published for name in dict.fromkeys((table.name, table.objects_name))]


def connect(
    *,
    memory_mb: int,
    threads: int,
    database: str = ":memory:",
    spill: Path | None = None,
    is_read_only: bool = False,
) -> duckdb.DuckDBPyConnection:
    """A connection that fetches no extensions. spill: where what does not fit into memory goes; None: nowhere."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "python_enable_replacements": "false",
        "memory_limit": f"{memory_mb}MB",
        "threads": str(threads),
        "preserve_insertion_order": "false",
        "temp_directory": "" if spill is None else str(spill),
    }
    connection = duckdb.connect(database, read_only=is_read_only, config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def view_statements(published: Iterable[PublishedTable], copy: Copy) -> list[str]:
    """SQL that makes each table under its name; one that nothing was written to is empty."""
    statements = []
    for table in published:
        rows = _files_sql(table, [str(file.local) for file in copy.of(table.name)])
        statements.append(f'CREATE OR REPLACE VIEW "{table.objects_name}" AS {rows}')
        if table.once:
            statements.append(f'CREATE OR REPLACE VIEW "{table.name}" AS {table.view_sql}')
    return statements


def _files_sql(table: PublishedTable, files: Sequence[str]) -> str:
    if not files:
        return _empty_sql(table)
    paths = ", ".join(quoted(path) for path in files)
    types = ", ".join(f"'{key.value}': VARCHAR" for key in table.partition_keys)
    hive = f"hive_partitioning = true, hive_types = {{{types}}}" if types else "hive_partitioning = false"
    return f"SELECT * FROM read_parquet([{paths}], {hive})"  # noqa: S608 (paths of ours, quoted)


def _empty_sql(table: PublishedTable) -> str:
    in_path = [key.value for key in table.partition_keys]
    columns = [f'NULL::{_sql_type(each.type)} AS "{each.name}"' for each in table.columns if each.name not in in_path]
    columns += [f'NULL::VARCHAR AS "{key}"' for key in in_path]
    return f"SELECT {', '.join(columns)} WHERE false"


def _sql_type(column_type: ColumnType) -> str:
    if isinstance(column_type, ListOf):
        return f"{_sql_type(column_type.item)}[]"
    if isinstance(column_type, StructOf):
        fields = ", ".join(f'"{name}" {_SCALARS[scalar]}' for name, scalar in column_type.fields)
        return f"STRUCT({fields})"
    return _SCALARS[column_type]


def quoted(text: str) -> str:
    """As a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
