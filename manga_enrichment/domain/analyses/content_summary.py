"""A short summary for the shop page, in English and for Japanese texts in Japanese, with warnings."""

from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, Answer, TitleInputs
from manga_enrichment.domain.analyses.text import has_text, japanese_share
from manga_enrichment.domain.analyses.wording import system_prompt
from manga_enrichment.domain.tables.columns import Column, ListOf

MINIMUM_SYNOPSIS = 80
"""Weighted characters: below that a summary would be the synopsis again, or invented."""

MOSTLY_JAPANESE = 0.5
"""From this share of kana and kanji on, a text is Japanese; a single Japanese name does not make it so."""

WARNINGS: dict[str, str] = {
    "violence": "people are hurt or killed in view of the reader",
    "gore": "wounds or bodies are shown in detail",
    "sexual_content": "sexual acts or an erotic focus",
    "nudity": "naked bodies, outside of innocent bathing scenes",
    "sexual_violence": "rape, coercion or sexual abuse",
    "abuse": "cruelty or neglect within a family or relationship",
    "bullying": "systematic harassment of a person",
    "self_harm": "self-injury or suicide",
    "substance_use": "drugs, or alcohol as a problem",
    "discrimination": "hatred or exclusion of a group as a subject",
    "disturbing_imagery": "horror that upsets without injury, such as body transformation",
}

RUBRIC = """\
Content summary
- summary_en: two to four sentences in English, at most 450 characters. Who it is about, what sets the \
story in motion, what is at stake; present tense, no opinion, no advertising, no "this manga". Use the \
spelling of names that the input gives; write a name that is given only in Japanese in Hepburn \
romanisation.
- summary_ja: when the synopsis is written mainly in Japanese, the same summary in natural Japanese \
(常体, です・ます は使わない), at most 300 characters. null when the synopsis is not Japanese; never \
translate an English synopsis.
- Do not give away twists, deaths of main characters or the ending, even if the synopsis does.
- contains_spoilers: true when the synopsis itself reveals such a thing, no matter how you summarised it.
- content_warnings: what a careful parent would want to know, only if the input states or plainly implies \
it. A genre alone is not enough: horror does not mean gore. An empty list is a good answer. The values:
""" + "\n".join(f"  - {warning}: {meaning}" for warning, meaning in WARNINGS.items())

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["summary_en", "summary_ja", "contains_spoilers", "content_warnings"],
    "properties": {
        "summary_en": {"type": "string", "minLength": 1, "maxLength": 600},
        "summary_ja": {"type": ["string", "null"], "minLength": 1, "maxLength": 400},
        "contains_spoilers": {"type": "boolean"},
        "content_warnings": {
            "type": "array",
            "maxItems": 6,
            "uniqueItems": True,
            "items": {"type": "string", "enum": list(WARNINGS)},
        },
    },
}


def _sufficient(inputs: TitleInputs) -> str | None:
    if has_text(inputs.fields, "synopsis", MINIMUM_SYNOPSIS):
        return None
    return "the synopsis is missing or too short to summarise"


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    """Only texts that are clearly Japanese or clearly not are judged; mixed ones may go either way."""
    problems = []
    source_share = japanese_share(str(inputs.fields.get("synopsis", "")))
    summary_ja = answer["summary_ja"]
    if japanese_share(answer["summary_en"]) >= MOSTLY_JAPANESE:
        problems.append("summary_en: is written in Japanese")
    if summary_ja is None and source_share >= MOSTLY_JAPANESE:
        problems.append("summary_ja: missing although the synopsis is Japanese")
    if summary_ja is not None and source_share == 0.0:
        problems.append("summary_ja: must be null, the synopsis is not Japanese")
    if summary_ja is not None and japanese_share(summary_ja) < MOSTLY_JAPANESE:
        problems.append("summary_ja: is not written in Japanese")
    return problems


def _to_row(answer: Answer) -> dict[str, Any]:
    return {
        "summary_en": answer["summary_en"],
        "summary_ja": answer["summary_ja"],
        "contains_spoilers": answer["contains_spoilers"],
        "content_warnings": list(answer["content_warnings"]),
    }


ANALYSIS = AnalysisType(
    name="content_summary",
    version="1",
    description="Record a short summary and content warnings of one manga title.",
    fields=("title", "title_ja", "content_rating", "publisher_genres", "synopsis"),
    instructions=system_prompt(RUBRIC),
    output_schema=_SCHEMA,
    max_tokens=1000,
    expected_output_tokens=220,
    sufficient=_sufficient,
    columns=(
        Column("summary_en", "string", "English summary without spoilers, up to 600 characters.", False),
        Column(
            "summary_ja",
            "string",
            "Japanese summary, up to 400 characters; null if the synopsis is not.",
        ),
        Column("contains_spoilers", "bool", "Whether the catalog's synopsis gives the story away.", False),
        Column(
            "content_warnings",
            ListOf("string"),
            "What a parent would want to know, or nothing.",
            False,
            tuple(WARNINGS),
        ),
    ),
    to_row=_to_row,
    check=_check,
    request="Summarise the title above.",
)
