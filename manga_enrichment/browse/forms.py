"""Rows as they leave: CSV, JSON lines, Parquet, cells of a page.

Belongs here: values in each form. Stays out: which rows (`sql_box.py`), markup (`templates/`).
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manga_enrichment.domain.text.csv_cells import csv_cell, spreadsheet_cell


def csv_bytes(table: pa.Table, *, is_for_spreadsheet: bool = False) -> bytes:
    """Lists and structs are JSON. For a spreadsheet, texts that it would run as formulas begin with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    cell = spreadsheet_cell if is_for_spreadsheet else csv_cell
    writer.writerow(map(cell, table.column_names))
    writer.writerows(map(cell, row) for row in rows_of(table))
    return out.getvalue().encode()


def json_bytes(table: pa.Table) -> bytes:
    """An object a line."""
    names = table.column_names
    lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=str) for row in rows_of(table))
    return "".join(f"{line}\n" for line in lines).encode()


def parquet_bytes(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


FORMS: Mapping[str, tuple[str, str, Callable[[pa.Table], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", "csv", csv_bytes),
    "spreadsheet": ("text/csv; charset=utf-8", "csv", lambda table: csv_bytes(table, is_for_spreadsheet=True)),
    "json": ("application/x-ndjson", "jsonl", json_bytes),
    "parquet": ("application/vnd.apache.parquet", "parquet", parquet_bytes),
}
"""Name -> media type, end of the file's name, what makes it."""


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    if not table.num_columns:
        return []
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def shown(value: Any) -> str:
    """A value for people, as text that is yet to be escaped."""
    if value is None:
        return "–"
    said = next((say for kind, say in _SAID.items() if isinstance(value, kind)), str)
    return said(value)


_SAID: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: "yes" if value else "no",
    float: "{:.4g}".format,
    datetime: "{:%Y-%m-%d %H:%M:%S}".format,
    str: str,
    Mapping: lambda value: " ".join(shown(each) for each in value.values() if each is not None),
    Sequence: lambda value: ", ".join(map(shown, value)) or "none",
}
