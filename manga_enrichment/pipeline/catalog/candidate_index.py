"""Candidates for `similar_series`: the titles of the whole catalog that are worth comparing with one.

Belongs here: the search index on disk and the query. Stays out: what counts as alike (`candidate_terms.py`), and
whether a fresh list replaces a stored one (`domain/prompts/candidates.py`).

A hit's score is the sum, over the terms it shares with the title, of weight times inverse document frequency, as an
integer. Whole numbers add up to the same score in any order, so an answer does not depend on how the index happens to
be cut into segments, which BM25 scores (32-bit floats) would. Query cost is bounded by POSTINGS_PER_QUERY rather
than by the size of the catalog.
"""

import hashlib
import math
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson
import tantivy

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.prompts.candidates import candidate_of
from manga_enrichment.pipeline.catalog.candidate_terms import DEMOGRAPHIC, MAGAZINE, WORD, kind_of, terms, work_keys

BROAD_KINDS = frozenset({DEMOGRAPHIC, MAGAZINE})
"""What these say is true of thousands of titles: they rank hits but never make one."""

MINIMUM_SHARE = 0.05
"""A hit must reach this share of the score the title itself would reach; below it, what is shared is chance."""

WORDS_PER_QUERY = 24
COMMON_WORD_SHARE = 0.05
COMMON_WORD_TITLES = 20
"""A word in more than a twentieth of the catalog (and more than 20 titles) says nothing about a title."""

POSTINGS_PER_QUERY = 150_000
"""Index entries one query may read, 5 to 10 ms of CPU. Rare terms come first; the commonest are dropped."""

MAX_IDF = 6.0
"""Reached at one title in 400: beyond it, rarer is chance (a name, a typo), not closer."""

SCORE_STEPS = 100
WRITER_HEAP_BYTES = 128_000_000
SPARE_HITS = 20


class CandidateIndexError(Exception):
    """The folder holds no index that this version can read, or something else than an index."""


class _Stored(NamedTuple):
    """What the index keeps to show of a title, and to tell its work."""

    manga_id: str
    title: str
    hint: str
    works: tuple[str, ...]


class CandidateIndex:
    """A read-only index of a whole catalog; it is memory-mapped, so its size does not count as process memory."""

    def __init__(self, index: tantivy.Index) -> None:
        self._schema = index.schema
        self._searcher = index.searcher()

    @classmethod
    def build(cls, records: Iterable[MangaRecord], folder: Path) -> "CandidateIndex":
        """Index all records into `folder`, replacing the index in it, if any, when the new one is complete.

        Raises CandidateIndexError when the folder holds anything else.
        """
        _refuse_foreign(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            _write(records, unfinished)
            if folder.exists():
                shutil.rmtree(folder)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "CandidateIndex":
        """Raises CandidateIndexError when there is no readable index."""
        if not _is_index(folder):
            raise CandidateIndexError(f"no candidate index in {folder}: build it first")
        try:
            return cls(tantivy.Index.open(str(folder)))
        except ValueError as error:
            raise CandidateIndexError(f"cannot read the candidate index in {folder}: build it again") from error

    def candidates(self, record: MangaRecord, limit: int = 20) -> list[Candidate]:
        """At most `limit` titles that resemble the record, best first, ties by manga_id.

        Never the title itself, nor any title that is evidently the same work (a shared author and the same normalised
        title): catalogs list works repeatedly, and no reader wants a title recommended by itself. Of several such
        entries of another work only the best is returned. A title shares at least one term that is not broad
        (BROAD_KINDS) and MINIMUM_SHARE of what could be shared; so a record with nothing but a title matches on the
        words or n-grams of titles and synopses, and one with nothing telling gets an empty list.
        """
        scores = self._scores(record)
        frequencies = {term: self._titles_with(term) for term in scores if kind_of(term) not in BROAD_KINDS}
        specific = rarest_within(POSTINGS_PER_QUERY, frequencies)
        if not specific or limit < 1:
            return []
        broad = [term for term in scores if kind_of(term) in BROAD_KINDS]
        query = self._query(record, {term: scores[term] for term in specific}, {term: scores[term] for term in broad})
        minimum = MINIMUM_SHARE * sum(scores[term] for term in (*specific, *broad))
        return _distinct(self._hits(query, limit + SPARE_HITS, minimum), limit)

    def _scores(self, record: MangaRecord) -> dict[str, int]:
        """The record's telling terms that the index knows, each with what a match adds to the score.

        A word in one title only is left out: that title is, as a rule, the record itself.
        """
        total = self._searcher.num_docs
        common = max(COMMON_WORD_TITLES, COMMON_WORD_SHARE * total)
        scores: dict[str, int] = {}
        words: list[tuple[int, int, str]] = []
        for term, weight in terms(record).items():
            titles = self._titles_with(term)
            if titles == 0:
                continue
            score = round(SCORE_STEPS * weight * min(MAX_IDF, math.log1p(total / titles)))
            if kind_of(term) != WORD:
                scores[term] = score
            elif 1 < titles <= common:
                words.append((-score, -titles, term))
        scores |= {term: -score for score, _, term in sorted(words)[:WORDS_PER_QUERY]}
        return scores

    def _titles_with(self, term: str) -> int:
        return self._searcher.doc_freq("terms", term)

    def _query(self, record: MangaRecord, specific: dict[str, int], broad: dict[str, int]) -> tantivy.Query:
        """Text goes in as terms, never through the query language: there is nothing to escape."""
        should, must_not = tantivy.Occur.Should, tantivy.Occur.MustNot
        required = tantivy.Query.boolean_query([(should, self._scored(*each)) for each in specific.items()])
        clauses = [(tantivy.Occur.Must, required)]
        clauses += [(should, self._scored(*each)) for each in broad.items()]
        clauses += [(must_not, self._term(term)) for term in _identity(record)]
        return tantivy.Query.boolean_query(clauses)

    def _scored(self, term: str, score: int) -> tantivy.Query:
        return tantivy.Query.const_score_query(self._term(term), float(score))

    def _term(self, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, "terms", term, "basic")

    def _hits(self, query: tantivy.Query, limit: int, minimum: float) -> list[_Stored]:
        found = self._searcher.search(query, limit, count=False, weight_by_field="tie_break").hits
        hits = [(-score, self._stored(address)) for score, address in found if score >= minimum]
        return [stored for _, stored in sorted(hits)]

    def _stored(self, address: tantivy.DocAddress) -> _Stored:
        manga_id, title, hint, works = orjson.loads(self._searcher.doc(address)["stored"][0])
        return _Stored(manga_id, title, hint, tuple(works))


def rarest_within(postings: int, frequencies: Mapping[str, int]) -> list[str]:
    """The rarest terms whose index entries (titles per term) together stay within `postings`; one in any case."""
    chosen: list[str] = []
    for titles, term in sorted((titles, term) for term, titles in frequencies.items()):
        postings -= titles
        if chosen and postings < 0:
            break
        chosen.append(term)
    return chosen


def _distinct(hits: Iterable[_Stored], limit: int) -> list[Candidate]:
    """The first `limit` hits, without further entries of the same work."""
    seen: set[str] = set()
    chosen: list[Candidate] = []
    for hit in hits:
        if len(chosen) < limit and seen.isdisjoint(hit.works):
            chosen.append(Candidate(hit.manga_id, hit.title, hit.hint))
        seen.update(hit.works)
    return chosen


def _identity(record: MangaRecord) -> list[str]:
    """Terms by which a record is itself: its id and the works it is an entry of."""
    return [f"id:{record.manga_id}", *(f"work:{key}" for key in work_keys(record))]


def _build_schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("terms", tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("stored", stored=True)
    builder.add_float_field("tie_break", fast=True)
    return builder.build()


def _write(records: Iterable[MangaRecord], folder: Path) -> None:
    """One thread, so that two builds from the same records are alike; it has ended on return, also after an error."""
    index = tantivy.Index(_build_schema(), path=str(folder))
    writer = index.writer(heap_size=WRITER_HEAP_BYTES, num_threads=1)
    try:
        for record in records:
            writer.add_document(_document(record))
        writer.commit()
    finally:
        writer.wait_merging_threads()


def _document(record: MangaRecord) -> tantivy.Document:
    shown = candidate_of(record)
    document = tantivy.Document()
    for term in (*_identity(record), *terms(record)):
        document.add_text("terms", term)
    document.add_bytes("stored", orjson.dumps((shown.manga_id, shown.title, shown.hint, work_keys(record))))
    document.add_float("tie_break", _tie_break(record.manga_id))
    return document


def _tie_break(manga_id: str) -> float:
    """0 to 0.01; the search multiplies a score by log2(2 + this), which decides which of many equal hits are kept.

    A hash, not the id's order: else the lowest ids of a genre would be everybody's candidates.
    """
    digest = hashlib.blake2b(manga_id.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32 * 0.01


def _is_index(folder: Path) -> bool:
    return folder.is_dir() and tantivy.Index.exists(str(folder))


def _refuse_foreign(folder: Path) -> None:
    """Building deletes the folder, so it must be ours."""
    if folder.exists() and not _is_index(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise CandidateIndexError(f"{folder} holds something else than a candidate index: name another folder")
