"""The result document as a schema of the OpenAPI document.

Belongs here: its fields in words. Stays out: making it (`domain/requests/results.py`; a test of the front holds the two
together).
"""

from collections.abc import Iterable
from typing import Any

from manga_enrichment.api.openapi.parts import (
    REFERENCE,
    REQUEST_ID,
    array,
    enum,
    obj,
    or_null,
    ref,
    said,
    success,
    time,
)
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.states import RequestState, is_final


def _name(analysis: str) -> str:
    return f"{analysis.title().replace('_', '')}Answer"


_CONVERSATION = {_name("conversation"): obj({"reply": said("string", "The answer to a question or chat.")})}
_ITEM = obj(
    {
        "position": said("integer", "Place in the request, from 0."),
        "reference": or_null("string", "Your own name of the item."),
        "manga_id": or_null("string", "As sent; null for a conversation."),
        "analysis_type": said("string", "As asked for, or conversation."),
        "status": enum(each for each in Outcome if each is not Outcome.DEFERRED),
        "answer": {},
        "error": {"anyOf": [ref("ItemError"), {"type": "null"}]},
        "model_id": or_null("string", "Model that gave the answer."),
        "prompt_version": or_null("string", "Of the question that it was asked."),
        "via": or_null("string", "Analysis whose call gave the answer."),
        "fingerprint": or_null("string", "Identity of the answer."),
        "from_cache": said("boolean", "The answer was there already and cost nothing."),
        "corrected": array(
            {"type": "string"},
            description="Where in the answer a word of our editors stands, for example primary_genre.",
        ),
        "cost_micro_usd": said("integer", "0 for an item that repeats another."),
        "input_tokens": said("integer", "Likewise."),
        "output_tokens": said("integer", "Likewise."),
    },
    optional=(
        "reference",
        "corrected",
        "input_tokens",
        "output_tokens",
    ),  # which documents of releases before 0.3.0 have not
)
_DOCUMENT = obj(
    {
        "result_version": said("integer", "Raised when a field goes away or changes its meaning."),
        "request_id": REQUEST_ID,
        "partner_id": said("string", "You."),
        "schema": said("string", "The document that the request followed."),
        "reference": REFERENCE,
        "status": enum(state for state in RequestState if is_final(state)),
        "generation": said("integer", "Which attempt of ours it was."),
        "submitted_at": time("In UTC."),
        "completed_at": time("In UTC."),
        "counts": ref("Counts"),
        "cost_usd": said("number", "Over all attempts."),
        "warnings": array(ref("Problem"), description="What was odd, or had no effect."),
        "items": array(ref("ResultItem"), description="In the order and number in which they were sent."),
        "quote": ref("Quote", description="Of a quote alone, whose items it has."),
    },
    optional=("reference", "quote"),
)


def result_schemas(analyses: Iterable[AnalysisType]) -> dict[str, Any]:
    """By the names that the paths refer to. Of analyses to come an answer is any object."""
    answers = {**{_name(each.name): dict(each.output_schema) for each in analyses}, **_CONVERSATION}
    answer = {"anyOf": [*map(ref, answers), {"type": "object"}, {"type": "null"}], "description": "By analysis."}
    item = {**_ITEM, "properties": {**_ITEM["properties"], "answer": answer}}
    documents = {"RequestResult": success(ref("ResultDocument")), "ResultDocument": _DOCUMENT, "ResultItem": item}
    return {**documents, **answers}
