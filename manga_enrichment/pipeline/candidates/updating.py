"""Yesterday's index brought up to date: only titles that changed are cut and searched.

Belongs here: what a change of some titles does to everybody's list. Stays out: which titles changed (`index.py`).

A score is the same from both sides, so a changed title's own hits show into whose lists it now belongs. Lists that
name a changed title get its new score; places that were lost are filled from the titles in reserve (STORED beyond
SHOWN), and a list that becomes too short is searched anew. How many titles a term has is not counted again, which is
why updates drift away from a build of today (docs/benchmarks.md has by how much).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from manga_enrichment.pipeline.candidates.building import Digested, MatrixWriter
from manga_enrichment.pipeline.candidates.lists import SHOWN, STORED, Fill, Lists, kept_of, save_lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix
from manga_enrichment.pipeline.candidates.method import Method
from manga_enrichment.pipeline.candidates.pairs import Hits, Search, id_hashes
from manga_enrichment.pipeline.candidates.terms import Numbers

HITS_OF_CHANGED = 200
"""So many lists a changed title may enter."""


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
    return save_lists(matrix, _Update(old, matrix, kept, method).lists())


class _Update:
    """One night. Rows are those of the new matrix: the kept ones first, in their old order, then the changed."""

    def __init__(self, old: Lists, matrix: Matrix, kept: Numbers, method: Method) -> None:
        self._matrix, self._method = matrix, method
        self._kept = len(kept)
        self._search = Search(matrix, method)
        self._fill = Fill(matrix)
        moved = np.full(len(old.matrix) + 1, NO_TITLE, np.int32)  # the last is for NO_TITLE itself
        moved[kept] = np.arange(len(kept))
        self._members = moved[old.members[kept]]
        self._scores = np.where(self._members == NO_TITLE, 0, old.scores[kept]).astype(np.int32)
        self._floors = np.where(old.members[kept][:, -1] == NO_TITLE, 0, old.scores[kept][:, -1]).astype(np.int32)
        self._named = self._changed_members(old, kept)

    def lists(self) -> Hits:
        """Of all rows."""
        changed = np.arange(self._kept, len(self._matrix))
        hits = _joined(list(self._search.best(changed, HITS_OF_CHANGED)), HITS_OF_CHANGED)
        members = np.full((len(self._matrix), STORED), NO_TITLE, np.int32)
        scores = np.zeros((len(self._matrix), STORED), np.int32)
        own = self._fill.filled(changed, kept_of(self._matrix, changed, hits, self._method))
        members[changed], scores[changed] = own.rows, own.scores
        members[: self._kept], scores[: self._kept] = self._members, self._scores
        self._enter(members, scores, *self._entering(changed, hits))
        self._search_short(members, scores)
        return Hits(members, scores)

    def _changed_members(self, old: Lists, kept: Numbers) -> tuple[Numbers, Numbers]:
        """(row, changed title) for each kept list that named a title which is here today, with other terms."""
        rows, places = np.nonzero((self._members == NO_TITLE) & (old.members[kept] != NO_TITLE))
        former = old.members[kept][rows, places]
        today = self._matrix.find(old.matrix.ids[former])
        return rows[today != NO_TITLE], today[today != NO_TITLE]

    def _entering(self, changed: Numbers, hits: Hits) -> tuple[Numbers, Numbers, Numbers]:
        """(rows of kept lists, changed titles, scores) of all that might belong into a list now, each once."""
        of, place = np.nonzero((hits.rows != NO_TITLE) & (hits.rows < self._kept))
        rows = np.concatenate([hits.rows[of, place], self._named[0]])
        titles = np.concatenate([changed[of], self._named[1]])
        scores = np.concatenate([hits.scores[of, place], self._search.scores(*self._named)])
        _, first = np.unique(rows.astype(np.int64) * len(self._matrix) + titles, return_index=True)
        rows, titles, scores = rows[first], titles[first], scores[first]
        enters = scores > self._floors[rows]
        return rows[enters], titles[enters], scores[enters]

    def _enter(self, members: Numbers, scores: Numbers, rows: Numbers, titles: Numbers, new_scores: Numbers) -> None:
        """Put titles into the lists of these kept rows, ascending, and bring every list that lost or won in order."""
        affected = np.union1d(rows, np.flatnonzero((self._members == NO_TITLE).any(axis=1)))
        place = np.searchsorted(affected, rows)
        number = np.arange(len(rows)) - np.searchsorted(rows, rows)
        width = STORED + int(number.max(initial=-1)) + 1
        wide = Hits(np.full((len(affected), width), NO_TITLE, np.int32), np.zeros((len(affected), width), np.int32))
        wide.rows[:, :STORED], wide.scores[:, :STORED] = members[affected], scores[affected]
        wide.rows[place, STORED + number], wide.scores[place, STORED + number] = titles, new_scores
        kept = kept_of(self._matrix, affected, self._in_order(affected, wide), self._method, filled_in=True)
        members[affected], scores[affected] = kept.rows, kept.scores

    def _in_order(self, rows: Numbers, wide: Hits) -> Hits:
        """By score; ties as search breaks them."""
        ids = self._matrix.ids
        ties = id_hashes(ids[np.maximum(wide.rows, 0)]) ^ id_hashes(ids[rows])[:, None]
        order = np.lexsort((ties, -wide.scores, wide.rows == NO_TITLE), axis=1)
        return Hits(np.take_along_axis(wide.rows, order, 1), np.take_along_axis(wide.scores, order, 1))

    def _search_short(self, members: Numbers, scores: Numbers) -> None:
        """Lists of kept titles that lost so much that a model would be shown fewer than before."""
        had = (self._floors > 0) | (self._members[:, SHOWN - 1] != NO_TITLE)
        short = np.flatnonzero(had & (members[: self._kept, SHOWN - 1] == NO_TITLE))
        for rows, hits in self._search.best(short):
            found = self._fill.filled(rows, kept_of(self._matrix, rows, hits, self._method))
            members[rows], scores[rows] = found.rows, found.scores


def _joined(parts: list[tuple[Numbers, Hits]], width: int) -> Hits:
    empty = np.zeros((0, width), np.int32)
    rows = [hits.rows for _, hits in parts] or [empty]
    return Hits(np.concatenate(rows), np.concatenate([hits.scores for _, hits in parts] or [empty]))
