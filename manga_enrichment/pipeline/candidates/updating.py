"""Yesterday's index brought up to date: only titles that changed are cut and searched.

Belongs here: what a change of some titles does to everybody's list. Stays out: which titles changed (`index.py`).

A score is the same from both sides, so a changed title's own hits show into whose lists it now belongs. Lists that
name a changed title get its new score; places that were lost are filled from the titles in reserve (STORED beyond
SHOWN), and a list that becomes too short is searched anew. How many titles a term has is not counted again, which is
why updates drift away from a build of today (docs/benchmarks.md has by how much).

A list has every title above its *floor*, the last score that it had when it was full. What is below is not known, so
nothing enters there: the last place of a list that lost some keeps the floor instead.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from manga_enrichment.pipeline.candidates.building import Digested, MatrixWriter
from manga_enrichment.pipeline.candidates.lists import SHOWN, STORED, Fill, Lists, empty_lists, kept_of
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.method import Method
from manga_enrichment.pipeline.candidates.pairs import Hits, Search, id_hashes
from manga_enrichment.pipeline.candidates.terms import Numbers

HITS_OF_CHANGED = 200
"""So many lists a changed title may enter."""

LISTS_AT_ONCE = 20_000
PLACES_AT_ONCE = 400_000

Pairs = tuple[Numbers, Numbers, Numbers]
"""Rows of kept lists, changed titles, their scores."""


def update_lists(
    old: Lists, kept: Numbers, changed: Iterable[Digested], folder: Path, about: dict[str, Any], method: Method
) -> Lists:
    """Write the index of today's titles into an empty folder.

    kept: rows of the old index whose titles are as they were, ascending; changed: all other titles of today.
    """
    with MatrixWriter(folder) as writer:
        writer.copy(old.matrix, kept)
        writer.add(changed)
        matrix = writer.finish(about, counted=old.matrix)
    return _Update(old, matrix, kept, method).lists()


class _Update:
    """One night. Rows are those of the new matrix: the kept ones first, in their old order, then the changed."""

    def __init__(self, old: Lists, matrix: Matrix, kept: Numbers, method: Method) -> None:
        self._old, self._matrix, self._kept, self._method = old, matrix, kept, method
        self._search = Search(matrix, method)
        self._fill = Fill(matrix)
        self._lists = empty_lists(matrix)
        self._floors = np.zeros(len(kept), np.int32)
        self._has_lost, self._was_long = np.zeros(len(kept), np.bool_), np.zeros(len(kept), np.bool_)

    def lists(self) -> Lists:
        """Of all rows."""
        named = [part for rows in _slices(len(self._kept)) for part in self._carried_over(rows)]
        pairs = [*named, *self._search_changed()]
        rows, titles, scores = (np.concatenate(each) for each in zip(_no_pairs(), *pairs, strict=True))
        _, first = np.unique(rows.astype(np.int64) * len(self._matrix) + titles, return_index=True)
        self._enter(rows[first], titles[first], scores[first])
        short = self._was_long & (self._lists.members[: len(self._kept), SHOWN - 1] == NO_TITLE)
        for some, hits in self._search.best(np.flatnonzero(short)):
            self._put(some, hits)
        return self._lists

    def _carried_over(self, rows: slice) -> Iterator[Pairs]:
        """Copy lists; those of their members that are here today with other terms, where they still belong."""
        former, scores = (each[self._kept[rows]] for each in (self._old.members, self._old.scores))
        moved = self._moved[former]
        is_lost = (moved == NO_TITLE) & (former != NO_TITLE)
        self._lists.members[rows], self._lists.scores[rows] = moved, np.where(is_lost, 0, scores)
        self._floors[rows] = scores[:, -1]
        self._has_lost[rows] = is_lost.any(axis=1)
        self._was_long[rows] = (scores[:, -1] > 0) | (former[:, SHOWN - 1] != NO_TITLE)
        owners, places = np.nonzero(is_lost)
        today = self._matrix.find(self._old.matrix.ids[former[owners, places]])
        owners, today = rows.start + owners[today != NO_TITLE], today[today != NO_TITLE]
        yield self._entering(owners, today, self._search.scores(owners, today))

    @cached_property
    def _moved(self) -> Numbers:
        """By the old row today's, NO_TITLE for all but the kept; the last is for NO_TITLE itself."""
        moved = np.full(len(self._old.matrix) + 1, NO_TITLE, np.int32)
        moved[self._kept] = np.arange(len(self._kept))
        return moved

    def _search_changed(self) -> Iterator[Pairs]:
        """Write the lists of changed titles; which kept lists they enter."""
        changed = np.arange(len(self._kept), len(self._matrix))
        for rows, hits in self._search.best(changed, HITS_OF_CHANGED):
            self._put(rows, hits)
            of, place = np.nonzero((hits.rows != NO_TITLE) & (hits.rows < len(self._kept)))
            yield self._entering(hits.rows[of, place], rows[of], hits.scores[of, place])

    def _entering(self, rows: Numbers, titles: Numbers, scores: Numbers) -> Pairs:
        enters = scores > self._floors[rows]
        return rows[enters], titles[enters], scores[enters]

    def _put(self, rows: Numbers, hits: Hits) -> None:
        found = self._fill.filled(rows, kept_of(self._matrix, rows, hits, self._method))
        self._lists.members[rows], self._lists.scores[rows] = found.rows, found.scores

    def _enter(self, rows: Numbers, titles: Numbers, scores: Numbers) -> None:
        """Put titles into the lists of these kept rows, ascending, and bring every list that lost or won in order."""
        affected = np.union1d(rows, np.flatnonzero(self._has_lost))
        entering = np.searchsorted(rows, affected, "right") - np.searchsorted(rows, affected)
        for places in alike_long(entering):
            some = affected[places]
            own = np.isin(rows, some)
            wide = self._widened(some, rows[own], titles[own], scores[own])
            kept = kept_of(self._matrix, some, self._in_order(some, wide), self._method, filled_in=True)
            is_short = kept.rows[:, -1] == NO_TITLE
            kept.scores[is_short, -1] = self._floors[some[is_short]]
            self._lists.members[some], self._lists.scores[some] = kept.rows, kept.scores

    def _widened(self, affected: Numbers, rows: Numbers, titles: Numbers, scores: Numbers) -> Hits:
        """Lists, and behind each what enters it."""
        number = np.arange(len(rows)) - np.searchsorted(rows, rows)
        shape = len(affected), STORED + int(number.max(initial=-1)) + 1
        wide = Hits(np.full(shape, NO_TITLE, np.int32), np.zeros(shape, np.int32))
        wide.rows[:, :STORED], wide.scores[:, :STORED] = self._lists.members[affected], self._lists.scores[affected]
        place = np.searchsorted(affected, rows), STORED + number
        wide.rows[place], wide.scores[place] = titles, scores
        return wide

    def _in_order(self, rows: Numbers, wide: Hits) -> Hits:
        """By score; ties as search breaks them."""
        ids = self._matrix.ids
        ties = id_hashes(ids[np.maximum(wide.rows, 0)]) ^ id_hashes(ids[rows])[:, None]
        order = np.lexsort((ties, -wide.scores, wide.rows == NO_TITLE), axis=1)
        return Hits(np.take_along_axis(wide.rows, order, 1), np.take_along_axis(wide.scores, order, 1))


def _slices(count: int, at_once: int = LISTS_AT_ONCE) -> Iterator[slice]:
    return (slice(at, min(count, at + at_once)) for at in range(0, count, at_once))


def alike_long(entering: Numbers) -> Iterator[Numbers]:
    """Places of lists that are put in order together: as long as the longest of them, all take at most PLACES_AT_ONCE.

    entering: how many titles enter each list.
    """
    widths = 1 << np.ceil(np.log2(np.maximum(entering, 1))).astype(np.int64)
    for width in np.unique(widths).tolist():
        alike = np.flatnonzero(widths == width)
        yield from (alike[part] for part in _slices(len(alike), max(1, PLACES_AT_ONCE // (STORED + width))))


def _no_pairs() -> Pairs:
    none = np.zeros(0, np.int32)
    return none, none, none
