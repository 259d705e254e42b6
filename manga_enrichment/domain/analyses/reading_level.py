"""For whom a title is suitable: level, minimum age, and what that judgement rests on."""

from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, Answer, TitleInputs
from manga_enrichment.domain.analyses.text import has_any, has_text
from manga_enrichment.domain.analyses.wording import system_prompt
from manga_enrichment.domain.tables.columns import Column

MINIMUM_SYNOPSIS = 40

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

RUBRIC = """\
Reading level
- level, with the minimum ages that belong to it:
  - kids (0 to 11): made for children, or fit for them: no more than slapstick or mild peril (児童, 幼年, \
kodomo).
  - teen (12 to 15): shounen or shoujo fare: fights without gore, first love, mild innuendo.
  - adult (16 to 18): made for grown-ups in subject or tone: seinen or josei fare, strong violence, sexual \
situations that are not explicit, bleak subjects.
  - mature (18): adults only: explicit sex or extreme gore, or a rating or magazine that says so (成人向け, \
R18).
- min_age: whole years within the range of the level; the lower end unless something speaks for more.
- basis: the strongest evidence you used, in this order: content_rating, demographics, magazine (its \
usual readers, or the publisher's imprint), synopsis, genres. Name only evidence that the title actually \
has. The magazine in which a series ran says more about its readers than the mood of a synopsis.
- Complexity of the story is not the question, suitability is. A dark summary of a shounen series stays \
teen unless it shows what a teenager should not see.
- confidence: 0.90 and more for a content rating; 0.75 to 0.89 for demographics or a magazine whose \
readers you can tell from its name; 0.50 to 0.74 for a synopsis that shows its content; below 0.50 \
otherwise. Between two levels, take the higher one and say so by a lower confidence."""

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["level", "min_age", "basis", "confidence"],
    "properties": {
        "level": {"type": "string", "enum": list(LEVEL_AGES)},
        "min_age": {"type": "integer", "minimum": 0, "maximum": 18},
        "basis": {"type": "string", "enum": list(BASIS_FIELDS)},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
}


def _sufficient(inputs: TitleInputs) -> str | None:
    if has_any(inputs.fields, "content_rating", "demographics", "magazines", "publisher_genres"):
        return None
    if has_text(inputs.fields, "synopsis", MINIMUM_SYNOPSIS):
        return None
    return "no rating, demographic, magazine or genre and hardly any synopsis"


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    problems = []
    youngest, oldest = LEVEL_AGES[answer["level"]]
    if not youngest <= answer["min_age"] <= oldest:
        problems.append(f"min_age: {answer['level']} goes with {youngest} to {oldest} years")
    if not has_any(inputs.fields, *BASIS_FIELDS[answer["basis"]]):
        problems.append(f"basis: the title has no {answer['basis']} to rest on")
    return problems


def _to_row(answer: Answer) -> dict[str, Any]:
    return {
        "reading_level": answer["level"],
        "min_age": int(answer["min_age"]),
        "reading_level_basis": answer["basis"],
        "reading_level_confidence": float(answer["confidence"]),
    }


ANALYSIS = AnalysisType(
    name="reading_level",
    version="1",
    description="Record for which readers one manga title is suitable.",
    fields=(
        "title",
        "title_ja",
        "type",
        "content_rating",
        "demographics",
        "magazines",
        "publisher",
        "publisher_genres",
        "themes",
        "synopsis",
    ),
    instructions=system_prompt(RUBRIC),
    output_schema=_SCHEMA,
    max_tokens=200,
    expected_output_tokens=50,
    sufficient=_sufficient,
    columns=(
        Column("reading_level", "string", "kids, teen, adult or mature (adults only).", False, tuple(LEVEL_AGES)),
        Column("min_age", "int64", "Recommended minimum age in years, 0 to 18; fits the level.", False),
        Column(
            "reading_level_basis",
            "string",
            "Evidence behind the level: content_rating, demographics, magazine, synopsis or genres.",
            False,
            tuple(BASIS_FIELDS),
        ),
        Column("reading_level_confidence", "float64", "How sure the level is, 0 to 1.", False),
    ),
    to_row=_to_row,
    check=_check,
    request="Judge for whom the title above is suitable.",
)
