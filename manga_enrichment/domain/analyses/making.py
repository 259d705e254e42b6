"""From a document to the analysis: prompt, version, what is enough, checks, columns and rows.

Belongs here: putting together. Stays out: what a document may say (`documents.py`), shared wording (`wording.py`).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from manga_enrichment.domain.analyses.answer_schemas import cell, columns_of
from manga_enrichment.domain.analyses.base import NO_RULES, AnalysisType, Answer, Rules, TitleInputs
from manga_enrichment.domain.analyses.documents import NOTE, Document, Enough
from manga_enrichment.domain.analyses.text import has_any, has_text
from manga_enrichment.domain.analyses.wording import system_prompt

_VERSION_CHARACTERS = 12


def single(document: Document, rules: Rules = NO_RULES) -> AnalysisType:
    """The analysis of a document without parts."""
    instructions = system_prompt(document.instructions)
    return AnalysisType(
        name=document.name,
        version=document.version or _version(document, instructions, document.answer),
        description=document.description,
        about=document.about or document.description,
        fields=document.fields,
        instructions=instructions,
        rubric=document.instructions,
        rules=rules,
        output_schema=document.answer,
        max_tokens=document.max_tokens,
        sufficient=_sufficient(document.enough, rules),
        columns=() if document.on_request else columns_of(document.answer, document.columns),
        to_row=_to_row(document, rules),
        check=rules.check,
        model_alias=document.model,
        temperature=document.temperature,
        needs_candidates=document.candidates,
        request=document.request,
        expected_output_tokens=document.expected_output_tokens,
        judged_by=_judged_by(document.enough, rules),
    )


def combined(document: Document, parts: Sequence[AnalysisType]) -> AnalysisType:
    """The analysis whose answer holds one of each part. Rubrics, schemas and rules are those of the parts, and
    a new version of a part is one of the whole.
    """
    instructions = system_prompt(document.instructions, *(part.rubric for part in parts))
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": [part.name for part in parts],
        "properties": {part.name: part.output_schema for part in parts},
    }
    own_version = document.version or _version(document, instructions, schema)
    return AnalysisType(
        name=document.name,
        version="-".join((own_version, *(part.version for part in parts))),
        description=document.description,
        about=document.about or document.description,
        fields=tuple(dict.fromkeys(field for part in parts for field in part.fields)),
        instructions=instructions,
        rubric=document.instructions,
        output_schema=schema,
        max_tokens=document.max_tokens,
        sufficient=lambda inputs: _first_reason(parts, inputs),
        check=lambda answer, inputs: _part_problems(parts, answer, inputs),
        model_alias=document.model,
        temperature=document.temperature,
        needs_candidates=any(part.needs_candidates for part in parts),
        parts=tuple(part.name for part in parts),
        request=document.request,
        expected_output_tokens=document.expected_output_tokens,
        judged_by="-".join(each.judged_by for each in parts) if all(each.judged_by for each in parts) else "",
    )


def _judged_by(enough: Enough, rules: Rules) -> str:
    if rules is not NO_RULES and not rules.source:
        return ""
    said = [enough.reason, enough.any_of, dict(enough.text), rules.source]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:_VERSION_CHARACTERS]


def _version(document: Document, instructions: str, schema: Any) -> str:
    """A hash of what reaches the model. Not of a title's fields and the parameters: a fingerprint has them itself."""
    said = [document.name, document.description, instructions, document.request, document.candidates, schema]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:_VERSION_CHARACTERS]


def _sufficient(enough: Enough, rules: Rules) -> Callable[[TitleInputs], str | None]:
    def sufficient(inputs: TitleInputs) -> str | None:
        reason = rules.sufficient(inputs)
        if reason is not None or has_any(inputs.fields, *enough.any_of):
            return reason
        texts = {**inputs.fields, NOTE: inputs.additional_context}
        return None if any(has_text(texts, name, least) for name, least in enough.text.items()) else enough.reason

    return sufficient


def _to_row(document: Document, rules: Rules) -> Callable[[Answer], dict[str, Any]]:
    names = {key: document.columns.get(key, {}).get("name", key) for key in document.answer["properties"]}

    def to_row(answer: Answer) -> dict[str, Any]:
        properties = document.answer["properties"]
        return rules.arranged({name: cell(properties[key], answer[key]) for key, name in names.items()})

    return to_row


def _first_reason(parts: Sequence[AnalysisType], inputs: TitleInputs) -> str | None:
    reasons = ((part.name, part.sufficient(inputs)) for part in parts)
    return next((f"{name}: {reason}" for name, reason in reasons if reason is not None), None)


def _part_problems(parts: Sequence[AnalysisType], answer: Answer, inputs: TitleInputs) -> list[str]:
    return [f"{part.name}.{problem}" for part in parts for problem in part.check(answer[part.name], inputs)]
