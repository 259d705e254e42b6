"""What makes two titles look alike, as index terms: labels, people, words and character n-grams.

Belongs here: reading terms and their weights from a record, and the keys of the work it belongs to. Stays out: the
index (`candidate_index.py`).

Labels and names are compared whole. Text is compared by script, because only some scripts put spaces between words:
words by their first six letters (a crude stem that needs no language), kanji by bigrams, kana by trigrams. Hiragana
counts in titles only: in running text its n-grams are grammar.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from manga_enrichment.domain.catalog.records import MangaRecord

LABEL, AUTHOR, DEMOGRAPHIC, MAGAZINE, WORD = "label", "author", "demographic", "magazine", "word"

LABEL_WEIGHT = 1.0
AUTHOR_WEIGHT = 0.6
DEMOGRAPHIC_WEIGHT = 0.6
MAGAZINE_WEIGHT = 0.4
TITLE_WORD_WEIGHT = 0.5
SYNOPSIS_WORD_WEIGHT = 0.25

SYNOPSIS_CHARACTERS = 600
"""The premise stands at the beginning; a fixed lead also keeps long texts from matching everything."""

TITLE_CHARACTERS = 200
MAX_VALUES = 20
MAX_VALUE_CHARACTERS = 100
STEM_CHARACTERS = 6

_HAN = "々〆\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS = re.compile(
    rf"(?P<han>[{_HAN}]+)|(?P<katakana>[ァ-ヺー]+)|(?P<hiragana>[ぁ-ゖゝゞ]+)|(?P<word>[^\W\d_ぁ-ヺー{_HAN}]+)"
)
_STOP_WORD = re.compile(
    "about|after|all|also|and|any|are|back|been|before|but|can|could|does|each|even|every|for|from|gets?|had|has|have|"
    "her|him|himself|his|how|into|its|just|like|more|most|must|never|not|now|off|once|one|only|other|our|out|over|own|"
    "she|should|some|than|that|the|their|them|then|there|these|they|this|those|through|too|two|until|upon|very|was|"
    "were|what|when|where|which|while|who|whose|why|will|with|would|you|your"
)
"""English only, and only needed where a catalog is too small for common words to show as common."""


def terms(record: MangaRecord) -> dict[str, float]:
    """The record's terms ("kind:value"), each with the weight of one match."""
    labels = (*record.publisher_genres, *record.themes)
    words = dict.fromkeys(_words(record.synopsis or "", SYNOPSIS_CHARACTERS), SYNOPSIS_WORD_WEIGHT)
    words |= dict.fromkeys(_label_words(labels), SYNOPSIS_WORD_WEIGHT)
    for title in (record.title, record.title_ja, record.title_en):
        words |= dict.fromkeys(_words(title or "", TITLE_CHARACTERS, hiragana=True), TITLE_WORD_WEIGHT)
    found = {f"{WORD}:{word}": weight for word, weight in words.items()}
    for kind, values, weight in (
        (LABEL, labels, LABEL_WEIGHT),
        (AUTHOR, (author.name for author in record.authors), AUTHOR_WEIGHT),
        (DEMOGRAPHIC, record.demographics, DEMOGRAPHIC_WEIGHT),
        (MAGAZINE, record.magazines, MAGAZINE_WEIGHT),
    ):
        found |= dict.fromkeys((f"{kind}:{key}" for key in _keys(values)), weight)
    return found


def kind_of(term: str) -> str:
    return term.partition(":")[0]


def work_keys(record: MangaRecord) -> tuple[str, ...]:
    """Keys of the work: two records that share one are evidently the same work, listed twice.

    A key joins a normalised title (original, Japanese or English) with one author. The title alone would not do:
    different works bear the same name.
    """
    titles = _keys(title for title in (record.title, record.title_ja, record.title_en) if title)
    authors = _keys(author.name for author in record.authors)
    return tuple(sorted(f"{title}|{author}" for title in titles for author in authors))


def _keys(values: Iterable[str]) -> set[str]:
    """Values as they are compared: width, case, spaces and punctuation make no difference."""
    keys = set()
    for value in list(values)[:MAX_VALUES]:
        text = _folded(value[:MAX_VALUE_CHARACTERS])
        keys.add("".join(filter(str.isalnum, text)) or text.strip())
    return keys - {""}


def _label_words(labels: Iterable[str]) -> Iterator[str]:
    """A label also counts as words, so that it finds titles whose synopsis says the same."""
    for label in list(labels)[:MAX_VALUES]:
        yield from _words(label, MAX_VALUE_CHARACTERS)


def _words(text: str, limit: int, *, hiragana: bool = False) -> Iterator[str]:
    for run in _RUNS.finditer(_folded(text[:limit])):
        kind, chars = run.lastgroup, run.group()
        if kind == "word":
            if (len(chars) > 2 or not chars.isascii()) and not _STOP_WORD.fullmatch(chars):
                yield chars[:STEM_CHARACTERS]
        elif kind == "han":
            yield from _ngrams(chars, 2)
        elif len(chars) > 1 and (kind == "katakana" or hiragana):
            yield from _ngrams(chars, 3)


def _ngrams(text: str, size: int) -> Iterator[str]:
    """All n-grams of the run, or the run itself when it is shorter."""
    for start in range(max(1, len(text) - size + 1)):
        yield text[start : start + size]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
