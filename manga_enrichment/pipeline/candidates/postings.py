"""For each term the titles that have it, for questions: written beside the matrix when first needed.

Belongs here: the two arrays `asked_terms` and `asked_rows`. Stays out: questions (`asking.py`). Pair search needs no
such lists, so machines that only draw candidate lists never make them.
"""

import tempfile
from pathlib import Path

import numpy as np

from manga_enrichment.pipeline.candidates.building import ranges_of, rows_at_once
from manga_enrichment.pipeline.candidates.matrix import Matrix, mapped, owners_of
from manga_enrichment.pipeline.candidates.terms import Numbers

ENTRIES_AT_ONCE = 16_000_000
_TERMS, _ROWS = "asked_terms", "asked_rows"


class Postings:
    """The lists of a matrix."""

    def __init__(self, matrix: Matrix) -> None:
        if not (matrix.folder / _ROWS).exists():
            _write(matrix)
        self._terms = mapped(matrix.folder, _TERMS, "<i4")
        self._rows = mapped(matrix.folder, _ROWS, "<i4")

    def bounds(self, terms: Numbers) -> tuple[Numbers, Numbers]:
        """Where the lists of these terms start and end."""
        return np.searchsorted(self._terms, terms, "left"), np.searchsorted(self._terms, terms, "right")

    def rows(self, start: int, end: int) -> Numbers:
        return self._rows[start:end]


def _write(matrix: Matrix) -> None:
    """In passes over ranges of terms, so that what is sorted at once is bounded; the rows' file appears last."""
    with tempfile.TemporaryDirectory(dir=matrix.folder) as folder:
        paths = {name: Path(folder) / name for name in (_TERMS, _ROWS)}
        with paths[_TERMS].open("wb") as terms_file, paths[_ROWS].open("wb") as rows_file:
            for low, high in ranges_of(matrix.terms, ENTRIES_AT_ONCE):
                keys = np.sort(np.concatenate([np.zeros(0, np.int64), *_between(matrix, low, high)]))
                (keys >> 32).astype("<i4").tofile(terms_file)
                (keys & (2**32 - 1)).astype("<i4").tofile(rows_file)
        for name, path in paths.items():
            path.rename(matrix.folder / name)


def _between(matrix: Matrix, low: int, high: int) -> list[Numbers]:
    found = []
    for rows in rows_at_once(matrix):
        offsets, terms = matrix.entries(rows)
        own = (terms > low) & (terms <= high)
        found.append((terms[own].astype(np.int64) << 32) | rows[owners_of(offsets)[own]])
    return found
