"""Rows of local catalog files, streamed: the reader for each kind, the mapping's file.

Belongs here: which reader reads what, errors of a whole file. Stays out: the readers (`files/`), what a row means
(`domain/catalog/rows.py`) and where the files come from (a CatalogSource).

A row that cannot be parsed is handed on as rejected, with its text; only a file that cannot be read at all ends the
import, with one ConfigurationError.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.catalog.mapping import MAPPING_SETTING, SAME_NAMES, ColumnMapping
from manga_enrichment.domain.catalog.rows import RejectedRow
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.gateways.catalog_source import CATALOG_KINDS
from manga_enrichment.pipeline.catalog.files.delimited import delimited_rows
from manga_enrichment.pipeline.catalog.files.json_document import json_document_rows
from manga_enrichment.pipeline.catalog.files.json_lines import json_lines_rows
from manga_enrichment.pipeline.catalog.files.onix import onix_rows
from manga_enrichment.pipeline.catalog.files.opening import kind_of
from manga_enrichment.pipeline.catalog.files.parquet import parquet_rows
from manga_enrichment.pipeline.catalog.files.rows import DEFAULT_READING, Reader, Reading, Rows
from manga_enrichment.pipeline.catalog.files.spreadsheet import spreadsheet_rows

_PRESETS = package_files("manga_enrichment.pipeline.catalog") / "presets"
_READERS: dict[str, Reader] = {
    ".csv": delimited_rows,
    ".tsv": delimited_rows,
    ".jsonl": json_lines_rows,
    ".ndjson": json_lines_rows,
    ".json": json_document_rows,
    ".parquet": parquet_rows,
    ".xlsx": spreadsheet_rows,
    ".xml": onix_rows,
}


def read_rows(path: Path, reading: Reading = DEFAULT_READING, *, uri: str | None = None) -> Rows:
    """Rows of the file in order; empty lines are skipped.

    uri is what errors call the file, when `path` is only a copy. Raises ConfigurationError, at once or while reading,
    when the file is missing, unreadable, of an unknown kind, or lacks a mapped or required column.
    """
    name = uri or str(path)
    reader = _READERS.get(kind_of(path))
    if reader is None:
        raise ConfigurationError(
            f"MANGA_CATALOG_URI={name} has an unknown extension: it must be one of {', '.join(CATALOG_KINDS)}, "
            "with or without .gz or .zst"
        )
    if not path.is_file():
        found = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise ConfigurationError(f"MANGA_CATALOG_URI={name} {found}: correct MANGA_CATALOG_URI")
    return _readable(reader(path, reading), name)


def read_files(paths: Sequence[Path], reading: Reading = DEFAULT_READING, *, uri: str) -> Rows:
    """Rows of all files as of one: row numbers go on from file to file, each from the last of the one before."""
    last = 0
    for path in paths:
        before = last
        for row in read_rows(path, reading, uri=uri if len(paths) == 1 else f"{uri} ({path.name})"):
            if isinstance(row, RejectedRow):
                last = before + row.row_number
                yield replace(row, row_number=last) if before else row
            else:
                last = before + row.number
                yield row._replace(number=last) if before else row
        if len(paths) > 1:
            reading.say(f"{path.name}: rows {before + 1} to {last}")


def load_mapping(file_name: str, preset: str = "") -> ColumnMapping:
    """The mapping in a JSON file, over a preset's where one is named; "" and "" is a source with our own names.

    Raises ConfigurationError.
    """
    if not file_name and not preset:
        return SAME_NAMES
    under = load_preset(preset) if preset else {}
    try:
        own = json.loads(Path(file_name).read_text("utf-8-sig")) if file_name else {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{MAPPING_SETTING}={file_name} cannot be read as JSON ({error})") from error
    return ColumnMapping.from_json(own, under)


def preset_names() -> list[str]:
    return sorted(path.name.removesuffix(".json") for path in _PRESETS.iterdir() if path.name.endswith(".json"))


def load_preset(name: str) -> dict[str, Any]:
    """The mapping for a well-known source. Raises ConfigurationError."""
    if name not in preset_names():
        raise ConfigurationError(f"MANGA_CATALOG_PRESET={name} is not one of {', '.join(preset_names())}")
    return dict(json.loads((_PRESETS / f"{name}.json").read_text("utf-8")))


def _readable(rows: Rows, name: str) -> Rows:
    try:
        yield from rows
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise ConfigurationError(
            f"MANGA_CATALOG_URI={name} cannot be read ({' '.join(str(error).split())[:300]}): "
            "correct the file or MANGA_CATALOG_URI"
        ) from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} (reading {name})") from None
