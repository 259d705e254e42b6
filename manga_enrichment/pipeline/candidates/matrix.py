"""The terms of all titles on disk, as flat arrays that are mapped into memory and never read whole.

Belongs here: opening the arrays, rows and weights of titles. Stays out: writing them (`building.py`), cutting terms
(`terms.py`), search (`pairs.py`).
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.pipeline.candidates.method import METHOD_VERSION
from manga_enrichment.pipeline.candidates.terms import Block, Numbers, block_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ARRAYS = {
    "ids": "S8",
    "digests": "<u8",
    "offsets": "<i8",
    "terms": "<i4",
    "norms": "<f4",
    "works": "<i4",
    "japanese": "u1",
    "text_offsets": "<i8",
    "texts": "u1",
    "known": "<i4",
    "counts": "<i4",
}
"""One element per title, unless said: `ids` (the eight characters after MNG-), `digests` of what the terms were cut
from, `offsets` (one more) into `terms`, `norms` (one per block), `works` (number of the work it is an entry of),
`japanese` (1 for a title in Japanese script), `text_offsets` (one more) into `texts` (title and hint as UTF-8).
`known` and `counts`: the terms of two and more titles, ascending, and of how many they are."""

MANIFEST = "manifest.json"
ID_PREFIX = "MNG-"
_ID_PARTS = np.dtype([("prefix", "S4"), ("id", ARRAYS["ids"])])
_NO_ID = bytes(_ID_PARTS.itemsize)
NO_TITLE = -1
MOST_LAST_BITS = 22
"""Of terms that are told apart by their last bits: a table of 16 MB."""


class DamagedIndexError(Exception):
    """The folder holds no index that this version can read."""


class Matrix:
    """The arrays of one folder. idf: of `known` at the time when they were counted, over `counted` titles."""

    def __init__(self, folder: Path) -> None:
        """Raises DamagedIndexError."""
        self.folder = folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
            self._arrays = {name: mapped(folder, name, kind) for name, kind in ARRAYS.items()}
        except (OSError, ValueError) as error:
            raise DamagedIndexError(f"cannot read the candidate index in {folder}") from error
        if self.manifest["method"] != METHOD_VERSION:
            raise DamagedIndexError(f"the candidate index in {folder} is of method {self.manifest['method']}")
        self.ids, self.digests, self.works = (self._arrays[name] for name in ("ids", "digests", "works"))
        self.japanese = self._arrays["japanese"]
        self.offsets, self.terms = self._arrays["offsets"], self._arrays["terms"]
        self.norms = self._arrays["norms"].reshape(-1, len(Block))
        self.known, self.counts = self._arrays["known"], self._arrays["counts"]
        if not len(self.known):  # no two titles share anything; the number is no term
            self.known, self.counts = np.array([2**31 - 1], np.int32), np.ones(1, np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _by_id(self) -> tuple[Numbers, Numbers]:
        """(ids as numbers, which are compared sooner than texts, ascending; the row of each)"""
        numbers = np.ascontiguousarray(self.ids).view(np.uint64)
        rows = np.argsort(numbers, kind="stable").astype(np.int32)
        return numbers[rows], rows

    @cached_property
    def _known(self) -> "Known":
        return Known(self.known)

    def rows_of(self, manga_ids: pa.Array) -> Numbers:
        """Row numbers; NO_TITLE for what is not in the catalog. manga_ids: strings."""
        ids = manga_ids.cast(pa.binary())
        is_long = pc.equal(pc.binary_length(ids), len(_NO_ID))
        fixed = pc.if_else(is_long, ids, _NO_ID).cast(pa.binary(len(_NO_ID)))
        parts = np.frombuffer(fixed.buffers()[1], _ID_PARTS, len(fixed), fixed.offset * len(_NO_ID))
        return self.find(np.where(parts["prefix"] == ID_PREFIX.encode(), parts["id"], b""))

    def find(self, wanted: Numbers) -> Numbers:
        """The same for ids as the array `ids` has them."""
        if not len(self):
            return np.full(len(wanted), NO_TITLE, np.int32)
        numbers, rows = self._by_id
        sought = np.ascontiguousarray(wanted, ARRAYS["ids"]).view(np.uint64)
        places = np.minimum(np.searchsorted(numbers, sought), len(self) - 1)
        return np.where(numbers[places] == sought, rows[places], NO_TITLE)

    def digests_of(self, rows: Numbers) -> Numbers:
        """0 where the row is NO_TITLE."""
        digests = np.zeros(len(rows), np.uint64)
        digests[rows != NO_TITLE] = self.digests[rows[rows != NO_TITLE]]
        return digests

    def manga_id(self, row: int) -> str:
        return f"{ID_PREFIX}{self.ids[row].decode()}"

    def shown(self, row: int) -> Candidate:
        """The title as it is shown among others' candidates."""
        start, end = self._arrays["text_offsets"][row : row + 2]
        title, _, hint = self._arrays["texts"][start:end].tobytes().decode().partition("\0")
        return Candidate(self.manga_id(row), title, hint)

    def texts_of(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """(lengths, bytes) of what is shown of these rows."""
        starts, ends = (self._arrays["text_offsets"][each] for each in (rows, rows + 1))
        return ends - starts, gathered(self._arrays["texts"], starts, ends)

    def idf(self, terms: Numbers) -> Numbers:
        """Of a term that was in no title, or in one, when titles were counted: as of one title."""
        return np.asarray(np.log1p(self.manifest["counted"] / self.titles_with(terms)), np.float32)

    def knows(self, terms: Numbers) -> Numbers:
        """Which of the terms are `known`."""
        return self._known.places(terms)[1]

    def titles_with(self, terms: Numbers) -> Numbers:
        """As they were counted; 1 for what is not known."""
        places, is_known = self._known.places(terms)
        return np.where(is_known, self.counts[places], 1)

    def entries(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """(offsets, terms) of these rows, in their order."""
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(ends - starts, out=offsets[1:])
        return offsets, gathered(self.terms, starts, ends)

    def inverse_norms(self, rows: Numbers, owners: Numbers, terms: Numbers) -> Numbers:
        """For each entry 1 / the length of its block in its row. owners: places among the rows."""
        norms = self.norms[rows].ravel()
        inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
        return np.asarray(inverse[owners * len(Block) + block_of(terms)])

    def plain(self, rows: Numbers) -> "csr_matrix":
        """Rows of 1: the half of a product that is divided by its norms afterwards, where it meets the other half."""
        offsets, terms = self.entries(rows)
        return _sparse(np.ones(len(terms), np.float32), terms, offsets)

    def weighted(self, rows: Numbers, weights: Sequence[float]) -> "csr_matrix":
        """Rows of weight x idf² / norm: multiplied with `plain` rows over their norms, they give scores."""
        offsets, terms = self.entries(rows)
        by_block = np.array(weights, np.float32)[block_of(terms)]
        values = by_block * self.idf(terms) ** 2 * self.inverse_norms(rows, owners_of(offsets), terms)
        return _sparse(values, terms, offsets)


class Known:
    """Terms, ascending, at least one, and where each is: by its last bits, which is sooner than bisection, and by that
    where several have the same."""

    def __init__(self, terms: Numbers) -> None:
        self.terms = terms
        self._last_bits = (1 << min(len(terms).bit_length() + 3, MOST_LAST_BITS)) - 1
        self._guesses = np.zeros(self._last_bits + 1, np.int32)
        self._guesses[terms & self._last_bits] = np.arange(len(terms))

    def places(self, terms: Numbers) -> tuple[Numbers, Numbers]:
        """(place of each among the known terms, whether it is one; if not, the place is any)"""
        places = self._guesses[terms & self._last_bits]
        is_known = self.terms[places] == terms
        left = np.flatnonzero(~is_known)
        places[left] = np.minimum(np.searchsorted(self.terms, terms[left]), len(self.terms) - 1)
        is_known[left] = self.terms[places[left]] == terms[left]
        return places, is_known


def gathered(values: Numbers, starts: Numbers, ends: Numbers) -> Numbers:
    """These pieces of values in a row. What lies in one piece is not copied."""
    breaks = np.flatnonzero(starts[1:] != ends[:-1]) + 1
    firsts, lasts = np.append(starts[:1], starts[breaks]), np.append(ends[breaks - 1], ends[-1:])
    pieces = [values[start:end] for start, end in zip(firsts.tolist(), lasts.tolist(), strict=True)]
    return pieces[0] if len(pieces) == 1 else np.concatenate([values[:0], *pieces])


def owners_of(offsets: Numbers) -> Numbers:
    """For each entry the place of its row among the rows."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _sparse(values: Numbers, terms: Numbers, offsets: Numbers) -> "csr_matrix":
    from scipy.sparse import csr_matrix  # noqa: PLC0415 (here: a run that compares nothing need not hold it)

    matrix = csr_matrix(
        (values.astype(np.float32, copy=False), terms, offsets.astype(np.int32)), shape=(len(offsets) - 1, 2**31 - 1)
    )
    matrix.has_sorted_indices = True
    return matrix


def mapped(folder: Path, name: str, kind: str, *, writable: bool = False) -> Numbers:
    """An array of the folder, mapped into memory. writable: what is written into it goes to the file."""
    path = folder / name
    if path.stat().st_size == 0:
        return np.zeros(0, kind)
    found = np.memmap(path, kind, mode="r+" if writable else "c")  # sparse_dot_topn takes no read-only arrays
    return found.view(np.ndarray)  # each element of a memmap is a memmap, which takes longer than to read it
