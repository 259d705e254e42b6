"""Examples of answers in the OpenAPI document, by schema, and of errors by status.

Belongs here: what a reader of the document is shown; a test holds each to its schema. Stays out: the schemas.
"""

from collections.abc import Mapping
from typing import Any

POSTS = ("batch", "query", "chat", "quote")

_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_METADATA = {"request_id": _ID, "timestamp": 1795781219944}
_COUNTS = {"items": 2, "succeeded": 1, "failed": 1}
_PATHS = {"status_path": f"/v1/manga/status/{_ID}", "results_path": f"/v1/manga/results/{_ID}"}
_KEY = f"fm-results/acme/{_ID}.json"
_ANSWER = {"primary_genre": "music", "genres": [{"genre": "music", "confidence": 0.71}], "themes": ["music"]}
_SAID = {"model_id": "a-model", "prompt_version": "1", "via": "genre_classification", "fingerprint": "9f2b"}
_SPENT = {"from_cache": False, "cost_micro_usd": 225, "input_tokens": 412, "output_tokens": 96}
_UNKNOWN = {"class": "unknown_title", "message": "the catalog has no title with this manga_id"}


def _done(data: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"success": True, "data": data, "metadata": {**_METADATA, **metadata}}


def _item(position: int, **more: Any) -> dict[str, Any]:
    asked = {"manga_id": "MNG-56CB1PIR", "analysis_type": "genre_classification"}
    return {"position": position, "reference": f"shelf {position}", **asked, **more}


_ACCEPTED = {
    "request_id": _ID,
    "status": "accepted",
    "message": "Batch submitted for processing",
    "item_count": 2,
    "estimated_completion": "2026-11-28T12:00:40Z",
    "warnings": [],
    "reference": "import 7",
    "resumes_on": None,
    "status_path": _PATHS["status_path"],
}
_ASKED = {**_ACCEPTED, "message": "Request submitted for processing", "item_count": 1}
_UNBILLED = {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0}
_ANSWERED: dict[str, Any] = {
    "request_id": _ID,
    "status": "completed",
    "response": "『灯台の子』(MNG-C4G0F4AW) はいかがでしょうか。",
    "model": "a-model",
    "usage": {"input_tokens": 412, "output_tokens": 96, "cost_usd": 0.000892},
    "counts": {"items": 1, "succeeded": 1},
    "result": _KEY,
    "warnings": [],
    "reference": "import 7",
    "quote": None,
    **_PATHS,
}
_OF_NOTHING_SAID: dict[str, Any] = {**_ANSWERED, "response": None, "model": None}
_QUOTED = {
    "position": 0,
    "reference": "shelf 3",
    "manga_id": "MNG-C4G0F4AW",
    "analysis_type": "full_enrichment",
    "status": "to_ask",
    "model_id": "a-model",
    "input_tokens": 1850,
    "output_tokens": 420,
    "cost_usd": 0.00395,
    "error": None,
}
_FREE = {"position": 1, "status": "known", "input_tokens": 0, "output_tokens": 0, "cost_usd": 0}
_QUOTE = {
    "counts": {"items": 2, "known": 1, "to_ask": 1},
    "input_tokens": 1850,
    "output_tokens": 420,
    "cost_usd": 0.00395,
    "at_most_usd": 0.009435,
    "items": [_QUOTED, {**_QUOTED, **_FREE}],
}
_STATUS = {
    "request_id": _ID,
    "status": "partially_completed",
    "schema": "batch_analysis",
    "submitted_at": "2026-11-28T12:00:00.000000+00:00",
    "updated_at": "2026-11-28T12:00:31.000000+00:00",
    "counts": _COUNTS,
    "cost_usd": 0.000225,
    "tokens": {"input": 412, "output": 96},
    "reference": "import 7",
    "results_path": _PATHS["results_path"],
    "result": _KEY,
    "resumes_on": None,
    "callback": "callback_delivered",
    "problems": [],
    "error": {"class": "unknown_title", "reason": None},
    "cancel_requested": False,
}
_RESULT = {
    "result_version": 1,
    "request_id": _ID,
    "partner_id": "acme",
    "schema": "batch_analysis",
    "reference": "import 7",
    "status": "partially_completed",
    "generation": 1,
    "submitted_at": "2026-11-28T12:00:00+00:00",
    "completed_at": "2026-11-28T12:00:31+00:00",
    "counts": _COUNTS,
    "cost_usd": 0.000225,
    "warnings": [],
    "items": [
        _item(0, status="succeeded", answer=_ANSWER, error=None, corrected=[], **_SAID, **_SPENT),
        _item(
            1,
            status="failed",
            answer=None,
            error=_UNKNOWN,
            corrected=[],
            **dict.fromkeys(_SAID),
            **{**dict.fromkeys(_SPENT, 0), "from_cache": False},
        ),
    ],
}
_NOT_LISTED = {"results_path", "result", "resumes_on", "callback", "problems", "error"}
_LISTED = {name: value for name, value in _STATUS.items() if name not in _NOT_LISTED}
_LIST = {
    "requests": [{**_LISTED, "status_path": _PATHS["status_path"]}],
    "next_path": f"/v1/manga/requests?limit=1&after={_ID}&submitted_at=2026-11-28T12%3A00%3A00.000000%2B00%3A00",
}
_CANCELLED = {
    "request_id": _ID,
    "status": "processing",
    "cancel_requested": True,
    "status_path": _PATHS["status_path"],
}
_USAGE = {
    "requests": 12,
    "items": 340,
    "tokens": {"input": 140_080, "output": 32_640},
    "days": [{"day": "2026-11-27", "cost_usd": 0.0713}, {"day": "2026-11-28", "cost_usd": 0.0052}],
    "cost_usd": 0.0765,
}
CALLBACK_EXAMPLE = {
    "event_id": "evt_4f0c2f7e5a9b4c3d8e1f60718293a4b5",
    "event_version": 1,
    "type": "request.partially_completed",
    "occurred_at": "2026-11-28T12:00:31+00:00",
    "request_id": _ID,
    "partner_id": "acme",
    "schema": "batch_analysis",
    "status": "partially_completed",
    "reference": "import 7",
    "result": _KEY,
    "results_url": f"https://api.example{_PATHS['results_path']}",
    "counts": _COUNTS,
    "cost_usd": 0.000225,
    "tokens": {"input": 412, "output": 96},
    "error": {"class": "unknown_title", "reason": "1 of 2 items without an answer: 1 unknown_title"},
    "answers": _RESULT,
}
EXAMPLES: Mapping[tuple[str, int], dict[str, Any]] = {
    ("batch", 200): _done({**_OF_NOTHING_SAID, "counts": _COUNTS}, latency_ms=12_410),
    ("batch", 202): _done(_ACCEPTED),
    ("query", 200): _done(_ANSWERED, latency_ms=1253),
    ("query", 202): _done(_ASKED),
    ("chat", 200): _done(_ANSWERED, latency_ms=1253),
    ("chat", 202): _done(_ASKED),
    ("quote", 200): _done({**_OF_NOTHING_SAID, "usage": _UNBILLED, "counts": {}, "quote": _QUOTE}, latency_ms=2014),
    ("quote", 202): _done(_ASKED),
    ("status", 200): _done(_STATUS),
    ("list", 200): _done(_LIST),
    ("cancel", 202): _done(_CANCELLED),
    ("usage", 200): _done(_USAGE),
    ("results", 200): {**_done(_RESULT), "metadata": {"request_id": _ID}},
}
"""By endpoint and status."""
_ERRORS: dict[int, dict[str, Any]] = {
    400: {
        "code": "VALIDATION_ERROR",
        "message": "items.1.analysis_type: must be one of genre_classification, content_summary",
        "problems": [
            {"path": "items.1.analysis_type", "code": "SCHEMA_VIOLATION", "validator": "enum", "message": "…"}
        ],
    },
    403: {"code": "FORBIDDEN", "message": "Send the API key that we gave you as the header x-api-key."},
    404: {"code": "NOT_FOUND", "message": "No request of yours has this id."},
    409: {
        "code": "IDEMPOTENCY_KEY_REUSED",
        "message": "This Idempotency-Key came with another body within the last 24 hours.",
    },
    413: {
        "code": "REQUEST_TOO_LARGE",
        "message": "A request may have 256 KB: split the batch, or send fewer messages.",
    },
    415: {"code": "UNSUPPORTED_MEDIA_TYPE", "message": "Send JSON as application/json."},
    429: {
        "code": "RATE_LIMITED",
        "message": "Too many requests at the moment. Send it again.",
        "retry_after_seconds": 5,
    },
    500: {"code": "INTERNAL_ERROR", "message": "Something went wrong on our side. Send it again."},
    502: {
        "code": "REQUEST_FAILED",
        "message": "There is no answer to this request. A new request may have one.",
        "details": "refusal",
    },
    503: {
        "code": "UNAVAILABLE",
        "message": "No answer. Send it again, with the same Idempotency-Key.",
        "retry_after_seconds": 5,
    },
}
_WRONG_PARAMETERS = {
    "code": "VALIDATION_ERROR",
    "message": (
        "limit is a number from 1 to 100, month is written YYYY-MM, and a list goes on by the next_path that it gave."
    ),
}
_OWN_ERRORS = {
    **{(name, 404): {"code": "NOT_FOUND", "message": "This request was deleted."} for name in POSTS},
    ("cancel", 409): {
        "code": "ALREADY_ENDED",
        "message": "The request has ended as completed: there is nothing left to cancel.",
    },
    ("list", 400): _WRONG_PARAMETERS,
    ("usage", 400): _WRONG_PARAMETERS,
}
"""By endpoint and status, where they are not those of all."""


def error_example(endpoint: str, status: int) -> dict[str, Any]:
    error = _OWN_ERRORS.get((endpoint, status), _ERRORS[status])
    return {"success": False, "error": error, "metadata": {"request_id": _ID}}
