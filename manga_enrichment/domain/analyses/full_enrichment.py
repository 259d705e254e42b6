"""All four single analyses in one call: one reading of the title instead of four.

Nothing is written twice: the rubrics, schemas, rules and checks are those of the parts. What one answer
says lands in the tables of the parts; its cost is booked once.
"""

from typing import Any

from manga_enrichment.domain.analyses import (
    content_summary,
    genre_classification,
    reading_level,
    similar_series,
)
from manga_enrichment.domain.analyses.base import AnalysisType, Answer, TitleInputs
from manga_enrichment.domain.analyses.wording import system_prompt

_MODULES = (genre_classification, content_summary, similar_series, reading_level)
_PARTS = {module.ANALYSIS.name: module.ANALYSIS for module in _MODULES}

RUBRIC = (
    """\
Four analyses in one answer
- Read the title once and record the four analyses below, each under its own key: """
    + ", ".join(_PARTS)
    + """.
- Each stands on its own and follows its own rubric, and they must not contradict each other: the \
warnings fit the reading level, the summary fits the genres."""
)

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": list(_PARTS),
    "properties": {name: part.output_schema for name, part in _PARTS.items()},
}


def part_answers(answer: Answer) -> dict[str, Answer]:
    """A valid full answer as one answer per part, by analysis name."""
    return {name: answer[name] for name in _PARTS}


def _sufficient(inputs: TitleInputs) -> str | None:
    for name, part in _PARTS.items():
        reason = part.sufficient(inputs)
        if reason is not None:
            return f"{name}: {reason}"
    return None


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    return [
        f"{name}.{problem}"
        for name, part_answer in part_answers(answer).items()
        for problem in _PARTS[name].check(part_answer, inputs)
    ]


ANALYSIS = AnalysisType(
    name="full_enrichment",
    version="-".join(("1", *(part.version for part in _PARTS.values()))),
    description="Record genres, summary, similar titles and reading level of one manga title.",
    fields=tuple(dict.fromkeys(field for part in _PARTS.values() for field in part.fields)),
    instructions=system_prompt(RUBRIC, *(module.RUBRIC for module in _MODULES)),
    output_schema=_SCHEMA,
    max_tokens=2400,
    expected_output_tokens=580,
    sufficient=_sufficient,
    check=_check,
    needs_candidates=True,
    parts=tuple(_PARTS),
    request="Record all four analyses of the title above.",
)
