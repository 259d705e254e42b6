"""The OpenAPI 3.1 document for partners, generated from the tables and documents that the API itself is made of.

Belongs here: paths, answers, examples in OpenAPI's words. Stays out: the request documents (`domain/requests/*.json`),
which are put in as they are: OpenAPI 3.1 takes JSON Schema.
"""

import json
from typing import Any

from manga_enrichment.api.endpoints import ENDPOINTS, Endpoint
from manga_enrichment.api.gateway_responses import GATEWAY_ANSWERS
from manga_enrichment.api.models import model_name
from manga_enrichment.domain.requests.schemas import ENVELOPE, REQUEST_SCHEMAS, schema_document
from manga_enrichment.domain.requests.states import RequestState

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
    202: "Accepted: the request is in its queue",
    400: "The request breaks the rules, or cannot be queued",
    403: "No API key, or not a valid one",
    404: "No request of yours has this id, or no worker has received it yet",
    413: "Larger than 1 MiB",
    415: "Not JSON",
    429: "More requests than agreed on; `Retry-After` says when to try again",
    500: "Our fault",
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
                "Requests are answered asynchronously: a POST gives a request_id, whose status can be asked for; "
                "`callback_url` of a batch hears of the end. All answers are JSON; new fields may come at any time."
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
            {"name": name, "in": "path", "required": True, "description": words, "schema": {"type": "string"}}
            for name, words in endpoint.path_parameters.items()
        ],
        "responses": {str(status): _response(status) for status in sorted(statuses)},
    }
    if endpoint.schema is not None:
        content = {"schema": _reference(model_name(endpoint.schema)), "example": _EXAMPLES[endpoint.schema]}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _response(status: int) -> dict[str, Any]:
    name = {200: "RequestStatus", 202: "Accepted"}.get(status, "Error")
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
    return {**requests, "Accepted": _ACCEPTED, "RequestStatus": _STATUS, "Error": _error()}


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
    },
    optional=("timestamp",),
)
_ACCEPTED = _object(
    {
        "success": {"const": True},
        "data": _object(
            {
                "request_id": {**_UUID, "description": "Ask for the status with it; callbacks and results carry it."},
                "status": {"const": "accepted"},
                "status_path": {"type": "string", "description": "Path of the status, after the address of the API."},
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
                "counts": {"type": "object", "additionalProperties": {"type": "integer"}, "description": "By outcome."},
                "cost_usd": {"type": "number"},
                "tokens": _object({"input": {"type": "integer"}, "output": {"type": "integer"}}),
                "result": _or_null("string", "Key of the result document, once there is one."),
                "callback": _or_null("string", "What became of the callback, if one was asked for."),
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
    codes = sorted({answer.code for answer in GATEWAY_ANSWERS.values()})
    return _object(
        {
            "success": {"const": False},
            "error": _object(
                {
                    "code": {"enum": codes},
                    "message": {"type": "string"},
                    "details": {"type": "string", "description": "What the validator found, for people."},
                    "retry_after_seconds": {"type": "integer"},
                },
                optional=("details", "retry_after_seconds"),
            ),
            "metadata": _METADATA,
        }
    )
