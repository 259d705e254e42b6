"""The OpenAPI 3.1 document for partners, generated from the tables and documents that the API itself is made of.

Belongs here: paths, answers, examples in OpenAPI's words. Stays out: the request documents (`domain/requests/*.json`),
which are put in as they are: OpenAPI 3.1 takes JSON Schema.
"""

import json
from typing import Any

from manga_enrichment.api.endpoints import ENDPOINTS, Endpoint
from manga_enrichment.api.gateway_responses import GATEWAY_ANSWERS
from manga_enrichment.api.models import model_name
from manga_enrichment.api.workflow_answers import WORKFLOW_CODES
from manga_enrichment.domain.requests.schemas import ENVELOPE, REQUEST_SCHEMAS, schema_document
from manga_enrichment.domain.requests.states import RequestState, is_final

API_VERSION = "1.0.0"

_UUID = {"type": "string", "pattern": schema_document(ENVELOPE)["properties"]["request_id"]["pattern"]}
_EXAMPLE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_EXAMPLES: dict[str, Any] = {
    "batch_analysis": {
        "items": [{"manga_id": "MNG-C4G0F4AW", "analysis_type": "full_enrichment"}],
        "priority": "normal",
        "callback_url": "https://partner.example/manga",
    },
    "manga_query": {"query": "静かな日常を描いた漫画を教えて", "conversation_id": _EXAMPLE_ID, "language": "ja"},
    "streaming_chat": {"messages": [{"role": "user", "content": "Which series is like Yotsuba?"}]},
}
_WORDS = {
    200: "What has become of the request",
    202: "Accepted: the request is in its queue, and its status is known",
    400: "The request breaks the rules, or cannot be queued",
    403: "No API key, or not a valid one",
    404: "No request of yours has this id",
    409: "The Idempotency-Key came with another body within the last 24 hours",
    413: "Larger than 256 KB",
    415: "Not JSON",
    429: "More requests than agreed on; `Retry-After` says when to try again",
    500: "Our fault",
    502: "There is no answer to this request; a new one may have one",
    503: "No answer in time; try again",
}
_OF_ALL = (400, 403, 429, 500, 503)
_OF_BODIES = (413, 415)


def openapi_json() -> str:
    """The text of `docs/openapi.json`."""
    return json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n"


def openapi_document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS.values():
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Manga enrichment",
            "version": API_VERSION,
            "description": (
                "A POST waits for the answer, 10 seconds for a question or chat and not at all for a batch, unless "
                "`Prefer` says otherwise; when the time is over, or at once, it gives a request_id, whose status can "
                "be asked for; `callback_url` of a batch hears of the end. All answers are JSON; new fields may come."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "https://{api}", "variables": {"api": {"default": "api.example"}}}],
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": _schemas(),
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    statuses = {*endpoint.statuses, *_OF_ALL, *(_OF_BODIES if endpoint.schema else ())}
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "description": words, "schema": {"type": "string"}}
                for name, words in endpoint.path_parameters.items()
            ),
            *(_HEADERS if endpoint.schema else ()),
        ],
        "responses": {str(status): _response(status, endpoint) for status in sorted(statuses)},
    }
    if endpoint.schema is not None:
        content = {"schema": _reference(model_name(endpoint.schema)), "example": _EXAMPLES[endpoint.schema]}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _response(status: int, endpoint: Endpoint) -> dict[str, Any]:
    name = {200: "Answered" if endpoint.schema else "RequestStatus", 202: "Accepted"}.get(status, "Error")
    response: dict[str, Any] = {
        "description": _WORDS[status],
        "content": {"application/json": {"schema": _reference(name)}},
    }
    if status == 429:
        response["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    return response


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    requests = {
        model_name(schema): {name: value for name, value in schema_document(schema).items() if name != "$schema"}
        for schema in REQUEST_SCHEMAS
    }
    answers = {"Accepted": _ACCEPTED, "Answered": _ANSWERED, "RequestStatus": _STATUS, "Error": _error()}
    return {**requests, **answers}


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
_HEADERS = (
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and body within 24 hours are the same request.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N`: answer within N seconds, up to 25, else 202. `respond-async`: 202 at once.",
        "schema": {"type": "string", "examples": ["wait=20", "respond-async"]},
    },
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
                "tokens": _object({"input": {"type": "integer"}, "output": {"type": "integer"}}),
                "reference": _REFERENCE,
                "results_path": _RESULTS_PATH,
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


def _error() -> dict[str, Any]:
    codes = sorted({answer.code for answer in GATEWAY_ANSWERS.values()} | WORKFLOW_CODES)
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
