"""What a shop has to know before it shows a title to somebody: categories, an age gate, a verdict.

Asked for by partners alone: it is among the analyses on request of the registry, so no night asks for it, and it has no
table of its own: answers stand in the results of the request.

What is said of a title rests on quotes, and a quote counts only if the input has it, word for word. Both sides are
compared as the prompt shows text, white space of any kind as one space.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from manga_enrichment.domain.analyses.base import AnalysisType, Answer, TitleInputs
from manga_enrichment.domain.analyses.text import has_any, has_text, quotable, weighted_length
from manga_enrichment.domain.analyses.wording import system_prompt

MINIMUM_TEXT = 40
MINIMUM_QUOTE = 4
"""Weighted characters: less is found in any text. The whole of a field may be shorter."""

NOTE = "additional_context"
FIELDS = (
    *("title", "title_ja", "type", "content_rating", "demographics", "magazines", "publisher", "publisher_genres"),
    *("themes", "synopsis"),
)

CATEGORIES: dict[str, str] = {
    "violence": "fights with injuries, killing, torture, gore",
    "sexual_content": "sex, nudity, erotic intent",
    "sexual_violence": "rape, coercion, harassment",
    "sexualised_minors": "anybody under 18 shown in a sexual way",
    "self_harm": "suicide, self-injury, eating disorders",
    "hate": "contempt for people because of what they are",
    "bullying_and_abuse": "bullying, domestic or child abuse, cruelty to animals",
    "substances": "drugs, alcohol or tobacco as more than scenery",
    "crime": "crime shown as a model, gambling",
    "frightening": "horror, disturbing pictures",
    "language": "strong or vulgar words",
}
LOWEST_GATE: dict[str, int] = {"mild": 0, "moderate": 12, "severe": 16}
"""By severity, years below which nobody may be shown what is so severe."""
ALWAYS_REVIEWED = "sexualised_minors"
VERDICTS = ("allow", "age_gate", "review")

RUBRIC = f"""\
Content moderation
- categories: what the entry shows that some readers must not or would not see, each category at most once; an empty \
list when it shows nothing of the kind:
{chr(10).join(f"  - {name}: {meaning}." for name, meaning in CATEGORIES.items())}
- severity: mild (in passing, comic, without detail), moderate (shown, part of the story), severe (explicit, detailed, \
or the point of the story).
- evidence: one to three quotes for each category, each with the field it stands in (a name at the start of a line of \
<title>, or {NOTE} for the note). Copy a quote letter by letter, in its own language, without additions, \
omissions or dots; a few words are enough. What you cannot quote you do not report. A rating or a label is \
evidence, too, and then the quote.
- age_gate: the youngest age in whole years that may be shown the title, 0 for everybody; at least 12 with a moderate \
category, at least 16 with a severe one, 18 for what its publisher rates as adults only.
- verdict:
  - allow: nothing above mild, age_gate 0.
  - age_gate: fit for readers from age_gate on, which is above 0.
  - review: a person must look: the evidence contradicts itself, is too thin for its weight, or shows \
{ALWAYS_REVIEWED}, always.
- reasons: why this verdict, one to four plain sentences; no quotes in them.
- confidence: below 0.50 when all rests on labels; 0.90 and more when rating and text agree."""

_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_EVIDENCE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["field", "quote"],
    "properties": {"field": {"type": "string", "enum": [*FIELDS, NOTE]}, "quote": _TEXT},
}
_CATEGORY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["category", "severity", "evidence"],
    "properties": {
        "category": {"type": "string", "enum": list(CATEGORIES)},
        "severity": {"type": "string", "enum": list(LOWEST_GATE)},
        "evidence": {"type": "array", "minItems": 1, "maxItems": 3, "items": _EVIDENCE},
    },
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["categories", "age_gate", "verdict", "reasons", "confidence"],
    "properties": {
        "categories": {"type": "array", "maxItems": len(CATEGORIES), "items": _CATEGORY},
        "age_gate": {"type": "integer", "minimum": 0, "maximum": 18},
        "verdict": {"type": "string", "enum": list(VERDICTS)},
        "reasons": {"type": "array", "minItems": 1, "maxItems": 4, "items": _TEXT},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
}


def _sufficient(inputs: TitleInputs) -> str | None:
    if has_any(inputs.fields, "content_rating", "publisher_genres", "themes"):
        return None
    texts = {"synopsis": inputs.fields.get("synopsis", ""), NOTE: inputs.additional_context}
    if any(has_text(texts, name, MINIMUM_TEXT) for name in texts):
        return None
    return "no rating or genre and hardly any text"


def _check(answer: Answer, inputs: TitleInputs) -> list[str]:
    return [*_repeated(answer), *_invented(answer, inputs), *_verdict_problems(answer)]


def _repeated(answer: Answer) -> Iterator[str]:
    counts = Counter(each["category"] for each in answer["categories"])
    yield from (f"categories: {name} is there {count} times" for name, count in counts.items() if count > 1)


def _invented(answer: Answer, inputs: TitleInputs) -> Iterator[str]:
    """Quotes that their field does not have, or that any text has."""
    shown = {name: quotable(value) for name, value in inputs.fields.items()}
    shown[NOTE] = quotable(inputs.additional_context)
    for place, category in enumerate(answer["categories"]):
        for number, each in enumerate(category["evidence"]):
            text, quote = shown.get(each["field"], ""), quotable(each["quote"])
            path = f"categories.{place}.evidence.{number}.quote"
            if quote not in text:
                yield f"{path}: {each['field']} does not have these words: quote it letter by letter"
            elif weighted_length(quote) < MINIMUM_QUOTE and quote != text:
                yield f"{path}: too short to show anything"


def _verdict_problems(answer: Answer) -> Iterator[str]:
    found: Mapping[str, str] = {each["category"]: each["severity"] for each in answer["categories"]}
    verdict, gate = answer["verdict"], answer["age_gate"]
    lowest = max((LOWEST_GATE[severity] for severity in found.values()), default=0)
    if gate < lowest:
        yield f"age_gate: at least {lowest} with what the categories say"
    if verdict == "allow" and gate:
        yield "verdict: allow goes with an age_gate of 0"
    if verdict == "age_gate" and not gate:
        yield "verdict: age_gate goes with an age_gate above 0"
    if verdict != "review" and ALWAYS_REVIEWED in found:
        yield f"verdict: {ALWAYS_REVIEWED} is always for review"


ANALYSIS = AnalysisType(
    name="content_moderation",
    version="1",
    description="Record what one manga title shows that some readers should not see, and to whom it may be shown.",
    fields=FIELDS,
    instructions=system_prompt(RUBRIC),
    output_schema=_SCHEMA,
    max_tokens=1_200,
    expected_output_tokens=220,
    sufficient=_sufficient,
    check=_check,
    request="Judge what the title above shows, and to whom it may be shown.",
)
