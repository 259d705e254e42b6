"""Invented families of related titles, and titles that are related to nothing: what retrieval is measured on.

Belongs here: how a family and its relations are made. Stays out: measuring (`retrieval.py`), the files that ship
(`data/labels/`).

A relation is made first and the words for it afterwards: a family has a world (a name in both scripts, its makers,
labels, a plot) and each member tells a part of it, as catalogs tell it: one source writes the name in kanji, the next
its reading, a third only an English title; subtitles take the place of names; labels and synopses are often missing.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from manga_enrichment.local.sample_catalog.dice import Dice
from manga_enrichment.local.sample_catalog.generator import manga_id

FAMILIES = 150
SEED = 20261128

with Path(__file__).with_name("words.toml").open("rb") as _file:
    _WORDS = tomllib.load(_file)


@dataclass(frozen=True, slots=True)
class Relation:
    """Two titles of which each should be found for the other. kind: see `_MEMBERS`."""

    manga_id: str
    related: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Name:
    """A name as it is written in Japanese, in kana, in Latin letters, and its English form."""

    japanese: str
    kana: str
    romaji: str
    english: str


@dataclass(frozen=True, slots=True)
class _World:
    name: _Name
    authors: tuple[_Name, ...]
    labels: tuple[str, ...]
    subject: tuple[str, str]
    magazine: str


def families(count: int = FAMILIES, seed: int = SEED) -> tuple[list[dict[str, Any]], list[Relation]]:
    """(catalog rows, relations); the first member of a family is the one that the others are related to."""
    dice = Dice(seed)
    rows: list[dict[str, Any]] = []
    relations: list[Relation] = []
    for number in range(count):
        is_short, language = number % 8 == 0, number % 3
        world = _world(dice, short=is_short)
        first = _row(dice, number * 8, world, world.name, language=language)
        rows.append(first)
        for place in range(3):
            kind = "short" if is_short else _kind(number * 3 + place, language)
            row = _MEMBERS[kind](dice, number * 8 + place + 1, world, language)
            rows.append(row)
            relations.append(Relation(first["manga_id"], row["manga_id"], kind))
    return rows, relations


def _kind(number: int, language: int) -> str:
    """Each in turn; spin-offs by others twice as often. A title without Japanese has no reading to be found by."""
    kind = _ORDER[number % len(_ORDER)]
    return "by_others" if kind == "by_reading" and language == 1 else kind


def strangers(count: int, seed: int = SEED + 1) -> Iterator[dict[str, Any]]:
    """Rows of titles that belong to no family, from the same words."""
    dice = Dice(seed)
    for number in range(count):
        world = _world(dice, short=number % 200 == 0)
        yield _row(dice, 1_000_000 + number, world, world.name, language=number % 3)


def _world(dice: Dice, *, short: bool) -> _World:
    return _World(
        name=_short_name(dice) if short else _name(dice),
        authors=tuple(_person(dice) for _ in range(dice.between(1, 2))),
        labels=tuple(dice.sample(_WORDS["labels"], dice.between(2, 4))),
        subject=dice.pick(_WORDS["subjects"]),
        magazine=dice.pick(_WORDS["magazines"]),
    )


def _name(dice: Dice) -> _Name:
    """Kanji compounds, kanji with の, or a coined name in katakana; the English form is another coinage of its own."""
    first, second, third = (_kanji(dice) for _ in range(3))
    coined = [_entry(dice, "syllables") for _ in range(dice.between(3, 4))]
    parts = (_word(dice), _word(dice), dice.pick(_WORDS["endings"]))
    english = " ".join(parts).title() if dice.chance(0.4) else "".join(parts).capitalize()
    form = dice.between(0, 2)
    if form == 0:
        pieces = [first, second, third]
    elif form == 1:
        pieces = [first, ("の", "の", "no"), second, third]
    else:
        japanese = "".join(kana for kana, _ in coined) + first[0]
        romaji = "".join(latin for _, latin in coined)
        return _Name(japanese, _hiragana(japanese[:-1]) + first[1], romaji + first[2], english)
    return _Name(*("".join(piece[at] for piece in pieces) for at in range(3)), english)


def _short_name(dice: Dice) -> _Name:
    """One kanji; two digits or two letters."""
    kanji = _entry(dice, "kanji")
    letters = "".join(dice.pick("abcdefghijklmnopqrstuvwxyz") for _ in range(2)).capitalize()
    sign = str(dice.between(11, 99)) if dice.chance(0.5) else letters
    return _Name(kanji[0], kanji[1], kanji[2], sign)


def _person(dice: Dice) -> _Name:
    """Most family names are coined, so that a larger catalog has more authors, as real ones have."""
    family, given = _entry(dice, "family_names"), _entry(dice, "given_names")
    if dice.chance(0.9):
        signs = [_entry(dice, "syllables") for _ in range(3)]
        kana = "".join(sign for sign, _ in signs)
        family = (kana, _hiragana(kana), "".join(latin for _, latin in signs).capitalize())
    return _Name(family[0] + given[0], family[1] + given[1], f"{family[2]}, {given[2]}", f"{given[2]} {family[2]}")


def _row(dice: Dice, number: int, world: _World, name: _Name, *, language: int) -> dict[str, Any]:
    """language: 0 Japanese, 1 English, 2 both. What a source may lack is left out by chance."""
    row: dict[str, Any] = {"manga_id": manga_id(7_777_777 + number * 104_729), "source": "labels"}
    if language != 1:
        row |= {"title": name.japanese, "title_ja": name.japanese}
        if dice.chance(0.6):
            row["title_kana"] = name.kana
        if dice.chance(0.25):
            row["synonyms"] = [name.romaji]
    if language != 0:
        row["title_en"] = name.english
        row.setdefault("title", name.english)
    if dice.chance(0.9):
        row["authors"] = [{"name": _signed(dice, author, language)} for author in world.authors]
    if dice.chance(0.6):
        row["publisher_genres"] = dice.sample(world.labels, dice.between(1, len(world.labels)))
    if dice.chance(0.5):
        row["synopsis"] = _synopsis(dice, world, language)
    if dice.chance(0.4):
        row["magazines"] = [world.magazine]
    return row


def _signed(dice: Dice, author: _Name, language: int) -> str:
    return author.japanese if language == 0 else dice.pick((author.romaji, author.english))


def _synopsis(dice: Dice, world: _World, language: int) -> str:
    english, japanese = world.subject
    if language == 0:
        return dice.pick(("これは{0}の物語。", "{0}をめぐる日々が始まる。", "誰も知らない、{0}。")).format(japanese)
    return dice.pick(("This is the tale of {0}.", "It begins with {0}.", "Nobody believes in {0}.")).format(english)


# Members, by the kind of their relation


def _numbered(dice: Dice, number: int, world: _World, language: int) -> dict[str, Any]:
    """The next part, named as one; this is what a shared title word finds."""
    name, part = world.name, dice.between(2, 4)
    return _row(dice, number, world, _affixed(name, ("", f" 第{part}部"), ("", f" {part}")), language=language)


def _glued(dice: Dice, number: int, world: _World, language: int) -> dict[str, Any]:
    """A sequel whose title has the name inside a longer word."""
    japanese, english = dice.pick((("続", "譚"), ("真", "記"), ("新", "伝"))), dice.pick(("ers", "ian", "born"))
    joined = replace(world.name, english=world.name.english.replace(" ", "").capitalize())
    return _row(dice, number, world, _affixed(joined, japanese, ("", english)), language=language)


def _by_others(dice: Dice, number: int, world: _World, language: int) -> dict[str, Any]:
    """A spin-off by other hands: the name is part of a word or only among the synonyms."""
    other = replace(world, authors=(_person(dice),), magazine=dice.pick(_WORDS["magazines"]))
    if dice.chance(0.5):
        return _glued(dice, number, other, language)
    return _renamed(dice, number, other, language, always=True)


def _renamed(dice: Dice, number: int, world: _World, language: int, *, always: bool = False) -> dict[str, Any]:
    """A sequel under a name of its own; some sources add what it belongs to as a synonym."""
    row = _row(dice, number, world, _name(dice), language=language)
    if always or dice.chance(0.6):
        name = world.name.japanese if language == 0 else world.name.english
        endings = ("番外", "外伝", "異聞") if language == 0 else (" side story", " another tale", " extra")
        row["synonyms"] = [f"{name}{dice.pick(endings)}"]
    return row


def _by_reading(dice: Dice, number: int, world: _World, _language: int) -> dict[str, Any]:
    """The same name, written by its reading: in kana, or in Latin letters where the first title has a reading."""
    name = world.name
    written = name.kana if dice.chance(0.6) else _katakana(name.kana)
    subtitle = _entry(dice, "kanji")[0] + _entry(dice, "kanji")[0]
    row = _row(dice, number, world, replace(name, japanese=f"{written}{subtitle}"), language=0)
    row["title_kana"] = f"{name.kana} {written}"
    return row


def _other_language(dice: Dice, number: int, world: _World, language: int) -> dict[str, Any]:
    """Listed in another language than the first; its synonyms have the name in Latin letters or in kanji."""
    row = _row(dice, number, world, _affixed(world.name, ("", "編"), ("", " II")), language=1 - min(language, 1))
    row["synonyms"] = [world.name.romaji.title(), f"{world.name.japanese}2"]
    return row


def _shared_author(dice: Dice, number: int, world: _World, language: int) -> dict[str, Any]:
    """Another story by the same hands, with labels of the same kind, and nothing of the title."""
    row = _row(dice, number, replace(world, subject=dice.pick(_WORDS["subjects"])), _name(dice), language=language)
    row["authors"] = [{"name": _signed(dice, author, language)} for author in world.authors]
    row["publisher_genres"] = list(world.labels[:2])
    return row


def _of_short_name(dice: Dice, number: int, world: _World, language: int) -> dict[str, Any]:
    """A sequel or spin-off of a title of one or two signs."""
    after = dice.pick(_WORDS["english"]).title()
    name = _affixed(world.name, dice.pick((("続・", ""), ("", "・外伝"), ("", "ふたたび"))), ("", f": {after}"))
    if dice.chance(0.3):
        world = replace(world, authors=(_person(dice),))
    return _row(dice, number, world, name, language=language)


_MEMBERS = {
    "numbered": _numbered,
    "glued": _glued,
    "by_others": _by_others,
    "renamed": _renamed,
    "by_reading": _by_reading,
    "other_language": _other_language,
    "shared_author": _shared_author,
    "short": _of_short_name,
}
_ORDER = ("numbered", "glued", "by_others", "renamed", "by_reading", "by_others", "other_language", "shared_author")


def _affixed(name: _Name, japanese: tuple[str, str], english: tuple[str, str]) -> _Name:
    (before, after), (english_before, english_after) = japanese, english
    return replace(
        name,
        japanese=f"{before}{name.japanese}{after}",
        english=f"{english_before}{name.english}{english_after}",
    )


def _entry(dice: Dice, table: str) -> tuple[str, ...]:
    return tuple(dice.pick(_WORDS[table]).split())


def _kanji(dice: Dice) -> tuple[str, ...]:
    """A common one in half of the cases, else one of two thousand, with a reading of its own: a larger catalog has more
    words, as real ones have."""
    if dice.chance(0.5):
        return _entry(dice, "kanji")
    number = dice.between(0, 1_999)
    syllables = [_WORDS["syllables"][place % len(_WORDS["syllables"])].split() for place in (number, number // 30)]
    return (
        chr(0x4E00 + 10 * number),
        _hiragana("".join(kana for kana, _ in syllables)),
        "".join(x for _, x in syllables),
    )


def _word(dice: Dice) -> str:
    """In English; half of them coined."""
    if dice.chance(0.5):
        return str(dice.pick(_WORDS["english"]))
    return "".join(dice.pick("bcdfghklmnprstvw") + dice.pick("aeiou") for _ in range(dice.between(1, 3))) + dice.pick(
        "nrslt"
    )


def _hiragana(katakana: str) -> str:
    return "".join(chr(ord(sign) - 0x60) if "ァ" <= sign <= "ヴ" else sign for sign in katakana)


def _katakana(hiragana: str) -> str:
    return "".join(chr(ord(sign) + 0x60) if "ぁ" <= sign <= "ゔ" else sign for sign in hiragana)
