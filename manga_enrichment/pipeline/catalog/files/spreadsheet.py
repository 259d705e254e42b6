"""Excel: the first sheet, under its first row that is not empty.

Belongs here: what a spreadsheet makes of values. Stays out: rows of text (`delimited.py`).

The reader holds the whole sheet, which has a million rows at most. It ignores the dimension that a sheet states, which
some writers get wrong.
"""

from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

from manga_enrichment.domain.catalog.rows import raw_json
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.opening import open_seekable
from manga_enrichment.pipeline.catalog.files.rows import Reading, Rows, SourceRow

Cell = int | float | str | bool | time | date | datetime | timedelta


def spreadsheet_rows(path: Path, reading: Reading) -> Rows:
    with open_seekable(path) as stream:
        try:
            book = CalamineWorkbook.from_filelike(stream)
            sheet = book.get_sheet_by_index(0)
        except (CalamineError, OSError) as error:
            raise ConfigurationError(f"MANGA_CATALOG_URI names a spreadsheet that cannot be read ({error})") from error
        if len(book.sheet_names) > 1:
            reading.say(f"{path.name} has {len(book.sheet_names)} sheets; {sheet.name!r}, the first, is read")
        rows = iter(sheet.iter_rows())
        header: list[str] = []
        while not any(header):
            row = next(rows, None)
            if row is None:
                break
            header = [str(cell).strip() for cell in row]
        reading.mapping.check_columns(header)
        for number, row in enumerate(rows, 1):
            values = {name: _value(cell) for name, cell in zip(header, row, strict=False) if name}
            if any(value != "" for value in values.values()):
                yield SourceRow(number, values, raw_json(values).encode())


def _value(cell: Cell) -> Cell:
    """Excel has no integers: 42.0 is one, and an ISBN too."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53 else cell
