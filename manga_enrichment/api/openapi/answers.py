"""What the endpoints answer, as JSON Schemas of the OpenAPI document.

Belongs here: the schemas, one per kind of answer. Stays out: which endpoint answers which (`document.py`), what several
share (`parts.py`), the answers themselves (`api/workflow/answers.py`, `api/templates/`); tests of the front hold them
to these.
"""

from typing import Any

from manga_enrichment.api.gateway_responses import GATEWAY_ANSWERS
from manga_enrichment.api.openapi.parts import (
    PARTS,
    REFERENCE,
    REQUEST_ID,
    RESULTS_PATH,
    RESUMES_ON,
    STATUS_PATH,
    array,
    enum,
    obj,
    or_null,
    ref,
    said,
    success,
    time,
)
from manga_enrichment.api.workflow.answers import WORKFLOW_CODES
from manga_enrichment.domain.requests.quotes import QuoteStatus
from manga_enrichment.domain.requests.states import RequestState, is_final

TEMPLATE_CODES = frozenset({"ALREADY_ENDED"})
"""Codes of errors that only templates know."""

_OPEN = [state for state in RequestState if not is_final(state)]
_ENDED = [state for state in RequestState if is_final(state)]
_USD = "In US dollars."
_ACCEPTED = success(
    obj(
        {
            "request_id": REQUEST_ID,
            "status": enum(_OPEN, description="accepted, or how far it came while the call waited."),
            "message": said("string", "For people."),
            "item_count": said("integer", "Items as sent; 1 for a question or chat."),
            "estimated_completion": time("In UTC, by the pace of its queue of late. No promise."),
            "warnings": array(ref("Problem"), description="What was sent and has no effect."),
            "reference": REFERENCE,
            "resumes_on": RESUMES_ON,
            "status_path": STATUS_PATH,
        }
    )
)
_QUOTED_ITEM = obj(
    {
        "position": said("integer", "Place in the batch, from 0."),
        "reference": or_null("string", "Your own name of the item."),
        "manga_id": said("string", "As sent."),
        "analysis_type": said("string", "As sent."),
        "status": enum(
            QuoteStatus,
            description="known: there already, and free; pending: another is asking, free after that.",
        ),
        "model_id": or_null("string", "Model that would be asked."),
        "input_tokens": said("integer", "0 for an item that repeats another or that nothing is asked for."),
        "output_tokens": said("integer", "Of a typical answer; 0 likewise."),
        "cost_usd": said("number", "With a typical answer; 0 likewise."),
        "error": {"anyOf": [ref("ItemError"), {"type": "null"}], "description": "Why there would be no answer."},
    }
)
_QUOTE = obj(
    {
        "counts": ref("Counts", description="Items as sent, and by what they would come to."),
        "input_tokens": said("integer", "Of all that would be asked."),
        "output_tokens": said("integer", "Of typical answers."),
        "cost_usd": said("number", "With typical answers; the bill may differ."),
        "at_most_usd": said("number", "With the longest answers, each asked once."),
        "items": array(ref("QuotedItem")),
    },
    description="What a batch would come to. Nothing was asked for it.",
)
_ANSWERED = success(
    obj(
        {
            "request_id": REQUEST_ID,
            "status": enum(_ENDED),
            "response": or_null("string", "The answer to a question or chat; null for a batch."),
            "model": or_null("string", "Model that answered; null for a batch."),
            "usage": obj(
                {
                    "input_tokens": said("integer", "Billed for this request."),
                    "output_tokens": said("integer", "Billed for this request."),
                    "cost_usd": said("number", _USD),
                }
            ),
            "counts": ref("Counts"),
            "result": or_null("string", "Key of the result document, where a batch's answers are."),
            "quote": {"anyOf": [ref("Quote"), {"type": "null"}], "description": "Of a quote alone."},
            "warnings": array(ref("Problem"), description="What was odd, or has no effect."),
            "reference": REFERENCE,
            "status_path": STATUS_PATH,
            "results_path": RESULTS_PATH,
        }
    )
)
_OF_A_REQUEST = {
    "request_id": REQUEST_ID,
    "status": enum(RequestState),
    "schema": or_null("string", "The document that the request followed; batch_quote for a quote."),
    "submitted_at": time("In UTC."),
    "updated_at": time("In UTC."),
    "counts": ref("Counts"),
    "cost_usd": said("number", _USD),
    "tokens": ref("Tokens"),
    "reference": REFERENCE,
    "cancel_requested": said("boolean", "Nothing more is asked for it."),
}
"""What a status and a list tell."""
_STATUS = success(
    obj(
        {
            **_OF_A_REQUEST,
            "results_path": RESULTS_PATH,
            "result": or_null("string", "Key of the result document, once there is one."),
            "resumes_on": RESUMES_ON,
            "callback": or_null("string", "What became of the callback, if one was asked for."),
            "problems": array(ref("Problem"), description="All that is wrong with a rejected request."),
            "error": {
                "anyOf": [ref("RequestFailure"), {"type": "null"}],
                "description": "Why it was rejected or failed, or its commonest failure.",
            },
        }
    )
)
_REQUEST_FAILURE = obj(
    {
        "class": said("string", "For programs."),
        "reason": or_null("string", "For people; of rejections only."),
    }
)
_LIST = success(
    obj(
        {
            "requests": array(ref("ListedRequest")),
            "next_path": or_null("string", "Path of the next page, after the address of the API; null at the end."),
        }
    )
)
_CANCELLED = success(
    obj(
        {
            "request_id": REQUEST_ID,
            "status": enum(
                [*_OPEN, RequestState.CANCELLED], description="As it was when it was marked; `cancelled` follows."
            ),
            "cancel_requested": {"type": "boolean", "const": True},
            "status_path": STATUS_PATH,
        }
    )
)
_USAGE = success(
    obj(
        {
            "requests": said("integer", "That workers brought to an end in this month."),
            "items": said("integer", "Of these requests."),
            "tokens": ref("Tokens"),
            "days": array(
                obj({"day": said("string", "Of UTC.", format="date"), "cost_usd": said("number", _USD)}),
                description="Days on which something was spent, in no particular order.",
            ),
            "cost_usd": said("number", "Of all days, exactly."),
        }
    )
)


def answer_schemas() -> dict[str, Any]:
    """By the names that the paths refer to."""
    return {
        **PARTS,
        "Accepted": _ACCEPTED,
        "Answered": _ANSWERED,
        "Quote": _QUOTE,
        "QuotedItem": _QUOTED_ITEM,
        "RequestStatus": _STATUS,
        "RequestFailure": _REQUEST_FAILURE,
        "RequestList": _LIST,
        "ListedRequest": obj({**_OF_A_REQUEST, "status_path": STATUS_PATH}),
        "Cancelled": _CANCELLED,
        "MonthlyUsage": _USAGE,
        "Error": _error(),
    }


def _error() -> dict[str, Any]:
    codes = sorted({answer.code for answer in GATEWAY_ANSWERS.values()} | WORKFLOW_CODES | TEMPLATE_CODES)
    error = obj(
        {
            "code": enum(codes, description="For programs. More may come."),
            "message": said("string", "For people."),
            "details": said("string", "What the validator found, for people."),
            "problems": array(ref("Problem"), description="All that is wrong, each with its place."),
            "retry_after_seconds": said("integer", "As the header Retry-After."),
        },
        optional=("details", "problems", "retry_after_seconds"),
    )
    return obj(
        {"success": {"type": "boolean", "const": False}, "error": error, "metadata": ref("Metadata")},
        description="The one form of an error.",
    )
