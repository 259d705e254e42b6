"""Summaries by lead sentences, spoilers and content warnings by words.

Belongs here: cutting sentences, the two summaries, warnings. Stays out: genres (`genres.py`).
It does not translate: of a Japanese text the English summary says what the lexicon found in it.
"""

import re
from collections.abc import Sequence
from functools import cache

from manga_enrichment.local.model_server.answers.genres import Reading, WordIndex, plain_text
from manga_enrichment.local.model_server.answers.lexicon import SPOILER_PHRASES, WARNING_ENTRIES
from manga_enrichment.local.model_server.answers.title_prompt import TitlePrompt, japanese_share

MOSTLY_JAPANESE = 0.5
LEAD_CHARACTERS_EN = 300
LEAD_CHARACTERS_JA = 160
_SENTENCE_END = re.compile(r"(?:[。！？]+[」』）]*|(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)[.!?]+[\"'”’)]*(?=\s|$))\s*")


def lead(text: str, limit: int) -> str:
    """The first sentences of `text` that fit into `limit` characters; a longer first one is cut at a word."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    ends = [found.end() for found in _SENTENCE_END.finditer(flat, 0, limit + 1)]
    whole = [flat[:end].rstrip() for end in ends if len(flat[:end].rstrip()) <= limit]
    if whole:
        return whole[-1]
    cut = flat[: limit - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip("、, ") + "…"


def english_lead(title: TitlePrompt, limit: int) -> str | None:
    """Lead sentences of an English synopsis, None without one."""
    if not title.synopsis or japanese_share(title.synopsis) >= MOSTLY_JAPANESE:
        return None
    beginning = lead(title.synopsis, min(limit, LEAD_CHARACTERS_EN))
    return beginning if japanese_share(beginning) < MOSTLY_JAPANESE else None


def description_en(title: TitlePrompt, reading: Reading, limit: int) -> str:
    """An English sentence about a title whose own words are Japanese or missing."""
    name = title.text("title_en") or title.text("title")
    named = f"“{name[:60]}”" if name and japanese_share(name) == 0.0 else "This title"
    genres = " and ".join(genre.replace("_", " ") for genre in list(reading.scores)[:2]) or "manga"
    article = "an" if genres[0] in "aeiou" else "a"
    about = f", with {', '.join(reading.themes[:3])} among its themes" if reading.themes else ""
    source = "described in Japanese" if title.synopsis else "listed without a synopsis"
    return f"{named} is {article} {genres} story {source}{about}."[:limit]


def summary_ja(title: TitlePrompt, limit: int) -> str | None:
    """Lead sentences of a Japanese text, None when it is not Japanese.

    A beginning in Latin letters, such as a title, is skipped: the summary has to be Japanese itself.
    """
    text = title.synopsis or title.text("title_ja", "title")
    if japanese_share(text) < MOSTLY_JAPANESE:
        return None
    limit = min(limit, LEAD_CHARACTERS_JA)
    starts = [0, *(found.end() for found in _SENTENCE_END.finditer(text))]
    for start in starts:
        beginning = lead(text[start:], limit)
        if beginning and japanese_share(beginning) >= MOSTLY_JAPANESE:
            return beginning
    return lead(text, limit)


def contains_spoilers(title: TitlePrompt) -> bool:
    text = title.synopsis.lower()
    return any(phrase in text for phrase in SPOILER_PHRASES)


def content_warnings(title: TitlePrompt, enum: Sequence[str], limit: int) -> list[str]:
    """Values of `enum` that words of the synopsis, labels or context speak for, in the order of `enum`."""
    text = plain_text(f"{title.synopsis}\n{title.labels}\n{title.context}")
    found = {WARNING_ENTRIES[number][0] for number in _warning_index().hits(text)}
    return [value for value in enum if value in found][:limit]


@cache
def _warning_index() -> WordIndex:
    return WordIndex([(en, ja) for _, en, ja in WARNING_ENTRIES])
