"""Peak memory of an import of many rows, by kind of file: it should not grow with them.

Belongs here: files of any size in every kind, and what importing one takes. Stays out: one import (`one_import.py`).
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.imports.speed import SEED, imported
from benchmarks.report import Row
from benchmarks.support import REPOSITORY
from manga_enrichment.domain.tables.changes import ChangeKind
from manga_enrichment.local.sample_catalog import generate
from manga_enrichment.local.sample_catalog.generator import manga_id

MOST_BYTES = 500 * 10**6
_DIFFERENT_ROWS = 20_000
"""So many are generated; others are the same under ids of their own, since generating is slower than importing."""
_BATCH_ROWS = 10_000
_ID_STEP = 1_000_003
_SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
_KINDS_OF = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATION = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r1" Type="{_KINDS_OF}/%s" Target="%s"/></Relationships>'
)
_BOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
    "_rels/.rels": _RELATION % ("officeDocument", "xl/workbook.xml"),
    "xl/_rels/workbook.xml.rels": _RELATION % ("worksheet", "worksheets/sheet1.xml"),
    "xl/workbook.xml": (
        f'<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{_KINDS_OF}">'
        '<sheets><sheet name="catalog" sheetId="1" r:id="r1"/></sheets></workbook>'
    ),
}


def memory(rows: int, kinds: Sequence[str], folder: Path) -> Iterator[Row]:
    """A row a kind: an import that stores nothing."""
    for kind in kinds:
        path = folder / f"catalog.{kind}"
        WRITERS[kind](path, many(rows))
        yield _row(path, imported(REPOSITORY, path))
        path.unlink()


def storing(rows: int, kinds: Sequence[str], folder: Path, tree: Path) -> Iterator[Row]:
    """Two rows a kind: an import into an empty store, and the next of a file of which a hundredth is another."""
    store = folder / "store"
    for kind in kinds:
        path = folder / f"catalog.{kind}"
        for night in (1, 2):
            WRITERS[kind](path, many(rows, night))
            yield {"night": night, **_row(path, _stored(tree, path, store))}
            path.unlink()
        shutil.rmtree(store)


def _stored(tree: Path, path: Path, store: Path) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("stored_import.py")), str(path), str(store)]
    environment = {**os.environ, "PYTHONPATH": str(tree.resolve())}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _row(path: Path, result: dict[str, Any]) -> Row:
    return {
        "file": path.suffix.removeprefix("."),
        "file_mb": round(path.stat().st_size / 10**6),
        "rows": result["rows"],
        "titles": result["titles"],
        **{kind: result[kind] for kind in ChangeKind if kind in result},
        "cpu_s": round(result["import_s"], 1),
        "peak_mb": round(result["peak_bytes"] / 10**6),
        "peak_before_mb": round(result["peak_before_bytes"] / 10**6),
        "within_500_mb": "yes" if result["peak_bytes"] <= MOST_BYTES else "no",
    }


def many(rows: int, night: int = 1) -> Iterator[dict[str, Any]]:
    """Rows of a catalog, each with its own id; of a later night, a hundredth with a text of its own."""
    different = [title.row for title in generate(min(rows, _DIFFERENT_ROWS), SEED)]
    for number in range(rows):
        row = {**different[number % len(different)], "manga_id": manga_id(number * _ID_STEP)}
        if night > 1 and number % 100 == 0:
            row["synopsis"] = f"{row.get('synopsis') or ''} Night {night}."
        yield row


def _json_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _json(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        file.write(b"[" + orjson.dumps(next(rows)))
        file.writelines(b",\n" + orjson.dumps(row) for row in rows)
        file.write(b"]")


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: orjson.dumps(value).decode() if isinstance(value, list) else value
        for name, value in row.items()
        if name in _COLUMNS
    }


def _csv(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(map(_cells, rows))


def _parquet(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    schema = pa.schema([(name, pa.int64() if name in _NUMBERS else pa.string()) for name in _COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        while batch := [_cells(row) for row in islice(rows, _BATCH_ROWS)]:
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))


def _xlsx(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as book:
        for name, text in _BOOK.items():
            book.writestr(name, text)
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(_SHEET.encode())
            sheet.write(_sheet_row(dict(zip(_COLUMNS, _COLUMNS, strict=True))))
            for row in rows:
                sheet.write(_sheet_row(_cells(row)))
            sheet.write(b"</sheetData></worksheet>")


def _sheet_row(cells: dict[str, Any]) -> bytes:
    texts = [
        f"<c><v>{value}</v></c>" if isinstance(value, int) else f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        for value in (_printable(cells.get(name, "")) for name in _COLUMNS)
    ]
    return f"<row>{''.join(texts)}</row>".encode()


def _printable(value: Any) -> Any:
    """XML has no control characters."""
    return "".join(char for char in value if char >= " ") if isinstance(value, str) else value


_NUMBERS = ("volumes", "chapters", "start_year")
_COLUMNS = (
    *("manga_id", "title", "title_ja", "title_kana", "title_en", "synonyms", "authors", "publisher", "isbn13"),
    *("publisher_genres", "themes", "demographics", "content_rating", "type", "synopsis", "status", "source"),
    *("source_id", "updated_at", *_NUMBERS),
)
WRITERS: dict[str, Callable[[Path, Iterator[dict[str, Any]]], None]] = {
    "jsonl": _json_lines,
    "json": _json,
    "csv": _csv,
    "parquet": _parquet,
    "xlsx": _xlsx,
}
