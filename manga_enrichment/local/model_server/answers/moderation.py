"""What a title shows that some readers should not see: by the lexicon's warnings, each with the words that say so.

Belongs here: findings with quotes, how severe they are, the gate and verdict that follow. Stays out: the words
(`lexicon.py`), the reading level (`audience.py`).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from manga_enrichment.local.model_server.answers.audience import Audience
from manga_enrichment.local.model_server.answers.lexicon import WARNING_ENTRIES
from manga_enrichment.local.model_server.answers.title_prompt import TitlePrompt

_CATEGORIES: Mapping[str, tuple[str, str]] = {
    "violence": ("violence", "mild"),
    "gore": ("violence", "severe"),
    "sexual_content": ("sexual_content", "moderate"),
    "nudity": ("sexual_content", "mild"),
    "sexual_violence": ("sexual_violence", "severe"),
    "abuse": ("bullying_and_abuse", "moderate"),
    "bullying": ("bullying_and_abuse", "mild"),
    "self_harm": ("self_harm", "moderate"),
    "substance_use": ("substances", "mild"),
    "discrimination": ("hate", "mild"),
    "disturbing_imagery": ("frightening", "moderate"),
}
"""By warning: the category, and how severe one word of it is."""
_GATES = {"mild": 0, "moderate": 12, "severe": 16}
_SEVERITIES = list(_GATES)
_LEVEL_GATES = {"kids": 0, "teen": 0, "adult": 16, "mature": 18}
_QUOTES = 3
_AROUND_CHARACTERS = 24


@dataclass(frozen=True, slots=True)
class Moderation:
    """categories: as the analysis wants them, most severe first. age_gate in years."""

    categories: tuple[Mapping[str, Any], ...]
    age_gate: int
    verdict: str
    reasons: tuple[str, ...]


def moderate(title: TitlePrompt, audience: Audience) -> Moderation:
    evidence: dict[str, list[dict[str, str]]] = defaultdict(list)
    severity: dict[str, str] = {}
    for category, least, field, quote in _findings(title):
        if {"field": field, "quote": quote} not in evidence[category]:
            evidence[category].append({"field": field, "quote": quote})
            often = "moderate" if len(evidence[category]) > 1 else "mild"
            severity[category] = max(severity.get(category, "mild"), least, often, key=_SEVERITIES.index)
    ranked = sorted(severity, key=lambda name: (-_SEVERITIES.index(severity[name]), name))
    categories = tuple(
        {"category": each, "severity": severity[each], "evidence": evidence[each][:_QUOTES]} for each in ranked
    )
    gate = max([_LEVEL_GATES[audience.level], *(_GATES[each] for each in severity.values())])
    is_contradicted = audience.basis == "content_rating" and gate >= 16 > _LEVEL_GATES[audience.level]
    verdict = "review" if is_contradicted else "age_gate" if gate else "allow"
    return Moderation(categories, gate, verdict, tuple(_reasons(severity, audience, is_contradicted)))


def _reasons(severity: Mapping[str, str], audience: Audience, is_contradicted: bool) -> Iterator[str]:
    """At most three."""
    if severity:
        named = ", ".join(f"{name.replace('_', ' ')} ({each})" for name, each in severity.items())
        yield f"Words of the entry speak of {named}."[:200]
    else:
        yield "No word of the entry speaks of anything to keep from a reader."
    yield f"Its {audience.basis.replace('_', ' ')} points to {audience.level} readers."
    if is_contradicted:
        yield "The rating and the text contradict each other."


def _findings(title: TitlePrompt) -> Iterator[tuple[str, str, str, str]]:
    """(category, severity, field, quote) for every word that is found."""
    shown = {**title.fields, "additional_context": title.context}
    for field in ("content_rating", "publisher_genres", "themes", "synopsis", "additional_context"):
        text = shown.get(field, "")
        for warning, pattern in _patterns().items():
            for found in pattern.finditer(text):
                yield (*_CATEGORIES[warning], field, _around(text, found))


def _around(text: str, found: re.Match[str]) -> str:
    """Some whole words around it, on one line."""
    start = text.rfind(" ", 0, max(0, found.start() - _AROUND_CHARACTERS)) + 1
    end = text.find(" ", found.end() + _AROUND_CHARACTERS)
    start = max(start, found.start() - 2 * _AROUND_CHARACTERS)
    end = min(len(text) if end < 0 else end, found.end() + 2 * _AROUND_CHARACTERS)
    return " ".join(text[start:end].split())


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile("|".join(_alternatives(en, ja)), re.IGNORECASE) for name, en, ja in WARNING_ENTRIES}


def _alternatives(english: str, japanese: str) -> Iterator[str]:
    for word in english.split():
        yield rf"\b{'[-_ ]'.join(map(re.escape, re.split('[-_]', word)))}s?\b"
    yield from map(re.escape, japanese.split())
