"""What titles are compared by, as numbers: pieces of titles, people, labels, words of synopses, magazines.

Belongs here: cutting records into terms, many at a time. Stays out: what a term weighs (`method.py`), the matrix of
all titles (`matrix.py`).

A term is a whole number below 2^31: its block above, 28 bits of a hash below. So no list of all terms is needed, and
a title that is new tomorrow meets yesterday's. One rare term in twenty of a million titles shares its number with
another, which adds no more than chance does.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import cache, lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.pipeline.candidates.folding import folded

Numbers = npt.NDArray[Any]
Found = tuple[Numbers, Numbers]
"""The record and the term of each find."""

TITLE_CHARACTERS = 200
SYNOPSIS_CHARACTERS = 600
"""The premise stands at the beginning; a fixed lead also keeps long texts from matching everything."""

REMEMBERED = 20_000
"""So many names and labels are folded once: catalogs repeat them."""

MAX_VALUES = 20
MAX_VALUE_CHARACTERS = 100
NGRAM_SIZES = (2, 3, 4)
HEAD_SIZES = (3, 4, 6, 8, 12, 16, 20)
STEM_CHARACTERS = 6
HASH_BITS = 28

_SEPARATOR = "\0"
_JAPANESE = re.compile("[ぁ-ヿ々㐀-鿿]")
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_OTHER, _LETTER, _HAN, _KATAKANA = range(4)
_STOP_WORDS = (
    "about after all also and any are back been before but can could does each even every for from get gets had has "
    "have her him himself his how into its just like more most must never not now off once one only other our out over "
    "own she should some than that the their them then there these they this those through too two until upon very was "
    "were what when where which while who whose why will with would you your"
)
"""English only, and only needed where a catalog is too small for common words to show as common."""


class Block(IntEnum):
    """Kinds of terms; each is normed by itself, so that none drowns the others."""

    TITLES = 0
    HEADS = 1
    """Beginnings and words, too."""
    AUTHORS = 2
    LABELS = 3
    SYNOPSIS = 4
    MAGAZINES = 5
    WORKS = 6
    """A title with an author: two records that share one are evidently the same work, listed twice. Never scored."""


def terms_of(records: Sequence[MangaRecord]) -> tuple[Numbers, Numbers]:
    """(offsets, terms): those of record number i are terms[offsets[i]:offsets[i + 1]], ascending, none twice.

    Titles are cut without their spaces, which sources and spin-offs set as they like; their words stand among the
    heads.
    """
    titles = [titles_of(record) for record in records]
    joined = _Texts([[title.replace(" ", "") for title in own] for own in titles])
    words = _Texts([[word for title in own for word in title.split(" ")] for own in titles])
    found = [_ngrams(joined), _heads(joined), _wholes(words, Block.HEADS)]
    found += [
        _words(_Texts(map(_synopsis, records))),
        _wholes(_Texts(map(_people, records)), Block.AUTHORS),
        _wholes(_Texts(map(label_keys, records)), Block.LABELS),
        _wholes(_Texts(map(_magazines, records)), Block.MAGAZINES),
        _wholes(_Texts(map(_works, records)), Block.WORKS),
    ]
    finds = np.concatenate([(rows << np.uint64(31)) | terms for rows, terms in found])
    finds.sort()  # np.unique would hash them first, which takes longer
    pairs = finds[np.diff(finds, prepend=~finds[:1]) != 0]
    rows = (pairs >> np.uint64(31)).astype(np.int64)
    offsets = np.zeros(len(records) + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=len(records)), out=offsets[1:])
    return offsets, (pairs & np.uint64(2**31 - 1)).astype(np.int32)


def words_of(title: str) -> Numbers:
    """The terms of a title's words, ascending."""
    return np.unique(_wholes(_Texts([folded(title[:TITLE_CHARACTERS]).split(" ")]), Block.HEADS)[1]).astype(np.int32)


def block_of(terms: Numbers) -> Numbers:
    return (terms >> HASH_BITS).astype(np.int8)


def is_japanese(title: str) -> bool:
    return _JAPANESE.search(title) is not None


def titles_of(record: MangaRecord) -> list[str]:
    """Every title of a record and its reading, folded, none twice."""
    titles = (record.title, record.title_ja, record.title_en, record.title_kana, *record.synonyms[:MAX_VALUES])
    return list(dict.fromkeys(folded(title[:TITLE_CHARACTERS])[:TITLE_CHARACTERS] for title in titles if title))


def label_keys(record: MangaRecord) -> list[str]:
    """Genres, themes and demographics are one kind, since sources disagree which is which."""
    return _keys((*record.publisher_genres, *record.themes, *record.demographics))


@lru_cache(REMEMBERED)
def author_key(name: str) -> str:
    """A name whatever its order: "Mori, Hana" is "Hana Mori"; in Japanese script without spaces."""
    words = folded(name[:MAX_VALUE_CHARACTERS])[:MAX_VALUE_CHARACTERS].split()
    return " ".join(sorted(words)) if all(word.isascii() for word in words) else "".join(words)


def _people(record: MangaRecord) -> list[str]:
    return [author_key(author.name) for author in record.authors[:MAX_VALUES]]


def _works(record: MangaRecord) -> list[str]:
    """The title alone would not do: different works bear the same name."""
    titles = dict.fromkeys(_keys(title for title in (record.title, record.title_ja, record.title_en) if title))
    return [f"{title}|{author}" for title in titles for author in _people(record) if author]


def _magazines(record: MangaRecord) -> list[str]:
    return _keys(record.magazines)


def _synopsis(record: MangaRecord) -> list[str]:
    """Not folded altogether: katakana says something where hiragana does not."""
    return [
        unicodedata.normalize("NFKC", (record.synopsis or "")[:SYNOPSIS_CHARACTERS]).casefold()[:SYNOPSIS_CHARACTERS]
    ]


def _keys(values: Iterable[str]) -> list[str]:
    return [_key(value) for value in list(values)[:MAX_VALUES]]


@lru_cache(REMEMBERED)
def _key(value: str) -> str:
    return "".join(folded(value[:MAX_VALUE_CHARACTERS]).split())[:MAX_VALUE_CHARACTERS]


class _Texts:
    """Texts of many records as one array of code points: a 0 before, between and after them."""

    def __init__(self, texts_of: Iterable[list[str]]) -> None:
        """texts_of: those of each record."""
        texts = [[text for text in own if text] for own in texts_of]
        flat = list(chain.from_iterable(texts))
        if _SEPARATOR in "".join(flat):
            flat = [text.replace(_SEPARATOR, " ") for text in flat]
        self.rows = np.repeat(np.arange(len(texts), dtype=np.uint64), list(map(len, texts)))
        self.lengths = np.array(list(map(len, flat)), np.int64)
        self.starts = 1 + np.cumsum(self.lengths + 1) - (self.lengths + 1)
        joined = _SEPARATOR.join(["", *flat, ""]) if flat else ""
        self.codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        self.row_after = np.repeat(self.rows, self.lengths + 1)
        """The record of the text that stands right after, or around, each code point but the last."""
        self._places = np.zeros(len(self.codes), np.int64)
        self._places[1:] = np.arange(1, len(self.codes)) - np.repeat(self.starts, self.lengths + 1)
        self._sums = np.zeros(len(self.codes) + 1, np.uint64)
        np.cumsum(self.codes * _powers(_PRIME)[self._places], out=self._sums[1:])

    def hashes(self, starts: Numbers, lengths: Numbers) -> Numbers:
        """Of the pieces with these starts and lengths; the same letters have the same hash wherever they stand."""
        pieces = (self._sums[starts + lengths] - self._sums[starts]) * _powers(_INVERSE)[self._places[starts]]
        return mixed(pieces + lengths.astype(np.uint64) * _PRIME)


@cache
def _powers(base: np.uint64) -> Numbers:
    """1, base, base², … for every place of the longest text."""
    powers = np.full(SYNOPSIS_CHARACTERS + 2, base)
    powers[0] = 1
    return np.cumprod(powers)


def mixed(numbers: Numbers) -> Numbers:
    """Other 64 bits for each, of which every one depends on most of the number's."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _MIX
    return np.asarray(numbers ^ (numbers >> np.uint64(31)))


def _term(hashes: Numbers, block: Block) -> Numbers:
    return (hashes >> np.uint64(64 - HASH_BITS)) | np.uint64(block << HASH_BITS)


def _ngrams(texts: _Texts) -> Found:
    """Two to four letters in a row. The ends of a title count as letters, so that a title of one letter has some."""
    is_end = texts.codes == 0
    rows, terms = [], []
    for size in NGRAM_SIZES:
        count = max(0, len(texts.codes) - size + 1)
        hashes = np.full(count, np.uint64(size))
        whole = np.ones(count, np.bool_)
        for place in range(size):
            hashes = mixed((hashes ^ texts.codes[place : place + count]) * _PRIME)
            if 0 < place < size - 1:
                whole &= ~is_end[place : place + count]
        rows.append(texts.row_after[:count][whole])
        terms.append(_term(hashes[whole], Block.TITLES))
    return np.concatenate(rows), np.concatenate(terms)


def _heads(texts: _Texts) -> Found:
    """Beginnings of several lengths, and the whole: what series have in common."""
    lengths = [np.where(texts.lengths >= size, size, 0) for size in HEAD_SIZES]
    found = [(length > 0, length) for length in (*lengths, texts.lengths)]
    rows = [texts.rows[some] for some, _ in found]
    terms = [_term(texts.hashes(texts.starts[some], length[some]), Block.HEADS) for some, length in found]
    return np.concatenate(rows), np.concatenate(terms)


def _wholes(texts: _Texts, block: Block) -> Found:
    return texts.rows, _term(texts.hashes(texts.starts, texts.lengths), block)


def _words(texts: _Texts) -> Found:
    """Words by their first six letters (a crude stem that needs no language), kanji by twos, katakana by threes;
    hiragana is grammar in running text."""
    kinds = _kinds()[np.minimum(texts.codes, len(_kinds()) - 1)]
    starts = np.flatnonzero(np.diff(kinds, prepend=_OTHER))
    lengths = np.diff(starts, append=len(kinds))
    runs = kinds[starts]
    letters = (runs == _LETTER) & ((lengths > 2) | (texts.codes[starts] > 127))
    word_starts, word_lengths = starts[letters], np.minimum(lengths[letters], STEM_CHARACTERS)
    telling = ~np.isin(texts.hashes(word_starts, lengths[letters]), _stop_words())
    pieces = [(word_starts[telling], word_lengths[telling])]
    for kind, size in ((_HAN, 2), (_KATAKANA, 3)):
        of_kind = (runs == kind) & (lengths > (kind == _KATAKANA))
        windows = np.maximum(1, lengths[of_kind] - size + 1)
        first = np.repeat(starts[of_kind], windows)
        place = np.arange(len(first)) - np.repeat(np.cumsum(windows) - windows, windows)
        pieces.append((first + place, np.repeat(np.minimum(lengths[of_kind], size), windows)))
    at = np.concatenate([starts for starts, _ in pieces])
    terms = _term(texts.hashes(at, np.concatenate([lengths for _, lengths in pieces])), Block.SYNOPSIS)
    return texts.row_after[at], terms


@cache
def _stop_words() -> Numbers:
    texts = _Texts([_STOP_WORDS.split()])
    return texts.hashes(texts.starts, texts.lengths)


@cache
def _kinds() -> Numbers:
    """The script of every code point of the first two planes; what comes after counts as kanji."""
    kinds = np.full(0x20001, _OTHER, np.int8)
    kinds[:0x10000][list(map(str.isalpha, map(chr, range(0x10000))))] = _LETTER
    for first, last, kind in (("ぁ", "ゟ", _OTHER), ("ァ", "ヿ", _KATAKANA), ("㐀", "鿿", _HAN), ("豈", "龎", _HAN)):
        kinds[ord(first) : ord(last) + 1] = kind
    kinds[[ord("々"), ord("〆"), 0x20000]] = _HAN
    return kinds
