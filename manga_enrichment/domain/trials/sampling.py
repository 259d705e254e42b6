"""Titles that stand for the catalog: a seeded sample, each kind of title in its share.

Belongs here: what kind a title is, and drawing in one pass with little memory. Stays out: reading the catalog, and
which titles can be asked about (`pipeline/trials/drawing.py`).

A title's rank is a hash of seed and id, and those of the lowest ranks are drawn: the order of the catalog does not
count, and a larger sample holds nearly all of a smaller one, whose answers are paid for. Kinds get their proportional
share, so that a plain mean over the sample is the estimate for the catalog.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from heapq import heappush, heappushpop

from manga_enrichment.domain.analyses.text import japanese_share, weighted_length
from manga_enrichment.domain.catalog.records import MangaRecord

DEMOGRAPHICS = frozenset({"children", "josei", "kids", "seinen", "shoujo", "shounen"})
JAPANESE_SHARE = 0.2
SHORT_TEXT, LONG_TEXT = 160, 480
"""Weighted characters of a synopsis: below is short, from there on long."""


@dataclass(frozen=True, slots=True, order=True)
class Stratum:
    """The kind of a title. language: of its synopsis, or of its title without one."""

    demographic: str
    language: str
    length: str


def stratum_of(record: MangaRecord) -> Stratum:
    return Stratum(_demographic(record), _language(record.synopsis or record.title), _length(record.synopsis or ""))


class StratifiedSample:
    """Offered every title once, in any order; holds `size` ids a stratum at most."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        self._lowest: dict[Stratum, list[tuple[int, int, str]]] = {}
        self.counts: Counter[Stratum] = Counter()

    def offer(self, manga_id: str, stratum: Stratum, *, is_preferred: bool = False) -> None:
        """is_preferred: drawn before others of its stratum, as a title is whose truth is known."""
        self.counts[stratum] += 1
        heap = self._lowest.setdefault(stratum, [])
        entry = (-(not is_preferred), -self._rank(manga_id), manga_id)  # a heap has its smallest first
        if len(heap) < self._size:
            heappush(heap, entry)
        else:
            heappushpop(heap, entry)

    def drawn(self) -> dict[str, Stratum]:
        """By id, sorted; at most `size`, fewer only where fewer were offered."""
        chosen = {}
        for stratum, share in shares(self.counts, self._size).items():
            for *_, manga_id in sorted(self._lowest[stratum], reverse=True)[:share]:
                chosen[manga_id] = stratum
        return dict(sorted(chosen.items()))

    def _rank(self, manga_id: str) -> int:
        return int.from_bytes(hashlib.blake2b(f"{self._seed}:{manga_id}".encode(), digest_size=8).digest(), "big")


def shares(counts: Counter[Stratum], size: int) -> dict[Stratum, int]:
    """How many of each: in proportion, what is left over to the largest remainders; in all `size`, or what there is."""
    total = sum(counts.values())
    if size >= total:
        return dict(counts)
    whole = {stratum: size * count // total for stratum, count in counts.items()}
    by_remainder = sorted(counts, key=lambda stratum: (-(size * counts[stratum] % total), stratum))
    for stratum in by_remainder[: size - sum(whole.values())]:
        whole[stratum] += 1
    return whole


def _demographic(record: MangaRecord) -> str:
    if not record.demographics:
        return "none"
    first = record.demographics[0].casefold()
    return first if first in DEMOGRAPHICS else "other"


def _language(text: str) -> str:
    if japanese_share(text) >= JAPANESE_SHARE:
        return "japanese"
    letters = [character for character in text if character.isalpha()]
    return "latin" if sum(map(str.isascii, letters)) * 2 >= len(letters) else "other"


def _length(synopsis: str) -> str:
    length = weighted_length(synopsis)
    if not length:
        return "none"
    if length < SHORT_TEXT:
        return "short"
    return "middle" if length < LONG_TEXT else "long"
