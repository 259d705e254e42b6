"""One raw value of a list field -> its distinct texts, in order.

Belongs here: what counts as one item, where a text is split, which part of an object is its text.
Stays out: people (`people.py`), containers written as text (`containers.py`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from manga_enrichment.domain.catalog.containers import container
from manga_enrichment.domain.catalog.text import clean_line, decode_entities, is_plain
from manga_enrichment.domain.catalog.values import (
    NOTHING,
    NULL_WORDS,
    InvalidValueError,
    is_null_word,
    of_line,
    required_text,
)
from manga_enrichment.domain.catalog.warnings import Note, WarningReason, no_note

_SEPARATOR = re.compile(r"[;|\n]")
_COMMA = re.compile(r"[,，、](?![^(（\[［]*[)）\]］])")
"""Not within brackets."""
_TEXT_KEYS = ("name", "title", "value", "text", "label", "@value", "full", "attributes", "node")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{2,8})*\Z")
_NOT_LANGUAGES = frozenset({"id", "key", "url", "uri", "mal_id", "type", "kind", "slug"})
_DEEPEST = 6
_LONGEST_LABEL = 20
"""Lists name the same short words over and over: each is looked at once and remembered."""
_LISTS = (list, tuple)
_EMPTY: tuple[object, ...] = (None, "", [], {})


def titles(value: object, note: Note = no_note) -> tuple[str, ...]:
    """From a list, a container in a text, or a text separated by ";", "|" or line ends. "Unknown" is a title."""
    return _distinct(_texts(items(value), NOTHING | {"-", "nil"}, note), note)


def names(value: object, note: Note = no_note) -> tuple[str, ...]:
    """Like `titles`, without words that say nothing; a name may hold commas."""
    return _distinct(_texts(items(value), NULL_WORDS, note), note)


def labels(value: object, note: Note = no_note) -> tuple[str, ...]:
    """Like `names`; a text without another separator is split at its commas."""
    found = list(items(value))
    if isinstance(value, str) and len(found) == 1 and isinstance(found[0], str):
        parts = _COMMA.split(found[0])
        if len(parts) > 1:
            note(WarningReason.SPLIT)
            found = list(parts)
    return _distinct(_texts(found, NULL_WORDS, note), note)


def items(value: object) -> Iterable[Any]:
    """The items of a list, of an object by language, or of a text that holds several; one object is one item."""
    if isinstance(value, str):
        return _split(value)
    if isinstance(value, _LISTS):
        return value
    if isinstance(value, Mapping):
        return (value,)
    raise InvalidValueError("not a list")


def _split(text: str) -> Iterable[Any]:
    parsed = container(text)
    if parsed is not None:
        return parsed if isinstance(parsed, list) else (parsed,)
    # Entities end in ";": decode before splitting.
    return [part for part in map(str.strip, _SEPARATOR.split(decode_entities(text))) if part]


def _texts(found: Iterable[Any], null_words: frozenset[str], note: Note) -> list[str]:
    kept: list[str] = []
    for item in found:
        if not item and item in _EMPTY:
            continue
        if isinstance(item, str) and (_is_plain_label(item) if len(item) <= _LONGEST_LABEL else is_plain(item)):
            texts: tuple[str, ...] = (item,)
        else:
            texts = tuple(texts_of(item, note))
        if not texts:
            note(WarningReason.UNKNOWN_SHAPE)
        for text in texts:
            if is_null_word(text, null_words):
                note(WarningReason.NULL_WORD)
            elif text:
                kept.append(text)
    return kept


def texts_of(item: object, note: Note, depth: int = 0) -> Iterator[str]:
    """The texts of one item: a text or number, or an object with a name, or with texts by language."""
    if isinstance(item, str):
        yield item if is_plain(item) else of_line(clean_line, item, note)
    elif isinstance(item, Mapping) and depth < _DEEPEST:
        named = next((item[key] for key in _TEXT_KEYS if item.get(key)), None)
        for inner in (named,) if named is not None else _by_language(item):
            yield from texts_of(inner, note, depth + 1)
    elif isinstance(item, list | tuple) and depth < _DEEPEST:
        for inner in item:
            yield from texts_of(inner, note, depth + 1)
    elif not isinstance(item, Mapping | list | tuple) and item is not None:
        yield required_text(item) or ""


_is_plain_label = lru_cache(maxsize=4096)(is_plain)


def _by_language(item: Mapping[Any, Any]) -> list[object]:
    """The values of {"ja": …, "en": …}; nothing of an object with other keys."""
    keys = [str(key) for key in item]
    are_languages = all(_LANGUAGE.match(key) and key not in _NOT_LANGUAGES for key in keys)
    return [value for value in item.values() if isinstance(value, str | list)] if are_languages else []


def _distinct(found: list[str], note: Note) -> tuple[str, ...]:
    distinct = found if len(found) < 2 else list(dict.fromkeys(found))
    for _ in range(len(found) - len(distinct)):
        note(WarningReason.DUPLICATE)
    return tuple(distinct)
