"""Which titles are most alike: a sparse product over telling terms, and exact scores of the best it finds.

Belongs here: search. Stays out: the arrays (`matrix.py`), what becomes of hits (`lists.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, Known, Matrix, owners_of
from manga_enrichment.pipeline.candidates.method import SPLIT, Method
from manga_enrichment.pipeline.candidates.sparse_top import top_of_product
from manga_enrichment.pipeline.candidates.terms import Block, Numbers, block_of, mixed

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TITLES_AT_ONCE = 100_000
ROWS_AT_ONCE = 10_000
"""So many of these are cut into columns together: what that takes in between is five times what is left of it."""
QUERIES_A_PASS = 200_000
QUERIES_AT_ONCE = 400
PAIRS_AT_ONCE = 5_000
ASKED_SLOTS = 1 << 20
SCORE_STEPS = 20_000
"""Scores are whole numbers of twenty-thousandths: what differs less is alike, whatever order the sums were made in."""


@dataclass(frozen=True, slots=True)
class Hits:
    """For each query its best, best first. rows: row numbers, NO_TITLE behind the last; scores in SCORE_STEPS."""

    rows: Numbers
    scores: Numbers


class Search:
    """Search among all titles of a matrix."""

    def __init__(self, matrix: Matrix, method: Method) -> None:
        self._matrix = matrix
        self._method = method

    def best(self, queries: Numbers, count: int | None = None) -> Iterator[tuple[Numbers, Hits]]:
        """(some of the query rows, their best), until all had their turn: `count` each, by default `rescored`, itself
        and other entries of its work included."""
        width = self._method.rescored if count is None else count
        for start in range(0, len(queries), QUERIES_A_PASS):
            of_pass = queries[start : start + QUERIES_A_PASS]
            found = self._found(of_pass, width + 1)
            for at in range(0, len(of_pass), QUERIES_AT_ONCE):
                some = of_pass[at : at + QUERIES_AT_ONCE]
                yield some, self._scored(some, found[at : at + QUERIES_AT_ONCE])

    def scores(self, ones: Numbers, others: Numbers) -> Numbers:
        """The exact score of each of one's rows with each of the others'."""
        parts = []
        for at in range(0, len(ones), PAIRS_AT_ONCE):
            some, left = np.unique(ones[at : at + PAIRS_AT_ONCE], return_inverse=True)
            those = others[at : at + PAIRS_AT_ONCE]
            shared = self._matrix.weighted(some, self._method.weights)[left].multiply(self._matrix.plain(those))
            pairs = owners_of(shared.indptr)
            values = shared.data * self._matrix.inverse_norms(those, pairs, shared.indices)
            parts.append(np.rint(np.bincount(pairs, values, len(those)) * SCORE_STEPS).astype(np.int32))
        return np.concatenate([*parts, np.zeros(0, np.int32)])

    def _found(self, queries: Numbers, width: int) -> Numbers:
        """Row numbers of the best, for each query; those that have few telling terms are asked by common ones, too."""
        method = self._method
        found, telling = self._found_by(method.titles_per_term, queries, width)
        few = np.flatnonzero(telling < method.few_terms)
        if len(few):
            found[few], _ = self._found_by(method.titles_per_common_term, queries[few], width)
        return found

    def _found_by(self, most: int, queries: Numbers, width: int) -> tuple[Numbers, Numbers]:
        """(row numbers of the best by terms of at most `most` titles, how many these were) for each query."""
        from scipy.sparse import vstack  # noqa: PLC0415 (here: a run that compares nothing need not hold it)

        rows = np.full((len(queries), width), NO_TITLE, np.int32)
        scores = np.zeros((len(queries), width), np.float32)
        telling = np.zeros(len(queries), np.int32)
        columns, asked = self._columns(most, queries)
        for titles in self._blocks():
            parts = np.array_split(titles, 1 + len(titles) // ROWS_AT_ONCE)
            own = vstack([self._telling(columns, part, asked) for part in parts], format="csr")
            product = own.T.tocsr()
            for at in range(0, len(queries), 2_000):
                some = slice(at, at + 2_000)
                at_home = np.isin(queries[some], titles).all()
                left = own[queries[some] - titles[0]] if at_home else self._telling(columns, queries[some])
                left.data *= columns.squares[left.indices]
                telling[some] = np.diff(left.indptr)
                new_rows, new_scores = _padded(top_of_product(left, product, width), width)
                new_rows = np.where(new_rows == NO_TITLE, NO_TITLE, new_rows + titles[0])
                rows[some], scores[some] = _merged(rows[some], scores[some], new_rows, new_scores)
        return rows, telling

    def _columns(self, most: int, queries: Numbers) -> tuple["_Columns", Numbers | None]:
        """(columns, which terms may have one by their last bits): of the terms of few queries, so that the rest of the
        matrix is passed over; of all, and None, for many queries, which have nearly all."""
        known, counts, counted = self._matrix.known, self._matrix.counts, self._matrix.manifest["counted"]
        if len(queries) * 10 > len(self._matrix):
            return _Columns(known, counts, counted, self._method, most), None
        _, terms = self._matrix.entries(queries)
        some = np.unique(np.minimum(np.append(np.searchsorted(known, terms), 0), len(known) - 1))
        columns = _Columns(known[some], counts[some], counted, self._method, most)
        asked = np.zeros(ASKED_SLOTS, np.bool_)
        asked[known[some][columns.splits >= 0] & (ASKED_SLOTS - 1)] = True
        return columns, asked

    def _blocks(self) -> Iterator[Numbers]:
        for start in range(0, len(self._matrix), TITLES_AT_ONCE):
            yield np.arange(start, min(len(self._matrix), start + TITLES_AT_ONCE))

    def _telling(self, columns: "_Columns", rows: Numbers, asked: Numbers | None = None) -> "csr_matrix":
        """Rows of 1 / norm over columns of terms, of those that are asked for."""
        from scipy.sparse import csr_matrix  # noqa: PLC0415

        matrix = self._matrix
        offsets, terms = matrix.entries(rows)
        if asked is None:
            owners = owners_of(offsets)
        else:
            meets = np.flatnonzero(asked[terms & (ASKED_SLOTS - 1)])
            owners, terms = np.searchsorted(offsets, meets, "right") - 1, terms[meets]
        places, telling = columns.places(terms)
        owners, terms, places = owners[telling], terms[telling], places[telling]
        values = matrix.inverse_norms(rows, owners, terms)
        groups = id_hashes(matrix.ids[rows])[owners] & ((1 << columns.splits[places].astype(np.int64)) - 1)
        indptr = np.searchsorted(owners, np.arange(len(rows) + 1)).astype(np.int32)
        at = (columns.firsts[places] + groups).astype(np.int32)
        return csr_matrix((values.astype(np.float32), at, indptr), shape=(len(rows), columns.count))

    def _scored(self, queries: Numbers, found: Numbers) -> Hits:
        """The found by their exact scores, ties by a hash of both titles, so that nobody is everybody's candidate."""
        query, place = np.nonzero(found != NO_TITLE)
        scores = np.zeros(found.shape, np.int32)
        scores[query, place] = self.scores(queries[query], found[query, place])
        ids = self._matrix.ids
        ties = id_hashes(ids[np.maximum(found, 0)]) ^ id_hashes(ids[queries])[:, None]
        order = np.lexsort((ties, -scores), axis=1)[:, :-1]
        return Hits(np.take_along_axis(found, order, 1), np.take_along_axis(scores, order, 1))


class _Columns:
    """Which terms find titles, and by which columns: those of at most `most` titles, or, of SPLIT, of any number.

    splits: per known term, into 2 to the power of so many columns; -1 for a term that finds nothing. firsts: the first
    column of each, of at most `titles_per_term` titles where a term is split. squares: weight x idf² of each column,
    which one side of a product has.
    """

    def __init__(self, known: Numbers, counts: Numbers, counted: int, method: Method, most: int) -> None:
        """known: terms, ascending, at least one; counts: of how many titles each is, of the `counted`."""
        self._known = Known(known)
        blocks = block_of(known)
        can_split = np.isin(blocks, SPLIT)
        parts = np.maximum(counts / method.titles_per_term, 1)
        self.splits = np.where(can_split, np.ceil(np.log2(parts)), 0).astype(np.int8)
        self.splits[(blocks == Block.WORKS) | (~can_split & (counts > most))] = -1
        widths = np.where(self.splits < 0, 0, 1 << np.maximum(self.splits, 0).astype(np.int64))
        self.firsts, self.count = np.cumsum(widths) - widths, int(widths.sum())
        weights = np.array((*method.weights, 0.0))  # the last for the number that is no term
        squares = weights[blocks] * np.log1p(counted / counts) ** 2
        self.squares = np.repeat(squares.astype(np.float32), widths)

    def places(self, terms: Numbers) -> tuple[Numbers, Numbers]:
        """(where each is among the known terms, whether it finds titles)"""
        places, is_known = self._known.places(terms)
        return places, is_known & (self.splits[places] >= 0)


def id_hashes(ids: Numbers) -> Numbers:
    """31 bits of a hash of each id: what splits common terms, and decides between equal scores."""
    numbers = mixed(mixed(np.ascontiguousarray(ids).view(np.uint64)))  # once leaves what only the last letters tell
    return (numbers >> np.uint64(33)).astype(np.int64)


def _padded(top: Any, width: int) -> tuple[Numbers, Numbers]:
    lengths = np.diff(top.indptr)
    rows = np.full((len(lengths), width), NO_TITLE, np.int32)
    scores = np.zeros((len(lengths), width), np.float32)
    filled = np.arange(width) < lengths[:, None]
    rows[filled], scores[filled] = top.indices[: lengths.sum()], top.data[: lengths.sum()]
    return rows, scores


def _merged(rows: Numbers, scores: Numbers, more: Numbers, more_scores: Numbers) -> tuple[Numbers, Numbers]:
    """The best of both, for each query."""
    rows, scores = np.hstack([rows, more]), np.hstack([scores, more_scores])
    order = np.argsort(-scores, axis=1, kind="stable")[:, : more.shape[1]]
    return np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)
