"""Answers of SQL, as a table for people or as CSV, JSON and Parquet for programs.

Belongs here: forms and their widths. Stays out: asking (`command.py`).
"""

import csv
import json
import sys
from datetime import datetime
from math import isnan
from typing import TYPE_CHECKING, Any

import click

from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    import pyarrow as pa

_WIDEST_CELL = 60
_PIPED_WIDTH = 200
_ROWS_AT_ONCE = 4096
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def print_table(found: "pa.Table") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(caption=f"{found.num_rows} row{'' if found.num_rows == 1 else 's'}", caption_justify="left")
    rows = found.to_pylist()
    for name in found.column_names:
        is_number = all(isinstance(row[name], int | float) for row in rows if row[name] is not None)
        table.add_column(escaped(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in found.column_names))
    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    Console(markup=False, emoji=False, width=width).print(table)  # what a model wrote is text, not markup


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    text = escaped(str(value))
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


class _Lines:
    """A file of rows that end in \\n. Told of \\r\\n, the csv module puts quotes around either character in a value."""

    def write(self, row: str) -> int:
        return sys.stdout.write(row.removesuffix("\r\n") + "\n")


def print_csv(found: "pa.Table", *, spreadsheet: bool) -> None:
    """RFC 4180, values as they are; for a spreadsheet, texts that it would run as formulas begin with an apostrophe."""
    neutral = _neutral if spreadsheet else _text_of
    writer = csv.writer(_Lines(), lineterminator="\r\n")
    writer.writerow([neutral(name) for name in found.column_names])
    for batch in found.to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = [column.to_pylist() for column in batch.columns]
        writer.writerows([neutral(_text_of(value)) for value in row] for row in zip(*columns, strict=True))


def _text_of(value: Any) -> Any:
    """Lists, structs and maps as JSON; null as nothing; all else as the csv module writes it."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    is_nothing = value is None or (isinstance(value, float) and isnan(value))
    return "" if is_nothing else value


def _neutral(value: Any) -> Any:
    """Numbers stay numbers, negative ones too."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def print_json(found: "pa.Table") -> None:
    for row in found.to_pylist():
        click.echo(json.dumps(row, ensure_ascii=False, default=str))
