"""Which of the retrieved candidates a reader of this title would enjoy, ranked, with a reason each."""

from itertools import pairwise
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, Answer, TitleInputs
from manga_enrichment.domain.analyses.text import has_any, has_text
from manga_enrichment.domain.analyses.wording import system_prompt
from manga_enrichment.domain.tables.columns import Column, ListOf, StructOf

MINIMUM_CANDIDATES = 3
"""Fewer leave nothing to rank."""

MINIMUM_SYNOPSIS = 40

RUBRIC = """\
Similar series
- similar: the candidates that a reader who loved this title would be glad to be shown, best first, at \
most ten. Choose only from the <candidates> block, by the manga_id at the start of each line, none twice, \
and never the title itself. Fewer good ones beat many weak ones; an empty list is right when none fits.
- Compare in this order: premise and central conflict; tone and emotional promise; themes and \
relationships; setting and genre; audience. A shared word in the titles or the same author or magazine is \
not similarity by itself.
- The order of the candidates means nothing.
- score: 0.85 and more for nearly the same promise to the reader; 0.65 to 0.84 for the same kind of story \
with a clear difference; 0.45 to 0.64 for one strong common trait. Leave out everything below 0.45. \
Scores never rise down the list.
- reason: one English sentence of at most 150 characters that names the concrete common trait, such as \
"Both follow a retired hero who raises an orphan in a border town." No praise, no plot endings."""

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["similar"],
    "properties": {
        "similar": {
            "type": "array",
            "maxItems": 10,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["manga_id", "score", "reason"],
                "properties": {
                    "manga_id": {"type": "string", "pattern": "^MNG-[A-Z0-9]{8}$"},
                    "score": {"type": "number", "minimum": 0, "maximum": 1},
                    "reason": {"type": "string", "minLength": 1, "maxLength": 200},
                },
            },
        },
    },
}


def _sufficient(inputs: TitleInputs) -> str | None:
    if not inputs.candidates:
        return "it shares nothing with any other title of the catalog"
    if len(inputs.candidates) < MINIMUM_CANDIDATES:
        return f"fewer than {MINIMUM_CANDIDATES} candidates to compare with"
    if has_any(inputs.fields, "publisher_genres", "themes"):
        return None
    if has_text(inputs.fields, "synopsis", MINIMUM_SYNOPSIS):
        return None
    return "no publisher genre or theme and hardly any synopsis to compare by"


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    named = [entry["manga_id"] for entry in answer["similar"]]
    offered = {candidate.manga_id for candidate in inputs.candidates}
    problems = [f"similar: {manga_id} is not a candidate" for manga_id in named if manga_id not in offered]
    if inputs.manga_id in named:
        problems.append("similar: names the title itself")
    if len(set(named)) != len(named):
        problems.append("similar: a title is listed twice")
    if any(after["score"] > before["score"] for before, after in pairwise(answer["similar"])):
        problems.append("similar: scores rise down the list")
    return problems


def _to_row(answer: Answer) -> dict[str, Any]:
    return {
        "similar_titles": [
            {"manga_id": entry["manga_id"], "score": float(entry["score"]), "reason": entry["reason"]}
            for entry in answer["similar"]
        ]
    }


ANALYSIS = AnalysisType(
    name="similar_series",
    version="1",
    description="Record which candidates are similar to one manga title.",
    fields=("title", "title_ja", "authors", "demographics", "publisher_genres", "themes", "synopsis"),
    instructions=system_prompt(RUBRIC),
    output_schema=_SCHEMA,
    max_tokens=1000,
    expected_output_tokens=280,
    sufficient=_sufficient,
    columns=(
        Column(
            "similar_titles",
            ListOf(StructOf((("manga_id", "string"), ("score", "float64"), ("reason", "string")))),
            "Up to ten titles of this catalog, best first, with score (0 to 1) and reason.",
            False,
        ),
    ),
    to_row=_to_row,
    check=_check,
    needs_candidates=True,
    request="Choose the candidates that are similar to the title above.",
)
