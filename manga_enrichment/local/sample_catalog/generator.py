"""Fictional titles as a stream, each with the truth it was made from.

Belongs here: the fields of a row and how often each is there. Stays out: prose (`prose.py`), publishers and readers
(`publishing.py`), files (`writing.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from manga_enrichment.domain.catalog.isbn import isbn13_check_digit
from manga_enrichment.local.sample_catalog.dice import Dice
from manga_enrichment.local.sample_catalog.prose import make_synopsis, make_title, soil
from manga_enrichment.local.sample_catalog.publishing import (
    PUBLISHERS,
    audience_fields,
    genre_label,
    reading_level,
)
from manga_enrichment.local.sample_catalog.vocabulary import Language, english, genre_facts, japanese

_ID_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ID_COUNT = len(_ID_CHARACTERS) ** 8
_ID_STEP = 1_618_033_988_749
"""Has no factor in common with 36, so that stepping through the ids meets none twice."""

_FIRST_UPDATE = datetime(2024, 1, 1, tzinfo=UTC)
_UPDATE_SPAN_SECONDS = 700 * 24 * 3600
_ROLES = ("story", "art", "story & art", "original creator", "character design")
_STATUSES = ("ongoing", "finished", "finished", "hiatus", "discontinued")


@dataclass(frozen=True, slots=True)
class GeneratedTitle:
    """A catalog row as a source delivers it, and what is true of the title by construction.

    truth: manga_id, language (en|ja), primary_genre, genres, themes, demographic (children|shonen|shojo|seinen|josei),
    reading_level (kids|teen|adult|mature), has_synopsis.
    """

    row: dict[str, Any]
    truth: dict[str, Any]


def generate(rows: int, seed: int) -> Iterator[GeneratedTitle]:
    """Titles with unique ids, all valid; the first N of a longer catalog are those of a shorter one of that seed."""
    dice = Dice(seed)
    first_id = dice.between(0, _ID_COUNT - 1)
    for index in range(rows):
        yield _title(dice, manga_id((first_id + index * _ID_STEP) % _ID_COUNT))


def manga_id(number: int) -> str:
    """The id with this number, below 36**8."""
    characters = []
    for _ in range(8):
        number, digit = divmod(number, 36)
        characters.append(_ID_CHARACTERS[digit])
    return "MNG-" + "".join(characters)


def _title(dice: Dice, new_id: str) -> GeneratedTitle:
    facts = genre_facts()
    in_japanese = dice.chance(0.45)
    language = japanese() if in_japanese else english()
    genres = dice.sample(list(facts), 2 if dice.chance(0.45) else 1)
    demographic = dice.pick(facts[genres[0]].demographics)
    level = reading_level(dice, demographic, genres[0])
    themes = dice.sample(facts[genres[0]].themes, dice.between(1, 2))
    row: dict[str, Any] = {"manga_id": new_id, **_names(dice, language, in_japanese)}
    row["authors"] = _authors(dice, language)
    if dice.chance(0.88):
        people = (_person(dice, language), _person(dice, language))
        row["synopsis"] = soil(dice, make_synopsis(dice, language, genres, people), language)
    row |= audience_fields(dice, demographic, level)
    if dice.chance(0.4):
        row["publisher_genres"] = [genre_label(genre) for genre in genres]
    if dice.chance(0.5):
        row["themes"] = themes
    row |= _edition(dice)
    truth = {
        "manga_id": new_id,
        "language": "ja" if in_japanese else "en",
        "primary_genre": genres[0],
        "genres": genres,
        "themes": themes,
        "demographic": demographic,
        "reading_level": level,
        "has_synopsis": "synopsis" in row,
    }
    return GeneratedTitle(row, truth)


def _names(dice: Dice, language: Language, in_japanese: bool) -> dict[str, Any]:
    title = make_title(dice, language)
    row: dict[str, Any] = {"title": title.text}
    if in_japanese:
        row["title_ja"] = title.text
        row["title_kana"] = title.reading
        if dice.chance(0.4):
            row["title_en"] = make_title(dice, english()).text
    else:
        row["title_en"] = title.text
        if dice.chance(0.5):
            row["title_ja"] = make_title(dice, japanese()).text
    if dice.chance(0.03):
        row["title"] = row["title"].replace("&", "&amp;") + dice.pick(("\u200b", " ", "\u3000"))
    if dice.chance(0.3):
        row["synonyms"] = [make_title(dice, language).text]
    return row


def _person(dice: Dice, language: Language) -> str:
    name = dice.pick(language.first_names)
    return f"{name[0]} {dice.pick(language.last_names)}" if not name[1] else dice.pick(language.last_names) + name[0]


def _authors(dice: Dice, language: Language) -> list[dict[str, str]]:
    authors = []
    for role in dice.sample(_ROLES, 2 if dice.chance(0.25) else 1):
        name = _person(dice, language)
        first, _, last = name.partition(" ")
        if last and dice.chance(0.5):
            name = f"{last}, {first}"
        authors.append({"name": name, "role": role})
    return authors


def _edition(dice: Dice) -> dict[str, Any]:
    updated_at = _FIRST_UPDATE + timedelta(seconds=dice.between(0, _UPDATE_SPAN_SECONDS))
    volumes = dice.between(1, 6) if dice.chance(0.7) else dice.between(7, 60)
    row: dict[str, Any] = {
        "publisher": dice.pick(PUBLISHERS),
        "type": "one_shot" if dice.chance(0.06) else "manga",
        "volumes": volumes,
        "status": dice.pick(_STATUSES),
        "start_year": dice.between(1975, 2025),
        "source": "sample",
        "source_id": f"S{dice.between(1, 10**9)}",
        "updated_at": updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if dice.chance(0.7):
        row["isbn13"] = _isbn(dice)
    if dice.chance(0.5):
        row["chapters"] = volumes * dice.between(5, 11)
    if dice.chance(0.1):
        row["shelf"] = f"{dice.pick('ABCDEF')}{dice.between(1, 40)}"
    return row


def _isbn(dice: Dice) -> str:
    digits = f"9784{dice.between(0, 10**8 - 1):08}"
    check = isbn13_check_digit(digits)
    if dice.chance(0.01):
        check = str((int(check) + 1) % 10)
    return f"{digits[:3]}-{digits[3]}-{digits[4:8]}-{digits[8:12]}-{check}" if dice.chance(0.3) else digits + check
