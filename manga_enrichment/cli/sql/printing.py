"""Answers of SQL, as a table for people or as CSV, JSON and Parquet for programs.

Belongs here: forms and their widths. Stays out: asking (`command.py`).
"""

import csv
import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

from manga_enrichment.domain.text.csv_cells import csv_cell, spreadsheet_cell
from manga_enrichment.domain.text.shown import escaped

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

_WIDEST_CELL = 60
_NARROWEST_TEXT = 16
_LONGEST_WORD = 24
_ROWS_AT_ONCE = 4096


def print_table(found: "pa.Table", *, wide: bool, terminal: TextIO | None = None, columns: int | None = None) -> None:
    """A table that fits the terminal, or a block a row where none can; full texts where it is `wide` or piped.

    terminal, columns: stdout and its own, unless given.
    """
    from rich.console import Console

    names = [escaped(name) for name in found.column_names]
    values = [column.to_pylist() for column in found.columns]
    is_whole = wide or (terminal is None and not sys.stdout.isatty())
    cells = [[_cell(value, name) for value in column] for name, column in zip(names, values, strict=True)]
    console = Console(file=terminal, width=columns, markup=False, emoji=False)  # what a model wrote is text, not markup
    rigid = [_is_rigid(column, shown) for column, shown in zip(values, cells, strict=True)]
    least = [
        _width(name, shown, fits=not is_whole, rigid=r) for name, shown, r in zip(names, cells, rigid, strict=True)
    ]
    needed = sum(least) + 3 * len(names) + 1
    if is_whole:
        console.width = max(needed, 40)
    elif needed > console.width:
        _print_blocks(console, names, cells)
        return
    else:
        cells = [[_cut(cell) for cell in shown] for shown in cells]
    _print_rows(console, names, cells, [(r, w, _are_numbers(v)) for r, w, v in zip(rigid, least, values, strict=True)])


def _print_rows(
    console: "Console", names: Sequence[str], cells: Sequence[Sequence[str]], kinds: Sequence[tuple[bool, int, bool]]
) -> None:
    """kinds: of each column whether it may not be broken, its least width, whether it has numbers."""
    from rich.table import Table

    table = Table(caption=_rows_of(cells), caption_justify="left")
    for name, (rigid, width, numbers) in zip(names, kinds, strict=True):
        justify, overflow = ("right" if numbers else "left"), "fold"
        table.add_column(name, justify=justify, overflow=overflow, no_wrap=rigid, min_width=width)  # type: ignore[arg-type]
    for row in zip(*cells, strict=True):
        table.add_row(*row)
    console.print(table)


def _print_blocks(console: "Console", names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """More columns than a line holds: each row as lines of name and value, in full."""
    from rich.table import Table

    for number, row in enumerate(zip(*cells, strict=True), 1):
        console.rule(f"{number} of {len(cells[0])}", align="left", characters="─")
        block = Table.grid(padding=(0, 2))
        block.add_column(no_wrap=True)
        block.add_column(overflow="fold")
        for name, cell in zip(names, row, strict=True):
            block.add_row(name, cell)
        console.print(block)
    console.print(_rows_of(cells))


def _rows_of(cells: Sequence[Sequence[str]]) -> str:
    count = len(cells[0]) if cells else 0
    return f"{count} row{'' if count == 1 else 's'}"


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values if value is not None)


def _is_rigid(values: Sequence[Any], shown: Sequence[str]) -> bool:
    """Numbers, times, ids and single words: half of one says something else, so it is not broken."""
    return all(isinstance(value, int | float | date) for value in values if value is not None) or all(
        len(cell) <= _LONGEST_WORD and not any(map(str.isspace, cell)) for cell in shown
    )


def _width(name: str, shown: Sequence[str], *, fits: bool, rigid: bool) -> int:
    """The least that a column may have. fits: texts may be broken, so that the table fits."""
    from rich.cells import cell_len

    widest = max(map(cell_len, shown), default=0)
    return max(widest, cell_len(name)) if rigid or not fits else max(min(widest, _NARROWEST_TEXT), cell_len(name))


def _cell(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return _number(value, name)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return escaped(str(csv_cell(value)))


def _number(value: float, name: str) -> str:
    """Money to the micro-dollar; of all else six digits, and none that stands before the point is left out."""
    if "usd" in name.lower():
        return f"{value:.6f}"
    return f"{value:.0f}" if abs(value) >= 1e6 else f"{value:.6g}"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"


class _Lines:
    """A file of rows that end in \\n. Told of \\r\\n, the csv module puts quotes around either character in a value."""

    def write(self, row: str) -> int:
        return sys.stdout.write(row.removesuffix("\r\n") + "\n")


def print_csv(found: "pa.Table", *, spreadsheet: bool) -> None:
    """RFC 4180, values as they are; for a spreadsheet, texts that it would run as formulas begin with an apostrophe."""
    cell = spreadsheet_cell if spreadsheet else csv_cell
    writer = csv.writer(_Lines(), lineterminator="\r\n")
    writer.writerow(map(cell, found.column_names))
    for batch in found.to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = [column.to_pylist() for column in batch.columns]
        writer.writerows(map(cell, row) for row in zip(*columns, strict=True))


def print_json(found: "pa.Table") -> None:
    for row in found.to_pylist():
        click.echo(json.dumps(row, ensure_ascii=False, default=str))


def print_parquet(found: "pa.Table") -> None:
    """Raises UsageError on a terminal, which would show none of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if sys.stdout.isatty():
        raise click.UsageError("--format parquet is for a file: add > FILE.parquet")
    sink = pa.BufferOutputStream()
    pq.write_table(found, sink)
    sys.stdout.buffer.write(sink.getvalue())
