"""One JSON document with all rows in a list, streamed: it is never held whole.

Belongs here: the path to the rows. Stays out: a value a line (`json_lines.py`).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ijson

from manga_enrichment.domain.catalog.rows import raw_json
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.opening import open_utf_8
from manga_enrichment.pipeline.catalog.files.rows import Reading, Rows, SourceRow


def json_document_rows(path: Path, reading: Reading) -> Rows:
    """Raises ConfigurationError where the document ends early, is no JSON, or has no list at the path."""
    root = "" if _is_list(path, reading) else reading.mapping.rows_path
    try:
        with open_utf_8(path, reading) as stream:
            number = nulls = 0
            for number, values in enumerate(ijson.items(stream, f"{root}.item" if root else "item"), 1):
                if values is None:  # as an empty line
                    nulls += 1
                else:
                    yield SourceRow(number, values, raw_json(values).encode())
        if nulls:
            reading.say(f"{path.name}: {nulls} of {number} rows are null")
        if number == 0:
            raise ConfigurationError(
                f"MANGA_CATALOG_URI names a JSON document without rows {f'at {root!r}' if root else 'in a list'} "
                f'({_outline(path, reading)}): name the path to its list as "$rows" in MANGA_CATALOG_MAPPING'
            )
    except ijson.JSONError as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigurationError(f"MANGA_CATALOG_URI names a file that is no whole JSON ({reason})") from error


def _is_list(path: Path, reading: Reading) -> bool:
    """Presets name the path in a whole answer; many keep only its list."""
    with open_utf_8(path, replace(reading, say=lambda _line: None)) as stream:
        return stream.read(4096).lstrip()[:1] == b"["


def _outline(path: Path, reading: Reading) -> str:
    found = lists_of(path, reading)
    return f"lists are at {', '.join(map(repr, found))}" if found else "it has no list"


def lists_of(path: Path, reading: Reading) -> list[str]:
    """Where the lists of the document are, "" for the document itself. Raises ConfigurationError."""
    try:
        with open_utf_8(path, replace(reading, say=lambda _line: None)) as stream:
            return list(_lists(ijson.parse(stream)))
    except ijson.JSONError as error:
        raise ConfigurationError(f"MANGA_CATALOG_URI names a file that is no whole JSON ({error})") from error


def _lists(events: Iterator[tuple[str, str, Any]]) -> Iterator[str]:
    seen = set()
    for prefix, event, _value in events:
        if event == "start_array" and "item" not in prefix.split(".") and prefix not in seen:
            seen.add(prefix)
            yield prefix
