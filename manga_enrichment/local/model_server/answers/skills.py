"""What the server can say about a title, by the name of the property that asks for it.

Belongs here: the registry, and answers built property by property. Stays out: the work itself (`genres.py`,
`summaries.py`, `similarity.py`, `audience.py`, `moderation.py`). A property without a skill gets a value that
is made up (`made_up.py`), so a new analysis works before anyone teaches the stand-in about it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from manga_enrichment.local.model_server.answers import summaries
from manga_enrichment.local.model_server.answers.audience import Audience, read_audience
from manga_enrichment.local.model_server.answers.genres import Reading, ranked_genres, read_genres
from manga_enrichment.local.model_server.answers.made_up import made_up
from manga_enrichment.local.model_server.answers.moderation import Moderation, moderate
from manga_enrichment.local.model_server.answers.schema_values import Schema, fits, resolve, types_of
from manga_enrichment.local.model_server.answers.similarity import rank_candidates
from manga_enrichment.local.model_server.answers.title_prompt import TitlePrompt

_MANY = 1_000
_NO_OPINION = "This is the offline stand-in, not a language model, so it has no opinion."


@dataclass(frozen=True)
class Study:
    """One title with what several properties need of it, worked out once per answer."""

    title: TitlePrompt

    @cached_property
    def reading(self) -> Reading:
        return read_genres(self.title)

    @cached_property
    def audience(self) -> Audience:
        return read_audience(self.title, self.reading)

    @cached_property
    def moderation(self) -> Moderation:
        return moderate(self.title, self.audience)


Skill = Callable[[Study, Schema], Any]


def build_answer(study: Study, schema: Schema, root: Schema) -> dict[str, Any]:
    """A value for every property of an object schema: by skill, by going deeper, or made up."""
    answer = {}
    for name, raw in schema.get("properties", {}).items():
        part = resolve(raw, root)
        value = SKILLS[name](study, part) if name in SKILLS else None
        if name in SKILLS and fits(value, part, root):
            answer[name] = value
        elif "object" in types_of(part):
            answer[name] = build_answer(study, part, root)
        else:
            answer[name] = made_up(study.title, name, part, root)
    return answer


def _primary_genre(study: Study, schema: Schema) -> Any:
    return ranked_genres(study.reading, _enum(schema), 1)[0][0] if _enum(schema) else None


def _genres(study: Study, schema: Schema) -> Any:
    properties = schema.get("items", {}).get("properties", {})
    enum = _enum(properties.get("genre", {}))
    if not enum:
        return None
    ranked = ranked_genres(study.reading, enum, schema.get("maxItems", 5))
    return [{"genre": genre, "confidence": confidence} for genre, confidence in ranked]


def _themes(study: Study, schema: Schema) -> list[str]:
    return list(study.reading.themes[: min(schema.get("maxItems", 8), 8)])


def _summary_en(study: Study, schema: Schema) -> str:
    limit = schema.get("maxLength", _MANY)
    beginning = summaries.english_lead(study.title, limit)
    return summaries.description_en(study.title, study.reading, limit) if beginning is None else beginning


def _summary_ja(study: Study, schema: Schema) -> str | None:
    return summaries.summary_ja(study.title, schema.get("maxLength", _MANY))


def _content_warnings(study: Study, schema: Schema) -> list[str]:
    enum = _enum(schema.get("items", {}))
    return summaries.content_warnings(study.title, enum, schema.get("maxItems", _MANY))


def _similar(study: Study, schema: Schema) -> list[dict[str, Any]]:
    ranked = rank_candidates(study.title, study.reading, min(schema.get("maxItems", 10), 10))
    return [{"manga_id": one.manga_id, "score": one.score, "reason": one.reason} for one in ranked]


def reply_about(study: Study) -> str:
    """To the last message of a conversation."""
    catalog = study.title.catalog
    if catalog is None:
        return _NO_OPINION
    named = ", ".join(f"{each.title} ({each.manga_id})" for each in catalog)
    return f"The catalog has {named}. {_NO_OPINION}" if catalog else f"I found nothing in the catalog. {_NO_OPINION}"


def _enum(schema: Schema) -> list[str]:
    return list(schema.get("enum", ()))


SKILLS: Mapping[str, Skill] = {
    "primary_genre": _primary_genre,
    "genres": _genres,
    "themes": _themes,
    "summary_en": _summary_en,
    "summary_ja": _summary_ja,
    "contains_spoilers": lambda study, _schema: summaries.contains_spoilers(study.title),
    "content_warnings": _content_warnings,
    "similar": _similar,
    "level": lambda study, _schema: study.audience.level,
    "min_age": lambda study, _schema: study.audience.min_age,
    "basis": lambda study, _schema: study.audience.basis,
    "confidence": lambda study, _schema: study.audience.confidence,
    "reply": lambda study, _schema: reply_about(study),
    "categories": lambda study, _schema: list(study.moderation.categories),
    "age_gate": lambda study, _schema: study.moderation.age_gate,
    "verdict": lambda study, _schema: study.moderation.verdict,
    "reasons": lambda study, _schema: list(study.moderation.reasons),
}
