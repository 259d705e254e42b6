"""The words of the sample catalog, read from `vocabulary_en.toml` and `vocabulary_ja.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class GenreWords:
    """Words and sentences that belong to one genre in one language."""

    roles: tuple[str, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]
    hooks: tuple[str, ...]
    turns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """All words of one language. Names and title words are (text, reading) pairs; reading is "" in English."""

    openings: tuple[str, ...]
    links: tuple[str, ...]
    closings: tuple[str, ...]
    first_names: tuple[tuple[str, str], ...]
    last_names: tuple[str, ...]
    adjectives: tuple[tuple[str, str], ...]
    words: tuple[tuple[str, str], ...]
    title_forms: tuple[str, ...]
    attributions: tuple[str, ...]
    genres: Mapping[str, GenreWords]


@dataclass(frozen=True, slots=True)
class GenreFacts:
    """What is true of a genre in any language: who it is made for and which themes it has."""

    demographics: tuple[str, ...]
    themes: tuple[str, ...]


@cache
def english() -> Language:
    return _language("vocabulary_en.toml")


@cache
def japanese() -> Language:
    return _language("vocabulary_ja.toml")


@cache
def genre_facts() -> Mapping[str, GenreFacts]:
    """Genre -> facts, in the order of the English file; names are those of `genre_classification`."""
    return {
        genre: GenreFacts(tuple(words["demographics"]), tuple(words["themes"]))
        for genre, words in _document("vocabulary_en.toml")["genres"].items()
    }


def _language(file_name: str) -> Language:
    document = _document(file_name)
    return Language(
        openings=tuple(document["openings"]),
        links=tuple(document["links"]),
        closings=tuple(document["closings"]),
        first_names=_pairs(document["first_names"]),
        last_names=tuple(document["last_names"]),
        adjectives=_pairs(document["adjectives"]),
        words=_pairs(document.get("words") or document["nouns"]),
        title_forms=tuple(document["title_forms"]),
        attributions=tuple(document["attributions"]),
        genres={genre: _genre_words(words) for genre, words in document["genres"].items()},
    )


def _genre_words(words: dict[str, list[str]]) -> GenreWords:
    return GenreWords(*(tuple(words[name]) for name in ("roles", "places", "things", "hooks", "turns")))


def _pairs(entries: list[str | list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((entry, "") if isinstance(entry, str) else (entry[0], entry[1]) for entry in entries)


@cache
def _document(file_name: str) -> Mapping[str, Any]:
    return tomllib.loads((files(__package__) / file_name).read_text("utf-8"))
