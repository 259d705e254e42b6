"""A sheet that people fill in: a CSV with a line a title, what a model is shown of it, and empty cells for the answer.

Belongs here: the text of a sheet. Stays out: reading a filled one (`domain/trials/truth.py`), which titles are on it
(`pipeline/trials/drawing.py`).
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.prompts.prompt import prompt_fields
from manga_enrichment.domain.tables.columns import Column

ABOUT = "about_"
"""Before the names of what is shown, so that they are never taken for the answer."""
NOTE = "note"
_FORMULA = ("=", "+", "-", "@", "\t")


def sheet(analysis: AnalysisType, columns: Sequence[Column], records: Iterable[MangaRecord]) -> str:
    """A spreadsheet takes no cell of it for a formula."""
    shown = [f"{ABOUT}{name}" for name in analysis.fields]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["manga_id", *shown, *(column.name for column in columns), NOTE])
    for record in records:
        fields = prompt_fields(record, analysis.fields)
        cells = [_cell(fields.get(name, "")) for name in analysis.fields]
        writer.writerow([record.manga_id, *cells, *([""] * (len(columns) + 1))])
    return text.getvalue()


def how_to_fill_in(columns: Sequence[Column]) -> list[str]:
    """A line a column: what may stand in it."""
    return [f"{column.name}: {column.doc}{_values(column)}" for column in columns]


def _values(column: Column) -> str:
    return f" [{', '.join(column.values)}]" if column.values else ""


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "; ".join(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
