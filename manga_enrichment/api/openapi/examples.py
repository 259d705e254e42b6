"""Examples of answers in the OpenAPI document, by schema, and of errors by status.

Belongs here: what a reader of the document is shown; a test holds each to its schema. Stays out: the schemas.
"""

from typing import Any

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
    "status_path": _PATHS["status_path"],
}
_ANSWERED: dict[str, Any] = {
    "request_id": _ID,
    "status": "completed",
    "response": "『灯台の子』はいかがでしょうか。",
    "model": "a-model",
    "usage": {"input_tokens": 412, "output_tokens": 96, "cost_usd": 0.000892},
    "counts": {"items": 1, "succeeded": 1},
    "result": _KEY,
    "warnings": [],
    "reference": "import 7",
    "quote": None,
    **_PATHS,
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
        _item(0, status="succeeded", answer=_ANSWER, error=None, **_SAID, **_SPENT),
        _item(
            1,
            status="failed",
            answer=None,
            error=_UNKNOWN,
            **dict.fromkeys(_SAID),
            **{**dict.fromkeys(_SPENT, 0), "from_cache": False},
        ),
    ],
}
_LISTED = ("request_id", "status", "schema", "submitted_at", "updated_at", "counts", "cost_usd", "tokens", "reference")
_LIST = {
    "requests": [
        {
            **{name: _STATUS[name] for name in _LISTED},
            "cancel_requested": False,
            "status_path": _PATHS["status_path"],
        }
    ],
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
EXAMPLES = {
    "RequestList": _done(_LIST),
    "Cancelled": _done(_CANCELLED),
    "MonthlyUsage": _done(_USAGE),
    "Accepted": _done(_ACCEPTED),
    "Answered": _done(_ANSWERED, latency_ms=1253),
    "RequestStatus": _done(_STATUS),
    "RequestResult": _done(_RESULT),
}
_ERRORS: dict[int, tuple[str, str, dict[str, Any]]] = {
    400: (
        "VALIDATION_ERROR",
        "items.1.analysis_type: must be one of genre_classification, content_summary",
        {
            "problems": [
                {"path": "items.1.analysis_type", "code": "SCHEMA_VIOLATION", "validator": "enum", "message": "…"}
            ]
        },
    ),
    403: ("FORBIDDEN", "Send a valid API key as x-api-key.", {}),
    404: ("NOT_FOUND", "No request of yours has this id.", {}),
    409: ("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key came with another body within the last 24 hours.", {}),
    413: ("REQUEST_TOO_LARGE", "A request may have 256 KB: split the batch, or send fewer messages.", {}),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Send JSON as application/json.", {}),
    429: ("RATE_LIMITED", "Too many requests at the moment. Send it again.", {"retry_after_seconds": 5}),
    500: ("INTERNAL_ERROR", "Something went wrong on our side. Send it again.", {}),
    502: ("REQUEST_FAILED", "There is no answer to this request. A new request may have one.", {"details": "refusal"}),
    503: ("UNAVAILABLE", "No answer. Send it again, with the same Idempotency-Key.", {"retry_after_seconds": 5}),
}


def error_example(status: int) -> dict[str, Any]:
    code, message, more = _ERRORS[status]
    return {"success": False, "error": {"code": code, "message": message, **more}, "metadata": {"request_id": _ID}}
