"""The OpenAPI 3.1 document for partners, generated from the tables and documents that the API itself is made of.

Belongs here: paths, answers, examples in OpenAPI's words. Stays out: the request documents (`domain/requests/*.json`),
which are put in as they are: OpenAPI 3.1 takes JSON Schema.
"""

import json
from collections.abc import Mapping
from typing import Any

from manga_enrichment.api.endpoints import ENDPOINTS, Endpoint
from manga_enrichment.api.models import model_name
from manga_enrichment.api.openapi.answers import answer_schemas
from manga_enrichment.api.openapi.callbacks import callback_schemas, webhooks
from manga_enrichment.api.openapi.examples import CALLBACK_EXAMPLE, EXAMPLES, POSTS, error_example
from manga_enrichment.api.openapi.parts import ref
from manga_enrichment.api.openapi.results import result_schemas
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.requests.schemas import REQUEST_SCHEMAS, schema_document

API_VERSION = "1.0.0"

_EXAMPLE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
_ID_OF_REQUEST = {"type": "string", "format": "uuid", "examples": [_EXAMPLE_ID]}
_EXAMPLES: dict[str, Any] = {
    "batch_analysis": {
        "items": [{"manga_id": "MNG-C4G0F4AW", "analysis_type": "full_enrichment", "reference": "shelf 3"}],
        "reference": "import 7",
        "priority": "normal",
        "callback_url": "https://partner.example/manga",
    },
    "manga_query": {"query": "静かな日常を描いた漫画を教えて", "conversation_id": _EXAMPLE_ID, "language": "ja"},
    "streaming_chat": {"messages": [{"role": "user", "content": "Which series is like Yotsuba?"}]},
}
_TAGS = {
    "requests": "Batches of titles, and what has become of any request.",
    "conversations": "Questions and chats, answered by the call that asks.",
    "account": "What you used and spent.",
    "callbacks": "What your server hears of the end of a request.",
}
_TAG_OF = {"query": "conversations", "chat": "conversations", "usage": "account"}
_WORDS = {
    200: "Answered",
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
_ANSWERS = {200: "Answered", 202: "Accepted"}
_OWN_WORDS = {
    ("status", 200): ("What has become of the request", "RequestStatus"),
    ("list", 200): ("A page of your requests", "RequestList"),
    ("cancel", 202): ("Marked: nothing more is asked for it", "Cancelled"),
    ("cancel", 409): ("It has ended by itself", "Error"),
    ("usage", 200): ("What your counters say of the month", "MonthlyUsage"),
    ("results", 200): ("The result document", "RequestResult"),
    ("results", 404): ("No request of yours has this id and a result", "Error"),
    ("list", 400): ("Wrong parameters", "Error"),
    ("usage", 400): ("Wrong parameters", "Error"),
    **{(name, 404): ("The request of this Idempotency-Key was deleted", "Error") for name in POSTS},
}
"""By endpoint and status: words and schema, where they are not those of all."""
_OF_ALL = (400, 403, 429, 500, 503)
_OF_BODIES = (413, 415)
_QUERY: dict[str, dict[str, Any]] = {
    "limit": {"schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "example": 50},
    "after": {"schema": {"type": "string"}, "example": _EXAMPLE_ID},
    "submitted_at": {"schema": {"type": "string"}, "example": "2026-11-28T12:00:00.000000+00:00"},
    "month": {"schema": {"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"}, "example": "2026-11"},
}
"""Parameters by name; words are the endpoint's."""


def openapi_json(analyses: Mapping[str, AnalysisType]) -> str:
    """The text of `docs/openapi.json`. analyses: what a batch may ask for."""
    return json.dumps(openapi_document(analyses), indent=2, ensure_ascii=False) + "\n"


def openapi_document(analyses: Mapping[str, AnalysisType]) -> dict[str, Any]:
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
                "`Prefer` says otherwise; when the time is over, or at once, it gives a request_id, whose status and "
                "results can be asked for; `callback_url` hears of the end. All answers are JSON; new fields may come. "
                "A request may have 256 KB and 100 items, an answer 10 MB; how many requests a second, at once and a "
                "day is agreed on (10, 20 and 20,000 unless it is): above that is a 429. What your caps of money do "
                "not leave room for waits as `deferred`."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "https://{api}", "variables": {"api": {"default": "api.example"}}}],
        "security": [{"apiKey": []}],
        "tags": [{"name": name, "description": words} for name, words in _TAGS.items()],
        "paths": paths,
        "webhooks": webhooks(CALLBACK_EXAMPLE),
        "components": {
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": _schemas(analyses),
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    statuses = {*endpoint.statuses, *_OF_ALL, *(_OF_BODIES if endpoint.schema else ())}
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [_TAG_OF.get(endpoint.name, "requests")],
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "description": words, "schema": _ID_OF_REQUEST}
                for name, words in endpoint.path_parameters.items()
            ),
            *(
                {"name": name, "in": "query", "required": False, "description": words, **_QUERY[name]}
                for name, words in endpoint.query_parameters.items()
            ),
            *(_HEADERS if endpoint.schema else ()),
        ],
        "responses": {str(status): _response(status, endpoint) for status in sorted(statuses)},
    }
    if endpoint.schema is not None:
        content = {"schema": ref(model_name(endpoint.schema)), "example": _EXAMPLES[endpoint.schema]}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _response(status: int, endpoint: Endpoint) -> dict[str, Any]:
    words, name = _OWN_WORDS.get((endpoint.name, status), (_WORDS[status], _ANSWERS.get(status, "Error")))
    key = (endpoint.name, status)
    example = error_example(*key) if name == "Error" else EXAMPLES[key]
    response: dict[str, Any] = {
        "description": words,
        "content": {"application/json": {"schema": ref(name), "example": example}},
    }
    if status in (429, 503):
        response["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    if endpoint.schema is not None and status in (200, 202):
        applied = {"description": "The `Prefer` that was followed, if one was sent.", "schema": {"type": "string"}}
        response["headers"] = {"Preference-Applied": applied}
    return response


def _schemas(analyses: Mapping[str, AnalysisType]) -> dict[str, Any]:
    documents = {each: schema_document(each, tuple(analyses)) for each in REQUEST_SCHEMAS}
    requests = {
        model_name(each): {name: value for name, value in document.items() if name != "$schema"}
        for each, document in documents.items()
    }
    return {**requests, **answer_schemas(), **result_schemas(analyses.values()), **callback_schemas()}


_HEADERS = (
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and body within 24 hours are the same request.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "example": "import-2026-11-28-part-1",
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N`: answer within N seconds, up to 25, else 202. `respond-async`: 202 at once.",
        "schema": {"type": "string", "examples": ["wait=20", "respond-async"]},
    },
)
