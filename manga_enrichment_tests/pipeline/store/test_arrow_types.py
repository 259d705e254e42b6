"""Column descriptions as Arrow schemas."""

from pathlib import Path

import pyarrow.parquet as pq

from manga_enrichment.domain.tables.columns import Column, ListOf, StructOf
from manga_enrichment.pipeline.store.arrow_types import arrow_schema

COLUMNS = (
    Column("id", "string", "", nullable=False),
    Column("count", "int64", ""),
    Column("share", "float64", ""),
    Column("fine", "bool", ""),
    Column("at", "timestamp", ""),
    Column("day", "date", ""),
    Column("tags", ListOf("string"), "", nullable=False),
    Column("people", ListOf(StructOf((("name", "string"), ("age", "int64")))), ""),
    Column("pair", StructOf((("a", "bool"), ("b", "date"))), ""),
)


def test_every_kind_of_column_has_its_arrow_type() -> None:
    schema = arrow_schema(COLUMNS)
    assert schema.names == [column.name for column in COLUMNS]
    assert [str(field.type) for field in schema] == [
        "string",
        "int64",
        "double",
        "bool",
        "timestamp[us, tz=UTC]",
        "date32[day]",
        "list<element: string>",
        "list<element: struct<name: string, age: int64>>",
        "struct<a: bool, b: date32[day]>",
    ]
    assert [field.nullable for field in schema] == [column.nullable for column in COLUMNS]


def test_a_schema_read_back_from_parquet_is_the_one_written(tmp_path: Path) -> None:
    schema = arrow_schema(COLUMNS)
    pq.write_table(schema.empty_table(), tmp_path / "empty.parquet")
    assert pq.read_schema(tmp_path / "empty.parquet").equals(schema)
