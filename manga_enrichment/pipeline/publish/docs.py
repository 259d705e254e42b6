"""`docs/tables.md`, generated from what the Parquet schemas are made from; a test holds file and code together."""

from collections.abc import Sequence

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.tables.columns import ColumnType, ListOf, StructOf
from manga_enrichment.pipeline.publish.tables import PublishedTable, published_tables
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT

_HEAD = """# Tables

Parquet on S3, zstd, sorted by `manga_id`, one object per table and bucket, each replaced whole: a reader sees the old
version or the new one, never half. The partition key is in the path, not in the file. All times are UTC. Generated with
`manga-enrichment table-docs`.
"""
_ONCE = """A row may lie in several of its objects. `manga-enrichment sql` and Athena give each once; whoever reads the
objects themselves, here called `{name}_objects`, says ([analysts.md](analysts.md) has it for pandas):"""


def tables_markdown(analyses: Sequence[AnalysisType]) -> str:
    """The whole document."""
    return "\n".join([_HEAD, *map(_section, published_tables(analyses))])


def _section(table: PublishedTable) -> str:
    folders = "".join(f"{key.value}=<{'d' if key.is_day else key.value[0]}>/" for key in table.partition_keys)
    lines = [
        f"## {table.name}",
        "",
        table.description,
        "",
        f"`{TABLES_ROOT}/{table.name}/{folders}{table.file_name}`",
        "",
        *([_ONCE.format(name=table.name), "", "```sql", table.view_sql, "```", ""] if table.once else []),
        "| column | type | meaning |",
        "|---|---|---|",
    ]
    for column in table.columns:
        null = "" if column.nullable else ", never null"
        lines.append(f"| {column.name} | {type_name(column.type)}{null} | {column.doc.replace('|', '¦')} |")
    return "\n".join([*lines, ""])


def type_name(column_type: ColumnType) -> str:
    """As people read it: list<string>, struct<genre string, confidence float64>."""
    if isinstance(column_type, ListOf):
        return f"list<{type_name(column_type.item)}>"
    if isinstance(column_type, StructOf):
        return f"struct<{', '.join(f'{name} {kind}' for name, kind in column_type.fields)}>"
    return column_type
