"""From a question in people's words to titles, each with a score and why it was found.

Belongs here: what in a question is a seed title, a label, an author, and what is left to search titles and synopses
for. Stays out: the words (`words.py`), the lists by term (`postings.py`).

The length of a title hardly counts here (LENGTH_EXPONENT), unlike between two titles: who types half of a title means
the whole of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.pipeline.candidates.folding import folded, kana_of
from manga_enrichment.pipeline.candidates.lists import Lists
from manga_enrichment.pipeline.candidates.matrix import NO_TITLE, owners_of
from manga_enrichment.pipeline.candidates.method import METHOD
from manga_enrichment.pipeline.candidates.pairs import SCORE_STEPS, Search
from manga_enrichment.pipeline.candidates.postings import Postings
from manga_enrichment.pipeline.candidates.terms import Block, Numbers, block_of, terms_of, words_of
from manga_enrichment.pipeline.candidates.words import FILLER, LIKE, SAME_LABELS

LENGTH_EXPONENT = 0.3
POSTINGS_PER_QUESTION = 200_000
RESCORED = 200
WEIGHTS = {Block.TITLES: 1.0, Block.HEADS: 0.3, Block.AUTHORS: 0.8, Block.LABELS: 0.5, Block.SYNOPSIS: 0.3}
REASONS = {Block.TITLES: "title", Block.SYNOPSIS: "synopsis"}
WORDS = 0.4
"""For all words of a question of several, as words of a title, weighed by how rare they are. Only what its letters find
gets it: a word alone is in too many titles."""

LEAST_SCORE = 0.15
SEED_SHARE = 0.6
QUESTION_CHARACTERS = 200
PHRASE_WORDS = 4
PHRASE_LETTERS = 8
"""Of a name in a text without spaces."""


@dataclass(frozen=True, slots=True)
class Found:
    """A title that answers. score: comparable within one answer. reasons: such as "title", "label horror"."""

    manga_id: str
    title: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Terms of a question, what people call them, and which of them are its words."""

    terms: Numbers
    named: dict[int, str]
    words: Numbers


class Asking:
    """Questions to one index. Opened for the first time on a machine, it writes the lists of `postings.py`."""

    def __init__(self, lists: Lists) -> None:
        self.lists, self._matrix = lists, lists.matrix
        self._postings = Postings(lists.matrix)

    def find(self, question: str, limit: int = 10) -> list[Found]:
        """At most `limit` titles, best first, ties by manga_id; [] for a question that says nothing."""
        question = question.strip()[:QUESTION_CHARACTERS]
        if not question or not len(self._matrix):
            return []
        like = next((match for pattern in LIKE if (match := pattern.match(question))), None)
        if like is not None:
            seed = self._seed(like["seed"])
            if seed != NO_TITLE:
                return self._like(seed, self._named(like["rest"] or ""), limit)
        answers: dict[int, tuple[float, tuple[str, ...]]] = {}
        named = self._named(question)
        for text in filter(None, (question, kana_of(question))):
            asked = self._titles_asked(text)
            terms = np.union1d(asked.terms, np.concatenate([named.terms, self._synopsis_terms(text)]))
            for row, score, reasons in self._ranked(_Asked(terms, named.named, asked.words), RESCORED):
                if row not in answers or score > answers[row][0]:
                    answers[row] = (score, reasons)
        best = sorted(answers, key=lambda row: (-answers[row][0], self._matrix.manga_id(row)))[:limit]
        return [self._found(row, *answers[row]) for row in best]

    def named(self, manga_ids: Sequence[str]) -> list[Candidate]:
        """Those of these titles that the catalog has, in this order."""
        rows = self._matrix.rows_of(pa.array(manga_ids, pa.string()))
        return [self._matrix.shown(row) for row in rows.tolist() if row != NO_TITLE]

    def _found(self, row: int, score: float, reasons: tuple[str, ...]) -> Found:
        shown = self._matrix.shown(row)
        return Found(shown.manga_id, shown.title, round(score, 3), reasons)

    def _seed(self, text: str) -> int:
        """The title that is named by the text; NO_TITLE where none has most of its letters."""
        asked = self._titles_asked(text)
        best = self._ranked(asked, 1)
        if not best:
            return NO_TITLE
        own = asked.terms[block_of(asked.terms) == Block.TITLES]
        _, terms = self._matrix.entries(np.array([best[0][0]]))
        share = (self._matrix.idf(np.intersect1d(own, terms)) ** 2).sum() / (self._matrix.idf(own) ** 2).sum()
        return best[0][0] if share >= SEED_SHARE else NO_TITLE

    def _titles_asked(self, text: str) -> _Asked:
        _, terms = terms_of([MangaRecord("", text)])
        words = words_of(text)
        return _Asked(terms[np.isin(block_of(terms), (Block.TITLES, Block.HEADS))], {}, words[len(words) == 1 :])

    def _synopsis_terms(self, text: str) -> Numbers:
        _, terms = terms_of([MangaRecord("", "", synopsis=FILLER.sub(" ", text))])
        return np.asarray(terms[block_of(terms) == Block.SYNOPSIS])

    def _named(self, text: str) -> _Asked:
        """Labels and authors of the catalog that the text names."""
        phrases = dict(_phrases(text))
        records = [MangaRecord("", "", themes=(each,), authors=(Author(each),)) for each in phrases]
        if not records:
            return _Asked(np.zeros(0, np.int32), {}, np.zeros(0, np.int32))
        offsets, terms = terms_of(records)
        starts, ends = self._postings.bounds(terms)
        wanted = (ends > starts) & np.isin(block_of(terms), (Block.LABELS, Block.AUTHORS))
        kinds = np.where(block_of(terms) == Block.LABELS, "label", "author")
        names = list(phrases.values())
        owners = owners_of(offsets)
        named = {int(terms[at]): f"{kinds[at]} {names[owners[at]]}" for at in np.flatnonzero(wanted)}
        return _Asked(np.array(sorted(named), np.int32), named, np.zeros(0, np.int32))

    def _ranked(self, asked: _Asked, limit: int) -> list[tuple[int, float, tuple[str, ...]]]:
        """(row, score, reasons) of the best by the rarest terms, scored by all."""
        blocks = block_of(asked.terms)
        values, of_words, lengths = self._values(asked)
        rows = self._candidates(asked.terms, values + of_words)
        offsets, terms = self._matrix.entries(rows)
        places = np.minimum(np.searchsorted(asked.terms, terms), len(asked.terms) - 1)
        shared = asked.terms[places] == terms
        owners, places = owners_of(offsets)[shared], places[shared]
        norms = np.maximum(self._matrix.norms[rows][owners, blocks[places]], 1e-6)
        norms = np.where(np.isin(blocks[places], (Block.LABELS, Block.AUTHORS)), lengths[blocks[places]], norms)
        cells = owners * len(Block) + blocks[places]
        by_block = np.bincount(cells, values[places] / norms**LENGTH_EXPONENT, minlength=len(rows) * len(Block))
        by_block = by_block.reshape(len(rows), len(Block))
        plain = by_block.sum(axis=1)
        scores = plain + np.bincount(owners, of_words[places], minlength=len(rows))
        best = np.lexsort((rows, -scores))[:limit]
        names = [
            {asked.named[int(asked.terms[at])] for at in places[owners == row] if int(asked.terms[at]) in asked.named}
            for row in best
        ]
        return [
            (int(rows[at]), float(scores[at]), _reasons(by_block[at], named))
            for at, named in zip(best, names, strict=True)
            if plain[at] >= LEAST_SCORE
        ]

    def _values(self, asked: _Asked) -> tuple[Numbers, Numbers, Numbers]:
        """(what a title gets for each term, for each that is a word besides; the length of each block)"""
        squares = self._matrix.idf(asked.terms).astype(np.float64) ** 2
        blocks = block_of(asked.terms)
        lengths = np.sqrt(np.bincount(blocks, squares, minlength=len(Block)))
        weights = np.array([WEIGHTS.get(block, 0.0) for block in Block])
        scale = np.divide(weights, lengths ** (2 - LENGTH_EXPONENT), out=np.zeros(len(Block)), where=lengths > 0)
        of_words = squares * np.isin(asked.terms, asked.words)
        return squares * scale[blocks], of_words * WORDS / max(1e-6, of_words.sum()), lengths

    def _candidates(self, terms: Numbers, values: Numbers) -> Numbers:
        """Rows with the highest sums over as many lists as the budget has room for, the shortest first."""
        starts, ends = self._postings.bounds(terms)
        order = np.argsort(ends - starts, kind="stable")
        order = order[np.cumsum((ends - starts)[order]) <= POSTINGS_PER_QUESTION]
        rows = [self._postings.rows(starts[at], ends[at]) for at in order]
        if not rows:
            return np.zeros(0, np.int64)
        weights = np.repeat(values[order], (ends - starts)[order])
        sums = np.bincount(np.concatenate(rows), weights, minlength=len(self._matrix))
        best = np.argpartition(-sums, min(RESCORED, len(sums) - 1))[:RESCORED]
        return np.sort(best[sums[best] > 0])

    def _like(self, seed: int, named: _Asked, limit: int) -> list[Found]:
        """What is most like a title, of those with the labels and authors that are named, if any has them."""
        _, terms = self._matrix.entries(np.array([seed]))
        squares = self._matrix.idf(terms) ** 2
        values = squares * np.array(METHOD.weights)[block_of(terms)] / self._matrix.norms[seed][block_of(terms)] ** 2
        rows = np.union1d(self._candidates(terms, values), self.lists.members[seed])
        for term in named.terms:
            [start], [end] = self._postings.bounds(np.array([term]))
            rows_named = self._postings.rows(start, end)
            some = np.intersect1d(rows, rows_named)
            rows = some if len(some) else rows_named[:RESCORED]
        rows = rows[(rows != NO_TITLE) & (self._matrix.works[rows] != self._matrix.works[seed])]
        scores = self._search.scores(np.full(len(rows), seed), rows) / SCORE_STEPS
        reasons = (f"like {self._matrix.shown(seed).title}", *sorted(named.named.values()))
        best = np.lexsort((rows, -scores))[:limit]
        return [self._found(int(rows[at]), float(scores[at]), reasons) for at in best]

    @cached_property
    def _search(self) -> Search:
        return Search(self._matrix, METHOD)


def _reasons(by_block: Numbers, named: set[str]) -> tuple[str, ...]:
    """The strongest first; the title alone is named where it is more than a coincidence of letters."""
    found = [(float(by_block[block]), reason) for block, reason in REASONS.items() if by_block[block] > LEAST_SCORE / 2]
    return (*(reason for _, reason in sorted(found, reverse=True)), *sorted(named))


def _phrases(text: str) -> Iterator[tuple[str, str]]:
    """(what may be a label or an author's name, what was typed): phrases of a few words, and other names of labels."""
    words = folded(text).split()
    spans = [words[at : at + size] for size in range(1, PHRASE_WORDS + 1) for at in range(len(words) - size + 1)]
    typed = {" ".join(span): " ".join(span) for span in spans} | {raw: raw for raw in text.split()}
    for word in words:
        if not word.isascii():
            sizes = range(2, PHRASE_LETTERS + 1)
            typed |= {
                word[at : at + size]: word[at : at + size] for size in sizes for at in range(len(word) - size + 1)
            }
    yield from typed.items()
    for names in SAME_LABELS:
        said = next((name for name in names if _says(text, words, name)), None)
        if said is not None:
            yield from ((name, said) for name in names)


def _says(text: str, words: Sequence[str], name: str) -> bool:
    """Whether the text has the name: as words in Latin letters, anywhere in Japanese."""
    return f" {folded(name)} " in f" {' '.join(words)} " if name.isascii() else name in text
