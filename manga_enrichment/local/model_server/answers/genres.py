"""Genres and themes of a title by the lexicon: how often its words occur, and where.

Belongs here: finding and weighing lexicon entries, matching genres to the enum of a schema. Stays out: the words.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from manga_enrichment.local.model_server.answers.lexicon import (
    GENRE_ALIASES,
    GENRE_ENTRIES,
    NEXT_BEST,
    THEME_ENTRIES,
)
from manga_enrichment.local.model_server.answers.title_prompt import TitlePrompt

_WORD = re.compile(r"[a-z]+")
_ONLY_LETTERS = {code: " " for code in range(128) if not chr(code).islower()}  # what _WORD does, for ASCII
_SEPARATORS = re.compile(r"[^a-z]")
_SINGLE_LABEL = re.compile(r"[;,/]")
_REPEATS = (0.0, 1.0, 1.5, 1.75)
"""Saying a word again says a little more, saying it for the tenth time does not."""
_LABEL_WEIGHT, _TITLE_WEIGHT, _SYNOPSIS_WEIGHT, _CONTEXT_WEIGHT = 3.0, 1.5, 1.0, 0.5
_NAMED_BY_PUBLISHER = 12.0
_CLEAR_LABEL = 9.0
_HALF_SURE = 3.0
"""Score at which a genre is as likely as not."""
_FALLBACK = "drama"


class WordIndex:
    """Lexicon words to the entries they belong to. Words are looked up, phrases and Japanese are searched for."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        """rows: English and Japanese words of entry 0, 1, ..."""
        self._words: dict[str, list[int]] = defaultdict(list)
        self._phrases: dict[str, list[tuple[str, int]]] = defaultdict(list)  # first word -> phrase, entry
        self._japanese: dict[str, list[tuple[str, int]]] = defaultdict(list)  # first character -> term, entry
        for number, (english, japanese) in enumerate(rows):
            for word in english.split():
                plain = plain_text(word)
                if " " in plain:
                    self._phrases[plain.split()[0]].append((plain, number))
                else:
                    self._words[plain].append(number)
                    self._words[plain + "s"].append(number)
            for term in japanese.lower().split():
                self._japanese[term[0]].append((term, number))

    def hits(self, text: str) -> dict[int, int]:
        """How often each entry occurs in `plain_text`; an English plural in -s counts as its singular."""
        found: dict[int, int] = defaultdict(int)
        counts = Counter(text.translate(_ONLY_LETTERS).split() if text.isascii() else _WORD.findall(text))
        for word in counts.keys() & self._words.keys():
            for number in self._words[word]:
                found[number] += counts[word]
        for first in counts.keys() & self._phrases.keys():
            for phrase, number in self._phrases[first]:
                if phrase in text:
                    found[number] += 1
        if not text.isascii():
            for first in self._japanese.keys() & set(text):
                for term, number in self._japanese[first]:
                    if term in text:
                        found[number] += text.count(term)
        return found


@dataclass(frozen=True, slots=True)
class Reading:
    """What the lexicon finds in a title.

    scores    by genre, strongest first; empty when nothing was found
    labelled  genres that the publisher names
    themes    motifs, strongest first
    """

    scores: Mapping[str, float]
    labelled: frozenset[str]
    themes: tuple[str, ...]

    def confidence(self, genre: str) -> float:
        """0 to 1: from 0.9 where the publisher names it, below 0.9 where words of the text speak for it."""
        score = self.scores.get(genre, 0.5)
        sure = score / (score + _HALF_SURE)
        return round(max(0.9, min(sure, 0.98)) if genre in self.labelled else min(sure, 0.89), 2)


def plain_text(text: str) -> str:
    """Lower case, with hyphens and underscores as spaces: "High-school" finds "high school"."""
    return text.lower().replace("-", " ").replace("_", " ")


def read_genres(title: TitlePrompt) -> Reading:
    """Scores by genre and themes by everything the prompt says about the title."""
    scores: dict[str, float] = defaultdict(float)
    themes: dict[str, float] = defaultdict(float)
    labels: dict[str, float] = defaultdict(float)
    for label in _SINGLE_LABEL.split(title.labels):
        if genre := _genre_names().get(_SEPARATORS.sub("", label.lower())):
            labels[genre] += _NAMED_BY_PUBLISHER
    for text, weight, into in (
        (title.labels, _LABEL_WEIGHT, labels),
        (title.titles, _TITLE_WEIGHT, scores),
        (title.synopsis, _SYNOPSIS_WEIGHT, scores),
        (title.context, _CONTEXT_WEIGHT, scores),
    ):
        if text:
            _weigh(text, weight, into, themes)
    for genre, score in labels.items():
        scores[genre] += score
    return Reading(
        _strongest_first(scores),
        frozenset(genre for genre, score in labels.items() if score >= _CLEAR_LABEL),
        tuple(_strongest_first(themes)),
    )


def _weigh(text: str, weight: float, scores: dict[str, float], themes: dict[str, float]) -> None:
    for number, count in sorted(_genre_index().hits(plain_text(text)).items()):
        points = weight * _REPEATS[min(count, 3)]
        if number < len(GENRE_ENTRIES):
            entry = GENRE_ENTRIES[number]
            scores[entry.genre] += points * entry.weight
            if entry.theme:
                themes[entry.theme] += points
        else:
            themes[THEME_ENTRIES[number - len(GENRE_ENTRIES)][0]] += points * 1.2


def _strongest_first(scores: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def ranked_genres(reading: Reading, enum: Sequence[str], limit: int) -> list[tuple[str, float]]:
    """Up to `limit` (value of `enum`, confidence), most certain first; at least one."""
    known = enum_by_genre(tuple(enum))
    ranked: dict[str, float] = {}
    top = next(iter(reading.scores.values()), 0.0)
    for genre, score in reading.scores.items():
        confidence = reading.confidence(genre)
        if genre in known and (not ranked or (confidence >= 0.4 and score >= top / 4)):
            ranked.setdefault(known[genre], confidence)
    if not ranked:
        return [(known.get(_FALLBACK, enum[0]), 0.2)]
    return sorted(ranked.items(), key=lambda item: -item[1])[:limit]


@lru_cache(maxsize=64)
def enum_by_genre(enum: tuple[str, ...]) -> dict[str, str]:
    """The value of `enum` for each genre of the lexicon: itself under any spelling, else the next best one."""
    named = {_genre_names().get(_SEPARATORS.sub("", value.lower()), ""): value for value in reversed(enum)}
    found: dict[str, str] = {}
    for genre in set(_genre_names().values()):
        nearest: str | None = genre
        while nearest is not None and nearest not in named:
            nearest = NEXT_BEST.get(nearest)
        if nearest is not None:
            found[genre] = named[nearest]
    return found


@cache
def _genre_names() -> dict[str, str]:
    """Every spelling without separators to the genre."""
    names = {_SEPARATORS.sub("", entry.genre): entry.genre for entry in GENRE_ENTRIES}
    for genre, aliases in GENRE_ALIASES.items():
        names.update(dict.fromkeys(aliases.split(), genre))
    return names


@cache
def _genre_index() -> WordIndex:
    return WordIndex([(entry.en, entry.ja) for entry in GENRE_ENTRIES] + [(en, ja) for _, en, ja in THEME_ENTRIES])
