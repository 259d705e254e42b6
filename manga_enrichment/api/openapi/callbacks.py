"""Callbacks as a webhook of the OpenAPI document: what is posted to a partner's URL when a request has ended.

Belongs here: its schema, headers and example; a test holds the event itself to them. Stays out: the event
(`domain/callbacks/events.py`), how it is signed (`domain/callbacks/signatures.py`) and tried
(`domain/callbacks/deliveries.py`).
"""

from typing import Any

from manga_enrichment.api.openapi.parts import REFERENCE, array, enum, obj, or_null, ref, said, time
from manga_enrichment.domain.requests.states import RequestState, is_final

EVENT = "CallbackEvent"
_ENDED = [state for state in RequestState if is_final(state)]
_EVENT = obj(
    {
        "event_id": said("string", "The same for every repetition of this event.", pattern="^evt_[0-9a-f]{32}$"),
        "event_version": said("integer", "Raised when a field goes away or changes its meaning."),
        "type": enum([f"request.{state.value}" for state in _ENDED]),
        "occurred_at": time("In UTC."),
        "request_id": or_null("string", "Of the request that has ended."),
        "partner_id": or_null("string", "You."),
        "schema": or_null("string", "The document that the request followed."),
        "status": enum(_ENDED, description="How it ended."),
        "reference": REFERENCE,
        "result": or_null("string", "Key of the result document, when there is one."),
        "results_url": or_null("string", "Where the API hands the document out, with your key."),
        "counts": ref("Counts"),
        "cost_usd": said("number", "Over all attempts."),
        "tokens": ref("Tokens"),
        "error": {"anyOf": [ref("CallbackError"), {"type": "null"}], "description": "Why it was rejected or failed."},
        "problems": array(ref("Problem"), description="Of a rejected request: all that is wrong with it."),
        "answers": {
            "anyOf": [ref("ResultDocument"), {"type": "null"}],
            "description": "The result document, where it has at most 128 KB as JSON in ASCII.",
        },
    },
    optional=("problems",),
    description="The end of a request. New fields may come.",
)
_ERROR = obj({"class": said("string", "For programs."), "reason": said("string", "For people.")})
_SIGNED = {
    "X-Manga-Timestamp": (
        "Seconds since 1970. Refuse one that is more than five minutes from your clock.",
        {"type": "string", "pattern": "^[0-9]{1,12}$"},
        "1796047200",
    ),
    "X-Manga-Signature": (
        "`key=<id of your secret>,v1=<hex>`: HMAC-SHA256 with it over timestamp, a dot, and the bytes of the body.",
        {"type": "string", "pattern": "^key=[A-Za-z0-9._-]{1,32},v1=[0-9a-f]{64}$"},
        f"key=1,v1={'0' * 64}",
    ),
}


def webhooks(example: dict[str, Any]) -> dict[str, Any]:
    """example: of an event."""
    operation = {
        "operationId": "requestEnded",
        "tags": ["callbacks"],
        "summary": "A request has ended",
        "description": (
            "Posted to the `callback_url` of a request, at least once, signed with a secret of your own and never with "
            "your API key. Check the signature before you read the body, keep the event_ids of two days, and answer "
            "within 10 seconds. After 3xx, 408, 425, 429, 5xx or none we try again, eight times in all, over a day."
        ),
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": words, "schema": schema, "example": value}
            for name, (words, schema, value) in _SIGNED.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ref(EVENT), "example": example}},
        },
        "responses": {
            "2XX": {"description": "Taken. The body is not used."},
            "4XX": {"description": "Not wanted: we do not try again, except after 408, 425 and 429."},
        },
    }
    return {"requestEnded": {"post": operation}}


def callback_schemas() -> dict[str, Any]:
    """By the names that the webhook refers to."""
    return {EVENT: _EVENT, "CallbackError": _ERROR}
