"""What each preset keeps of its source, by a comparison that knows nothing of the mapping.

    python -m benchmarks.imports.presets                               # the small files of the tests, one a preset
    python -m benchmarks.imports.presets --preset jikan --file FILE    # of an export of one's own
    python -m benchmarks.imports.presets --mapping MAPPING --file FILE

Rows, titles, rejects and warnings of an import, and the CPU seconds from the file to the titles; then, of 20 random
rows, every value of the source is looked for in the
title made of it (kept, or the path of what is not), and every value of the title in the source; what is
not there is set by the mapping: constants, codes that it translates, months of a moment.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from benchmarks.report import Row, show
from benchmarks.support import REPOSITORY
from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.catalog.warnings import RowWarning
from manga_enrichment.pipeline.catalog.files.rows import Reading, SourceRow
from manga_enrichment.pipeline.catalog.source_files import load_mapping, preset_names, read_rows

SHAPES = REPOSITORY / "manga_enrichment_tests" / "pipeline" / "catalog" / "preset_shapes"
COMPARED_ROWS = 20
_SEED = 19


def main() -> None:
    """Print the tables and the JSON lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", choices=preset_names())
    parser.add_argument("--file", type=Path, help="an export; without it the small file of the tests")
    parser.add_argument("--mapping", default="", help="of a file whose source has no preset")
    given = parser.parse_args()
    if given.mapping:
        show("presets", [_row(Path(given.mapping).stem, load_mapping(given.mapping), given.file)])
        return
    presets = [given.preset] if given.preset else preset_names()
    files = {preset: given.file or next(SHAPES.glob(f"{preset}.*")) for preset in presets}
    show("presets", [_row(preset, load_mapping("", preset), file) for preset, file in files.items()])


def _row(name: str, mapping: ColumnMapping, file: Path) -> Row:
    warnings: list[RowWarning] = []
    started = time.process_time()
    rows = list(read_rows(file, Reading(mapping)))
    cleaned = [_cleaned(row, mapping, warnings) for row in rows]
    seconds = time.process_time() - started
    pairs = [pair for pair in cleaned if pair is not None]
    compared = random.Random(_SEED).sample(pairs, min(COMPARED_ROWS, len(pairs)))
    lost: Counter[str] = Counter()
    kept = added = 0
    for values, record in compared:
        title = " ".join(_texts(astuple(record)))
        source = " ".join(text for _, text in _leaves(values))
        for path, text in _leaves(values):
            if _is_said(text, title):
                kept += 1
            else:
                lost[path] += 1
        added += sum(not _is_said(text, source) for text in _texts(astuple(record)[1:]))
    left_out = ", ".join(f"{path} {count}" for path, count in lost.most_common(12))
    counts = {"rows": len(rows), "titles": len({record.manga_id for _, record in pairs}), "warnings": len(warnings)}
    found = {
        "rejects": len(rows) - len(pairs),
        "compared": len(compared),
        "values_kept": kept,
        "set_by_mapping": added,
        "cpu_s": round(seconds, 2),
    }
    return {"preset": name, **counts, **found, "left_out": left_out}


def _cleaned(row: object, mapping: ColumnMapping, warnings: list[RowWarning]) -> tuple[Any, MangaRecord] | None:
    if not isinstance(row, SourceRow):
        return None
    record = clean_row(row.values, row.number, mapping, warnings.append)
    return (row.values, record) if isinstance(record, MangaRecord) else None


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of every single value that says something; places in lists are not told apart."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, path)
    elif value not in (None, "", False):
        yield path, str(value)


def _texts(values: Any) -> list[str]:
    return [text for _, text in _leaves(values)]


def _is_said(text: str, within: str) -> bool:
    """Whether all words and numbers of the text are there; "3.0" is 3, and a date has its year."""
    words = [word for word in _words(text) if word]
    there = set(_words(within))
    return any(word in there or word in within for word in words[:1]) and sum(
        word in there or word in within for word in words
    ) * 2 >= len(words)


def _words(text: str) -> list[str]:
    spaced = "".join(char if char.isalnum() else " " for char in text.casefold())
    return [word.removesuffix(".0") for word in spaced.split()]


if __name__ == "__main__":
    main()
