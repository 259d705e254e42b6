"""Column descriptions as Arrow schemas, and columns as one array.

List items are called "element", the name that Parquet gives them, so that a table read back equals the one written.
"""

from collections.abc import Iterable

import pyarrow as pa

from manga_enrichment.domain.tables.columns import Column, ColumnType, ListOf, StructOf

_SCALARS = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Fields in the order of the columns."""
    return pa.schema([pa.field(column.name, arrow_type(column.type), column.nullable) for column in columns])


def arrow_type(column_type: ColumnType) -> pa.DataType:
    """Timestamps are microseconds UTC; struct fields and list items can be null."""
    if isinstance(column_type, ListOf):
        return pa.list_(pa.field("element", arrow_type(column_type.item)))
    if isinstance(column_type, StructOf):
        return pa.struct([(name, _SCALARS[scalar]) for name, scalar in column_type.fields])
    return _SCALARS[column_type]


def whole(column: pa.ChunkedArray) -> pa.Array:
    """In one piece, also what Arrow leaves in chunks when it is asked to combine them."""
    found = column.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)
