"""Writing a matrix: one pass over the titles, then counting, norms and works.

Belongs here: the order of the passes and their bounds in memory. Stays out: what the arrays mean (`matrix.py`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.prompts.candidates import candidate_of
from manga_enrichment.pipeline.candidates.matrix import ARRAYS, ID_PREFIX, MANIFEST, Matrix
from manga_enrichment.pipeline.candidates.method import METHOD_VERSION
from manga_enrichment.pipeline.candidates.terms import HASH_BITS, Block, Numbers, block_of, is_japanese, terms_of

Digested = tuple[MangaRecord, int]
"""A record and the digest of what it is compared by."""

TITLES_AT_ONCE = 2_000
ENTRIES_AT_ONCE = 2_000_000
COUNTED_AT_ONCE = 12_000_000
SAMPLE = 100_000


class MatrixWriter:
    """Titles one after the other into the arrays of an empty folder; `finish` makes the rest of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = ("ids", "digests", "japanese", "norms", "offsets", "terms", "text_offsets", "texts")
        self._files: dict[str, BinaryIO] = {name: (folder / name).open("wb") for name in names}
        self._ends = {"offsets": 0, "text_offsets": 0}
        for name in self._ends:
            self._put(name, [0])
        self.titles = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for file in self._files.values():
            file.close()

    def add(self, titles: Iterable[Digested]) -> None:
        """Cut and append them, a few thousand at a time."""
        waiting = iter(titles)
        while batch := list(islice(waiting, TITLES_AT_ONCE)):
            records = [record for record, _ in batch]
            offsets, terms = terms_of(records)
            self._put("terms", terms)
            self._put_ends("offsets", np.diff(offsets))
            shown = [candidate_of(record) for record in records]
            texts = [f"{each.title}\0{each.hint}".encode("utf-8", "replace") for each in shown]
            self._put("texts", np.frombuffer(b"".join(texts), np.uint8))
            self._put_ends("text_offsets", np.array([len(text) for text in texts]))
            self._put("ids", [record.manga_id.removeprefix(ID_PREFIX).encode() for record in records])
            self._put("digests", np.array([digest for _, digest in batch], np.uint64))
            self._put("japanese", [is_japanese(record.title) for record in records])
            self.titles += len(batch)

    def copy(self, old: Matrix, rows: Numbers) -> None:
        """Append these rows as they are in another matrix, whose counts `finish` must then take over."""
        for some in np.array_split(rows, 1 + len(rows) // TITLES_AT_ONCE):
            offsets, terms = old.entries(some)
            self._put("terms", terms)
            self._put_ends("offsets", np.diff(offsets))
            lengths, texts = old.texts_of(some)
            self._put("texts", texts)
            self._put_ends("text_offsets", lengths)
            self._put("ids", old.ids[some])
            self._put("digests", old.digests[some])
            self._put("japanese", old.japanese[some])
            self._put("norms", old.norms[some])
        self.titles += len(rows)

    def finish(self, about: Mapping[str, Any], counted: Matrix | None = None) -> Matrix:
        """Count terms, or take over how they were counted in another matrix; norms; works; the manifest, last."""
        self.__exit__()
        copied = (self._folder / "norms").stat().st_size // (4 * len(Block))
        known, counts = counts_of(self._folder) if counted is None else _taken_over(self._folder, counted, copied)
        for name, values in (("known", known), ("counts", counts), ("works", np.zeros(self.titles))):
            np.asarray(values, ARRAYS[name]).tofile(self._folder / name)
        titles = self.titles if counted is None else counted.manifest["counted"]
        manifest = {**about, "method": METHOD_VERSION, "titles": self.titles, "counted": titles}
        (self._folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
        with (self._folder / "norms").open("ab") as file:
            file.truncate(4 * len(Block) * self.titles)
        matrix = Matrix(self._folder)
        _write_norms(matrix, copied)
        _works(matrix).astype(ARRAYS["works"]).tofile(self._folder / "works")
        return Matrix(self._folder)

    def _put(self, name: str, values: Numbers | Sequence[Any]) -> None:
        np.asarray(values, ARRAYS[name]).tofile(self._files[name])

    def _put_ends(self, name: str, lengths: Numbers) -> None:
        ends = self._ends[name] + np.cumsum(lengths)
        self._put(name, ends)
        self._ends[name] = int(ends[-1]) if len(ends) else self._ends[name]


def counts_of(folder: Path, at_once: int = COUNTED_AT_ONCE) -> tuple[Numbers, Numbers]:
    """Terms of two and more titles and their counts; in several passes, since all entries do not fit into memory."""
    entries = np.memmap(folder / "terms", ARRAYS["terms"]) if (folder / "terms").stat().st_size else np.zeros(0, "<i4")
    known, counts = [], []
    for low, high in ranges_of(entries, at_once):
        own = np.concatenate([some[(some > low) & (some <= high)] for some in _pieces(entries)] or [entries])
        own.sort()
        starts = np.append(0, 1 + np.flatnonzero(own[1:] != own[:-1]))[: len(own)]
        titles = np.diff(starts, append=len(own))
        known.append(own[starts][titles > 1])
        counts.append(titles[titles > 1].astype(np.int32))
    return np.concatenate(known), np.concatenate(counts)


def ranges_of(terms: Numbers, at_once: int) -> Iterator[tuple[int, int]]:
    """(low, high) of ranges, ascending, that together hold all terms, each about `at_once` of these: low < term <=
    high."""
    passes = 1 + len(terms) // at_once
    sample = np.asarray(terms[:: max(1, len(terms) // SAMPLE)])
    inner = np.quantile(sample, np.arange(1, passes) / passes).astype(np.int64) if passes > 1 else np.zeros(0, np.int64)
    return pairwise([-1, *inner.tolist(), 2**31])


def _taken_over(folder: Path, old: Matrix, copied: int) -> tuple[Numbers, Numbers]:
    """As they were counted, and the terms of rows behind the copied that nobody knew, as of one title: two of today's
    titles may meet by them."""
    start = int(np.memmap(folder / "offsets", ARRAYS["offsets"])[copied])
    terms = np.fromfile(folder / "terms", ARRAYS["terms"], offset=4 * start)
    terms = np.unique(terms)
    new = terms[~old.knows(terms)]
    places = np.searchsorted(old.known, new)
    return np.insert(old.known, places, new), np.insert(old.counts, places, 1)


def _pieces(entries: Numbers) -> Iterator[Numbers]:
    return (np.asarray(entries[at : at + ENTRIES_AT_ONCE]) for at in range(0, len(entries), ENTRIES_AT_ONCE))


def rows_at_once(matrix: Matrix, start: int = 0, entries: int = ENTRIES_AT_ONCE) -> Iterator[Numbers]:
    """All rows from `start` on in order, about so many entries at a time."""
    while start < len(matrix):
        end = int(np.searchsorted(matrix.offsets, matrix.offsets[start] + entries, "right")) - 1
        end = min(len(matrix), max(start + 1, end))
        yield np.arange(start, end)
        start = end


def _write_norms(matrix: Matrix, copied: int) -> None:
    with (matrix.folder / "norms").open("r+b") as file:
        file.seek(4 * len(Block) * copied)
        for rows in rows_at_once(matrix, copied):
            offsets, terms = matrix.entries(rows)
            cells = np.repeat(np.arange(len(rows)) * len(Block), np.diff(offsets)) + block_of(terms)
            squares = np.bincount(cells, matrix.idf(terms) ** 2, minlength=len(rows) * len(Block))
            np.sqrt(squares).astype(ARRAYS["norms"]).tofile(file)


def _works(matrix: Matrix) -> Numbers:
    """A number per title, the same for entries of one work: titles that a shared key of a work holds together."""
    from scipy.sparse import coo_array  # noqa: PLC0415 (here: a run that builds nothing need not hold it)
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    owners, keys = [], []
    rows, at = np.arange(len(matrix)), matrix.offsets[1:] - 1
    while True:  # from the end of each row's terms, where those of works are
        has_more = at >= matrix.offsets[rows]
        rows, at = rows[has_more], at[has_more]
        of_works = matrix.terms[at] >> HASH_BITS == Block.WORKS
        rows, at = rows[of_works], at[of_works]
        owners.append(rows)
        keys.append(matrix.terms[at])
        if not len(rows):
            break
        at = at - 1
    owner, key = np.concatenate(owners), np.unique(np.concatenate(keys), return_inverse=True)[1]
    size = len(matrix) + len(key)
    edges = coo_array((np.ones(len(owner), np.int8), (owner, len(matrix) + key)), shape=(size, size))
    return np.asarray(connected_components(edges, directed=False)[1][: len(matrix)])
