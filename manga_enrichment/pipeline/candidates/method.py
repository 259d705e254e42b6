"""How alike two titles are: the weights, and what bounds the search.

Belongs here: the numbers that decide which candidates are found, and their version. Stays out: terms (`terms.py`) and
search (`pairs.py`).
"""

from dataclasses import dataclass

from manga_enrichment.pipeline.candidates.terms import Block

METHOD_VERSION = "3"
"""Raise it when the search finds other candidates in the same catalog: lists that were paid for then move by
MANGA_CANDIDATES_REFRESH."""


@dataclass(frozen=True, slots=True)
class Method:
    """Two titles' score is the sum, over blocks, of weight x cosine of their terms by inverse document frequency.

    titles_per_term   a term of more titles finds none: a label, an author or a magazine is split by a hash of the
                      title, others only count when what was found is scored
    few_terms         a title with fewer that find something is searched for again, by terms of at most
                      titles_per_common_term titles
    rescored          so many of the found are scored by all terms
    minimum_share     a candidate reaches this share of the score that the title has with itself; below is chance
    """

    titles: float = 1.0
    heads: float = 0.6
    authors: float = 0.65
    labels: float = 0.15
    synopsis: float = 0.15
    magazines: float = 0.05
    titles_per_term: int = 250
    few_terms: int = 8
    titles_per_common_term: int = 2_000
    rescored: int = 32
    minimum_share: float = 0.03

    @property
    def weights(self) -> tuple[float, ...]:
        """By block."""
        by_block = {
            Block.TITLES: self.titles,
            Block.HEADS: self.heads,
            Block.AUTHORS: self.authors,
            Block.LABELS: self.labels,
            Block.SYNOPSIS: self.synopsis,
            Block.MAGAZINES: self.magazines,
            Block.WORKS: 0.0,
        }
        return tuple(by_block[block] for block in Block)


METHOD = Method()
SPLIT = (Block.AUTHORS, Block.LABELS, Block.MAGAZINES)
"""Blocks whose common terms are split rather than dropped, so that all who share one can still be found."""
