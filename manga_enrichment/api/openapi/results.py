"""The result document as a schema of the OpenAPI document.

Belongs here: its fields in words. Stays out: making it (`domain/requests/results.py`; a test of the front holds the two
together).
"""

from typing import Any

from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.states import RequestState, is_final

_TEXT_OR_NULL = {"type": ["string", "null"]}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties, **more}


def _said(kind: str | list[str], description: str) -> dict[str, Any]:
    return {"type": kind, "description": description}


_ITEM = _object(
    {
        "position": _said("integer", "Place in the request, from 0."),
        "reference": _said(["string", "null"], "Your own name of the item."),
        "manga_id": _TEXT_OR_NULL,
        "analysis_type": _said("string", "As asked for, or conversation."),
        "status": {"enum": [each.value for each in Outcome if each is not Outcome.DEFERRED]},
        "answer": _said(["object", "null"], "By analysis; of a conversation `reply`."),
        "error": {
            "type": ["object", "null"],
            "properties": {"class": {"type": "string"}, "message": {"type": "string"}},
        },
        "model_id": _TEXT_OR_NULL,
        "prompt_version": _TEXT_OR_NULL,
        "via": _said(["string", "null"], "Analysis whose call gave the answer."),
        "fingerprint": _said(["string", "null"], "Identity of the answer."),
        "from_cache": _said("boolean", "The answer was there already and cost nothing."),
        "cost_micro_usd": _said("integer", "0 for an item that repeats another."),
        "input_tokens": _said("integer", "Likewise."),
        "output_tokens": _said("integer", "Likewise."),
    }
)
RESULT_DOCUMENT = _object(
    {
        "result_version": _said("integer", "Raised when a field goes away or changes its meaning."),
        "request_id": {"type": "string"},
        "partner_id": {"type": "string"},
        "schema": {"type": "string"},
        "reference": _said(["string", "null"], "Your own name of the request."),
        "status": {"enum": [state.value for state in RequestState if is_final(state)]},
        "generation": _said("integer", "Which attempt of ours it was."),
        "submitted_at": _said("string", "ISO 8601 in UTC."),
        "completed_at": _said("string", "ISO 8601 in UTC."),
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "cost_usd": _said("number", "Over all attempts."),
        "warnings": {"type": "array", "items": {"type": "object"}},
        "items": {"type": "array", "items": _ITEM},
    }
)
RESULT = _object(
    {
        "success": {"const": True},
        "data": RESULT_DOCUMENT,
        "metadata": _object({"request_id": _said("string", "Of this call; say it when you ask us about it.")}),
    }
)
