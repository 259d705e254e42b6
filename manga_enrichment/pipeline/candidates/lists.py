"""Every title's best in the catalog, kept beside the matrix: without itself, its own work, and others' second entries.

Belongs here: what becomes of hits, short lists, the arrays of lists. Stays out: search (`pairs.py`), the lists that
were paid for (`refresh.py`).

`members` and `scores` have STORED places a title, best first. More are kept than a model is shown, so that a list
survives the loss of some. What `scores` has where no title is belongs to `updating.py`.
"""

from collections.abc import Callable
from functools import cached_property
from typing import BinaryIO

import numpy as np

from manga_enrichment.pipeline.candidates.building import rows_at_once
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Matrix, mapped
from manga_enrichment.pipeline.candidates.method import Method
from manga_enrichment.pipeline.candidates.pairs import SCORE_STEPS, Hits, Search, id_hashes
from manga_enrichment.pipeline.candidates.terms import HASH_BITS, Block, Numbers

STORED = 28
SHOWN = 20
"""So many a model is shown; shorter lists are filled by labels."""

POOL = 1_000
"""So many titles of a label are looked at."""

_MEMBERS, _SCORES = "members", "scores"
LIST_ARRAYS = {_MEMBERS: "<i4", _SCORES: "<u2"}


class Lists:
    """The stored lists of a matrix."""

    def __init__(self, matrix: Matrix, *, writable: bool = False) -> None:
        self.matrix = matrix
        self.members, self.scores = (
            mapped(matrix.folder, name, kind, writable=writable).reshape(-1, STORED)
            for name, kind in LIST_ARRAYS.items()
        )

    def first(self, rows: Numbers, limit: int) -> Numbers:
        """Row numbers of at most `limit` candidates of each row, best first; NO_TITLE behind the last, and for a row
        that is NO_TITLE."""
        if not len(self.matrix):
            return np.full((len(rows), limit), NO_TITLE, np.int32)
        return np.where(rows[:, None] == NO_TITLE, NO_TITLE, self.members[rows, :limit])


def write_lists(matrix: Matrix, method: Method, alive: Callable[[], None] = lambda: None) -> Lists:
    """Search for all titles. alive: called for every few hundred of them."""
    search = Search(matrix, method)
    fill = Fill(matrix)
    with (matrix.folder / _MEMBERS).open("wb") as members, (matrix.folder / _SCORES).open("wb") as scores:
        for rows, hits in search.best(np.arange(len(matrix))):
            alive()
            _put(fill.filled(rows, kept_of(matrix, rows, hits, method)), members, scores)
    return Lists(matrix)


def empty_lists(matrix: Matrix) -> Lists:
    """Lists to be written, in any order."""
    for name, kind in LIST_ARRAYS.items():
        with (matrix.folder / name).open("wb") as file:
            file.truncate(len(matrix) * STORED * np.dtype(kind).itemsize)
    return Lists(matrix, writable=True)


def _put(lists: Hits, members: BinaryIO, scores: BinaryIO) -> None:
    lists.rows.astype(LIST_ARRAYS[_MEMBERS]).tofile(members)
    lists.scores.astype(LIST_ARRAYS[_SCORES]).tofile(scores)


def kept_of(matrix: Matrix, rows: Numbers, hits: Hits, method: Method, *, filled_in: bool = False) -> Hits:
    """The STORED best that a list may name: titles of other works, of each work one, with scores above chance.

    filled_in: titles with a score of 0 are in their list because of their labels, and stay.
    """
    own_score = (matrix.norms[rows] > 0) @ np.array(method.weights) * SCORE_STEPS
    works = np.where(hits.rows == NO_TITLE, NO_TITLE, matrix.works[hits.rows])
    wanted = (hits.rows != NO_TITLE) & (works != matrix.works[rows][:, None])
    wanted &= (hits.scores >= np.maximum(1, method.minimum_share * own_score)[:, None]) | (
        filled_in & (hits.scores == 0)
    )
    wanted &= _first_of_each(works)
    order = np.argsort(~wanted, axis=1, kind="stable")[:, :STORED]
    kept = np.take_along_axis(wanted, order, 1)
    found = np.where(kept, np.take_along_axis(hits.rows, order, 1), NO_TITLE)
    return Hits(found, np.where(kept, np.take_along_axis(hits.scores, order, 1), 0))


def _first_of_each(works: Numbers) -> Numbers:
    """Whether no earlier place of the row has the same work."""
    order = np.argsort(works, axis=1, kind="stable")
    in_order = np.take_along_axis(works, order, 1)
    first = np.ones(works.shape, np.bool_)
    first[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    result = np.empty_like(first)
    np.put_along_axis(result, order, first, 1)
    return result


class Fill:
    """Titles with the same labels, for lists that search leaves short."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix

    @cached_property
    def _labelled(self) -> tuple[Numbers, Numbers]:
        """(label terms, ascending; the rows that have them)"""
        found = []
        for rows in rows_at_once(self._matrix):
            offsets, terms = self._matrix.entries(rows)
            labels = terms >> HASH_BITS == Block.LABELS
            found.append((terms[labels], np.repeat(rows, np.diff(offsets))[labels]))
        terms = np.concatenate([terms for terms, _ in found])
        order = np.argsort(terms, kind="stable")
        return terms[order], np.concatenate([rows for _, rows in found])[order]

    def filled(self, rows: Numbers, lists: Hits) -> Hits:
        """With score 0 for what was filled in. A title without labels, or with labels that no other has, gets none."""
        for place in np.flatnonzero((lists.rows[:, :SHOWN] == NO_TITLE).any(axis=1)):
            missing = int(np.argmax(lists.rows[place] == NO_TITLE))
            known = set(self._matrix.works[lists.rows[place, :missing]].tolist())
            some = self._alike(rows[place], known)[: SHOWN - missing]
            lists.rows[place, missing : missing + len(some)] = some
        return lists

    def _alike(self, row: int, known: set[int]) -> list[int]:
        """Titles that share most labels, those of its language before others, in an order of its own; one of a work,
        none of the works `known`."""
        matrix = self._matrix
        _, own = matrix.entries(np.array([row]))
        terms, rows = self._labelled
        labels = own[own >> HASH_BITS == Block.LABELS]
        starts, ends = np.searchsorted(terms, labels, "left"), np.searchsorted(terms, labels, "right")
        pools = [rows[start : min(end, start + POOL)] for start, end in zip(starts, ends, strict=True)]
        others, shared = np.unique(np.concatenate([*pools, np.zeros(0, np.int64)]), return_counts=True)
        hashes = id_hashes(matrix.ids[others]) ^ id_hashes(matrix.ids[row : row + 1])
        order = np.lexsort((hashes, matrix.japanese[others] != matrix.japanese[row], -shared))
        works = dict.fromkeys(known | {int(matrix.works[row])}, NO_TITLE)
        for other in others[order].tolist():
            works.setdefault(int(matrix.works[other]), other)
        return [other for other in works.values() if other != NO_TITLE]
