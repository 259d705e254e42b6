"""Rules of `reading_level.toml`: an age fits its level, and a level rests on something that the title has."""

from manga_enrichment.domain.analyses.base import Answer, Rules, TitleInputs
from manga_enrichment.domain.analyses.text import has_any

LEVEL_AGES: dict[str, tuple[int, int]] = {
    "kids": (0, 11),
    "teen": (12, 15),
    "adult": (16, 18),
    "mature": (18, 18),
}
"""Lowest and highest minimum age that goes with a level, in years."""

BASIS_FIELDS: dict[str, tuple[str, ...]] = {
    "content_rating": ("content_rating",),
    "demographics": ("demographics",),
    "magazine": ("magazines", "publisher"),
    "synopsis": ("synopsis",),
    "genres": ("publisher_genres", "themes"),
}
"""Fields that a basis can rest on; one of them has to be there."""


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    problems = []
    youngest, oldest = LEVEL_AGES[answer["level"]]
    if not youngest <= answer["min_age"] <= oldest:
        problems.append(f"min_age: {answer['level']} goes with {youngest} to {oldest} years")
    if not has_any(inputs.fields, *BASIS_FIELDS[answer["basis"]]):
        problems.append(f"basis: the title has no {answer['basis']} to rest on")
    return problems


RULES = Rules(check=_check)
