"""Parquet: rows by batch.

Belongs here: types that Python cannot hold, text that is stored as bytes. Stays out: decompression (`opening.py`).
"""

from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from manga_enrichment.domain.catalog.rows import RejectReason, raw_json
from manga_enrichment.pipeline.catalog.files.opening import open_seekable
from manga_enrichment.pipeline.catalog.files.rows import Reading, Rows, SourceRow, rejected

_BATCH_ROWS = 1024


def parquet_rows(path: Path, reading: Reading) -> Rows:
    with open_seekable(path) as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
        reading.mapping.check_columns(file.schema_arrow.names)
        number = 0
        for batch in file.iter_batches(_BATCH_ROWS):
            for values in _batch_rows(_readable_types(batch)):
                number += 1
                if isinstance(values, bytes):
                    yield rejected(number, RejectReason.UNREADABLE_VALUE, values)
                else:
                    yield SourceRow(number, values, raw_json(values).encode())


def _batch_rows(batch: pa.RecordBatch) -> list[dict[str, Any] | bytes]:
    """Rows as dictionaries; Arrow's own text of one whose values Python cannot hold (a date in the year 300000)."""
    try:
        return list(batch.to_pylist())
    except (ValueError, OverflowError):
        return [_single_row(batch.slice(index, 1)) for index in range(batch.num_rows)]


def _single_row(batch: pa.RecordBatch) -> dict[str, Any] | bytes:
    try:
        return cast("dict[str, Any]", batch.to_pylist()[0])
    except (ValueError, OverflowError):
        return str(batch.to_struct_array()).encode("utf-8", "backslashreplace")


def _readable_types(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Timestamps in microseconds, for nanoseconds would become pandas objects; text that lacks its type as text."""
    for index, field in enumerate(batch.schema):
        column = batch.column(index)
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            column = column.cast(pa.timestamp("us", tz=field.type.tz), safe=False)
        elif pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            column = pa.array([None if text is None else _text(text) for text in column.to_pylist()], pa.string())
        else:
            continue
        batch = batch.set_column(index, field.with_type(column.type), column)
    return batch


def _text(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
