"""What the endpoints answer, as JSON Schemas of the OpenAPI document.

Belongs here: the schemas, one per kind of answer. Stays out: which endpoint answers which (`document.py`), the answers
themselves (`api/workflow/answers.py`, `templates/`); tests of the front hold them to these.
"""

from typing import Any

from manga_enrichment.api.gateway_responses import GATEWAY_ANSWERS
from manga_enrichment.api.workflow.answers import WORKFLOW_CODES
from manga_enrichment.domain.requests.quotes import QuoteStatus
from manga_enrichment.domain.requests.schemas import ENVELOPE, schema_document
from manga_enrichment.domain.requests.states import RequestState, is_final

TEMPLATE_CODES = frozenset({"ALREADY_ENDED"})
"""Codes of errors that only templates know."""

_UUID = {"type": "string", "pattern": schema_document(ENVELOPE)["properties"]["request_id"]["pattern"]}


def _object(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


def _or_null(kind: str, description: str) -> dict[str, Any]:
    return {"type": [kind, "null"], "description": description}


_METADATA = _object(
    {
        "request_id": {"type": "string", "description": "Of this call; say it when you ask us about it."},
        "timestamp": {"type": "integer", "description": "Milliseconds since 1970."},
        "latency_ms": {"type": "integer", "description": "From the call to its answer."},
    },
    optional=("timestamp", "latency_ms"),
)
_PROBLEMS = {
    "type": "array",
    "items": _object(
        {
            "path": {"type": "string", "description": "Place in the body, such as items.3.manga_id; $ is all of it."},
            "code": {"type": "string"},
            "validator": {"type": "string"},
            "message": {"type": "string"},
        }
    ),
}
_REQUEST_ID = {**_UUID, "description": "Ask for the status with it; callbacks and results carry it."}
_STATUS_PATH = {"type": "string", "description": "Path of the status, after the address of the API."}
_REFERENCE = _or_null("string", "Your own name of the request.")
_RESULTS_PATH = _or_null("string", "Path of the result document, after the address of the API, once there is one.")
_COUNTS = {"type": "object", "additionalProperties": {"type": "integer"}, "description": "By outcome."}
_TOKENS = _object({"input": {"type": "integer"}, "output": {"type": "integer"}})
_ACCEPTED = _object(
    {
        "success": {"const": True},
        "data": _object(
            {
                "request_id": _REQUEST_ID,
                "status": {
                    "enum": [state.value for state in RequestState if not is_final(state)],
                    "description": "accepted, or how far it came while the call waited.",
                },
                "message": {"type": "string"},
                "item_count": {"type": "integer"},
                "estimated_completion": {
                    "type": "string",
                    "description": "ISO 8601 in UTC, by the pace of its queue of late. No promise.",
                },
                "warnings": {**_PROBLEMS, "description": "What was sent and has no effect."},
                "reference": _REFERENCE,
                "status_path": _STATUS_PATH,
            }
        ),
        "metadata": _METADATA,
    }
)
_QUOTE = _object(
    {
        "counts": {**_COUNTS, "description": "Items as sent, and by what they would come to."},
        "input_tokens": {"type": "integer"},
        "output_tokens": {"type": "integer", "description": "Of typical answers."},
        "cost_usd": {
            "type": "number",
            "description": "With typical answers; the bill may differ.",
        },
        "at_most_usd": {"type": "number", "description": "With the longest answers, each asked once."},
        "items": {
            "type": "array",
            "items": _object(
                {
                    "position": {"type": "integer"},
                    "reference": _or_null("string", "Your own name of the item."),
                    "manga_id": {"type": "string"},
                    "analysis_type": {"type": "string"},
                    "status": {
                        "enum": [each.value for each in QuoteStatus],
                        "description": "known: there already, and free; pending: another is asking, free after that.",
                    },
                    "model_id": _or_null("string", "Model that would be asked."),
                    "input_tokens": {"type": "integer"},
                    "output_tokens": {"type": "integer"},
                    "cost_usd": {"type": "number"},
                    "error": {
                        "type": ["object", "null"],
                        "description": "Why there would be no answer.",
                        "properties": {"class": {"type": "string"}, "message": {"type": "string"}},
                    },
                }
            ),
        },
    }
)
_ANSWERED = _object(
    {
        "success": {"const": True},
        "data": _object(
            {
                "request_id": _REQUEST_ID,
                "status": {"enum": [state.value for state in RequestState if is_final(state)]},
                "response": _or_null("string", "The answer to a question or chat; null for a batch."),
                "model": _or_null("string", "Model that answered; null for a batch."),
                "usage": _object(
                    {
                        "input_tokens": {"type": "integer"},
                        "output_tokens": {"type": "integer"},
                        "cost_usd": {"type": "number"},
                    }
                ),
                "counts": _COUNTS,
                "result": _or_null("string", "Key of the result document, where a batch's answers are."),
                "quote": {"anyOf": [_QUOTE, {"type": "null"}]},
                "warnings": _PROBLEMS,
                "reference": _REFERENCE,
                "status_path": _STATUS_PATH,
                "results_path": _RESULTS_PATH,
            }
        ),
        "metadata": _METADATA,
    }
)
_STATUS = _object(
    {
        "success": {"const": True},
        "data": _object(
            {
                "request_id": {"type": "string"},
                "status": {"enum": [state.value for state in RequestState]},
                "schema": _or_null("string", "The document that the request followed."),
                "submitted_at": {"type": "string", "description": "ISO 8601 in UTC."},
                "updated_at": {"type": "string", "description": "ISO 8601 in UTC."},
                "counts": _COUNTS,
                "cost_usd": {"type": "number"},
                "tokens": _TOKENS,
                "reference": _REFERENCE,
                "results_path": _RESULTS_PATH,
                "cancel_requested": {"type": "boolean", "description": "Nothing more is asked for it."},
                "result": _or_null("string", "Key of the result document, once there is one."),
                "resumes_on": _or_null(
                    "string", "UTC day on which a deferred request goes on, where a cap of yours was reached."
                ),
                "callback": _or_null("string", "What became of the callback, if one was asked for."),
                "problems": {**_PROBLEMS, "description": "All that is wrong with a rejected request, with its places."},
                "error": {
                    "type": ["object", "null"],
                    "description": "Why it was rejected or failed; `reason` for rejections only.",
                    "required": ["class", "reason"],
                    "properties": {"class": {"type": "string"}, "reason": {"type": ["string", "null"]}},
                },
            }
        ),
        "metadata": _METADATA,
    }
)


_LISTED = (
    "request_id",
    "status",
    "schema",
    "submitted_at",
    "updated_at",
    "counts",
    "cost_usd",
    "tokens",
    "cancel_requested",
)
_OF_STATUS = _STATUS["properties"]["data"]["properties"]
_LIST = _object(
    {
        "success": {"const": True},
        "data": _object(
            {
                "requests": {
                    "type": "array",
                    "items": _object({**{name: _OF_STATUS[name] for name in _LISTED}, "status_path": _STATUS_PATH}),
                },
                "next_path": _or_null(
                    "string", "Path of the next page, after the address of the API; null at the end."
                ),
            }
        ),
        "metadata": _METADATA,
    }
)
_CANCELLED = _object(
    {
        "success": {"const": True},
        "data": _object(
            {
                "request_id": {"type": "string"},
                "status": {
                    "enum": [state.value for state in RequestState if not is_final(state) or state == "cancelled"],
                    "description": "As it was when it was marked; `cancelled` follows.",
                },
                "cancel_requested": {"const": True},
                "status_path": _STATUS_PATH,
            }
        ),
        "metadata": _METADATA,
    }
)
_USAGE = _object(
    {
        "success": {"const": True},
        "data": _object(
            {
                "requests": {"type": "integer", "description": "That workers brought to an end in this month."},
                "items": {"type": "integer"},
                "tokens": _TOKENS,
                "days": {
                    "type": "array",
                    "items": _object({"day": {"type": "string", "format": "date"}, "cost_usd": {"type": "number"}}),
                    "description": "Days on which something was spent, in no particular order.",
                },
                "cost_usd": {"type": "number", "description": "Of all days, exactly."},
            }
        ),
        "metadata": _METADATA,
    }
)


def answer_schemas() -> dict[str, Any]:
    """By the names that the paths refer to."""
    return {
        "Accepted": _ACCEPTED,
        "Answered": _ANSWERED,
        "RequestStatus": _STATUS,
        "RequestList": _LIST,
        "Cancelled": _CANCELLED,
        "MonthlyUsage": _USAGE,
        "Error": _error(),
    }


def _error() -> dict[str, Any]:
    codes = sorted({answer.code for answer in GATEWAY_ANSWERS.values()} | WORKFLOW_CODES | TEMPLATE_CODES)
    return _object(
        {
            "success": {"const": False},
            "error": _object(
                {
                    "code": {"enum": codes},
                    "message": {"type": "string"},
                    "details": {"type": "string", "description": "What the validator found, for people."},
                    "problems": {**_PROBLEMS, "description": "All that is wrong, each with its place."},
                    "retry_after_seconds": {"type": "integer"},
                },
                optional=("details", "problems", "retry_after_seconds"),
            ),
            "metadata": _METADATA,
        }
    )
