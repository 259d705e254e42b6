"""One raw value of the field `authors` -> distinct people and what they did.

Belongs here: the shapes in which files name people, and which words are roles. Stays out: splitting a list into its
items (`lists.py`).

A text is taken apart only where its signs leave no doubt: at commas after a role in brackets, at "／" outside brackets,
at roles with a colon. "Yamada, Hanako" is one person, and what stands in brackets is a role only if it reads like one:
some hold the person's troupe or the name in another script.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from manga_enrichment.domain.catalog.lists import items, texts_of
from manga_enrichment.domain.catalog.records import Author
from manga_enrichment.domain.catalog.values import NULL_WORDS, is_null_word, label, required_text
from manga_enrichment.domain.catalog.warnings import Note, WarningReason, no_note

_JAPANESE_ROLES = (
    "キャラクター|シナリオライター|ストーリー|プランナー|シナリオ|イラストレーション|イラスト|"
    "デザイン|カット|レイアウト|ネーム|カラー|原作|原案|原著|漫画|マンガ|まんが|劇画|作画|作者|作家|著者|著|共著|編著|"
    "編集|編|脚本|脚色|監修|構成|企画|制作|製作|取材|協力|翻訳|訳|解説|挿絵|挿画|表紙|扉絵|絵|画|え|文|作|案|詩|글|그림|绘|编"
)
_LATIN_ROLES = (
    r"story|stories|art|artist|artwork|author|writer|writing|written|original|creator|creation|illustrat\w*|"
    r"character|design\w*|script|scenario|supervis\w*|concept|translat\w*|letter(?:s|er|ing)|edit(?:or|ed|ing)|"
    r"colou?r\w*|ink(?:s|er|ing)|pencil(?:s|ler|er)|storyboards?|assistant|adaptation|composition|"
    r"dessin|texte|scénario"
)
_JOINED = r"\s*(?:[・･/／&＆と、,+＋]|\band\b)?\s*"
ROLE = rf"(?:{_JAPANESE_ROLES}|\b(?:{_LATIN_ROLES})\b)"
_ROLES = rf"{ROLE}(?:{_JOINED}{ROLE}){{0,5}}"
_ALL_ROLES = re.compile(rf"{_ROLES}\Z", re.IGNORECASE)
_LATIN_ROLE = re.compile(rf"\b(?:{_LATIN_ROLES})\b", re.IGNORECASE)
_ROLE_AFTER = re.compile(r"(.+?)\s*[(（]([^()（）]{1,60})[)）]\Z")
_ROLE_BEFORE = re.compile(r"[\[［]([^\[\]［］]{1,60})[\]］]\s*([^\[\]［］]+)\Z")
_AFTER_BRACKETED_ROLE = re.compile(r"(?<=[)）])\s*[,，、]\s*")
_COMMAS = frozenset(",，、")
_SLASH = re.compile(r"\s*／\s*(?![^\[［(（]*[\]］)）])")
"""Not within brackets."""
_NAME_AND_ROLE = re.compile(rf"([^／/]{{1,100}}?)\s*[／/]\s*({_ROLES})(?=[\s,、;；]|\Z)[\s,、;；]*", re.IGNORECASE)
_ROLE_AND_NAME = re.compile(
    rf"({_ROLES})\s*[:：]\s*([^:：]{{1,100}}?)[\s,、／/]*(?=\Z|[\s,、／/]{_ROLES}\s*[:：])", re.IGNORECASE
)
_MARKS = re.compile(r"[(（)）\[［/／:：]")
"""A text without one of them names one person and no role."""
_WRITTEN_WITH = (
    (frozenset("/／"), _NAME_AND_ROLE, 1, 2),
    (frozenset(":："), _ROLE_AND_NAME, 2, 1),
)
_PERSON_KEYS = ("name", "full", "node", "person", "author", "attributes", "title", "label", "native", "@value")
_GIVEN_AND_FAMILY = (("first_name", "last_name"), ("first", "last"), ("given", "family"), ("given_name", "family_name"))
_ROLE_KEYS = ("role", "roles", "job", "position")
_DEEPEST = 6
_LONGEST_NAMES = 1000
"""A longer text is no list of names; nothing is looked for in it."""
_NOBODY = NULL_WORDS | {"他", "ほか", "et al.", "others", "various"}


def authors(value: object, note: Note = no_note) -> tuple[Author, ...]:
    """Distinct people, from objects with a name and perhaps a role, or from texts."""
    people: list[Author] = []
    for item in items(value):
        if not item and (item is None or item in ("", [], {})):
            continue
        is_known = False
        for person in _people(item, note):
            if is_null_word(person.name, _NOBODY):
                note(WarningReason.NULL_WORD)
            elif person.name:
                people.append(person)
            is_known |= person.name != ""
        if not is_known:
            note(WarningReason.UNKNOWN_SHAPE)
    distinct = people if len(people) < 2 else list(dict.fromkeys(people))
    for _ in range(len(people) - len(distinct)):
        note(WarningReason.DUPLICATE)
    return tuple(distinct)


def _people(item: object, note: Note) -> tuple[Author, ...]:
    if isinstance(item, dict | Mapping):  # the first is known at sight
        name, role = item.get("name"), item.get("role")
        if len(item) == 2 and isinstance(name, str) and isinstance(role, str) and name and role:
            person, reasons = _named(name, role)
            for reason in reasons:
                note(reason)
            return person
        return (Author(_name(item, note), _role(item, note)),)
    text = required_text(item, note) or ""
    return people_from_text(text) if len(text) <= _LONGEST_NAMES else (Author(text),)


@lru_cache(maxsize=8192)  # a catalog names the same people over and over
def _named(name: str, role: str) -> tuple[tuple[Author], tuple[WarningReason, ...]]:
    """The person of an object that has no more than these two."""
    reasons: list[WarningReason] = []
    item = {"name": name, "role": role}
    return (Author(_name(item, reasons.append), _role(item, reasons.append)),), tuple(reasons)


@lru_cache(maxsize=8192)
def people_from_text(text: str) -> tuple[Author, ...]:
    """The people of a cleaned line, at least one."""
    marks = _MARKS.findall(text)
    if not marks:
        return (Author(text),)
    for signs, pattern, name, role in _WRITTEN_WITH:
        if not signs.isdisjoint(marks) and (pairs := _pairs(pattern, text)):
            return tuple(Author(pair[name].strip(), pair[role].strip()) for pair in pairs)
    pieces = [piece for piece in _SLASH.split(text) if piece] if "／" in marks else []
    if len(pieces) > 1:
        return tuple(map(author_from_text, pieces))
    pieces = [] if _COMMAS.isdisjoint(text) else _AFTER_BRACKETED_ROLE.split(text)
    if len(pieces) > 1 and author_from_text(pieces[0]).role is not None:
        return tuple(author_from_text(piece) for piece in pieces if piece)
    return (author_from_text(text),)


def author_from_text(text: str) -> Author:
    """ "name (role)" or "[role] name" of a cleaned line; the whole line is the name where no role can be told."""
    if (before := _ROLE_BEFORE.match(text)) is not None:
        return Author(before[2], before[1].strip())
    after = _ROLE_AFTER.match(text) if text[-1:] in {")", "）"} else None
    if after is not None and _is_role(after[2].strip()):
        return Author(after[1], after[2].strip())
    return Author(text)


@lru_cache(maxsize=1024)
def _is_role(text: str) -> bool:
    if text.isascii():
        return _LATIN_ROLE.search(text) is not None
    return _ALL_ROLES.match(text) is not None


def _pairs(pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
    """Matches that follow each other from the first character to the last; none when anything is left over."""
    found, position = [], 0
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:
            return []
        found.append(match)
        position = match.end()
        while text[position : position + 1] in {" ", ",", "、", "／", "/"} and position < len(text):
            position += 1
    return found


def _name(item: Mapping[Any, Any], note: Note, depth: int = 0) -> str:
    if isinstance(name := item.get("name"), str) and name:
        return required_text(name, note) or ""
    for given, family in _GIVEN_AND_FAMILY:
        if item.get(given) or item.get(family):
            if item.get("full"):
                break
            parts = (required_text(part) for part in (item.get(given), item.get(family)) if isinstance(part, str))
            return " ".join(part for part in parts if part)
    inner = next((item[key] for key in _PERSON_KEYS if item.get(key)), None)
    if isinstance(inner, Mapping) and depth < _DEEPEST:
        return _name(inner, note, depth + 1)
    if isinstance(inner, Mapping | list | tuple):
        return next(texts_of(inner, note), "")
    return "" if inner is None else required_text(inner, note) or ""


def _role(item: Mapping[Any, Any], note: Note) -> str | None:
    value = item.get("role") or next((item[key] for key in _ROLE_KEYS if item.get(key)), None)
    if value is None:
        return None
    if isinstance(value, str):
        return label(value, note)
    return " & ".join(text for text in texts_of(value, note) if text) or None
