"""What schemas of answers are made of: the parts that several share, by a name that generators of clients take over.

Belongs here: parts of more than one answer, and how schemas are written. Stays out: answers (`answers.py`,
`results.py`).
"""

from typing import Any


def ref(name: str, **more: Any) -> dict[str, Any]:
    """A schema of the document by its name. more: keywords beside it, as JSON Schema 2020-12 allows."""
    return {"$ref": f"#/components/schemas/{name}", **more}


def obj(properties: dict[str, Any], *, optional: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """An object with all of these, but for the optional ones; it may have others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


def said(kind: str | list[str], description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "description": description, **more}


def or_null(kind: str, description: str) -> dict[str, Any]:
    return said([kind, "null"], description)


def enum(values: Any, **more: Any) -> dict[str, Any]:
    """values: texts."""
    return {"type": "string", "enum": [str(each) for each in values], **more}


def array(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def time(description: str) -> dict[str, Any]:
    return said("string", description, format="date-time")


def success(data: dict[str, Any]) -> dict[str, Any]:
    """What an answer with these data looks like."""
    return obj({"success": {"type": "boolean", "const": True}, "data": data, "metadata": ref("Metadata")})


REQUEST_ID = said("string", "Ask for the status with it; callbacks and results carry it.", format="uuid")
REFERENCE = or_null("string", "Your own name of the request.")
STATUS_PATH = said("string", "Path of the status, after the address of the API.")
RESULTS_PATH = or_null("string", "Path of the result document, after the address of the API, once there is one.")
RESUMES_ON = or_null("string", "UTC day on which a deferred request goes on, where a cap of yours was reached.")

PARTS = {
    "Metadata": obj(
        {
            "request_id": said("string", "Of this call; say it when you ask us about it."),
            "timestamp": said("integer", "Milliseconds since 1970."),
            "latency_ms": said("integer", "From the call to its answer."),
        },
        optional=("timestamp", "latency_ms"),
    ),
    "Problem": obj(
        {
            "path": said("string", "Place in the body, such as items.3.manga_id; $ is all of it."),
            "code": said("string", "Kind of fault, for programs."),
            "validator": said("string", "What found it."),
            "message": said("string", "For people."),
        },
        description="One thing that is wrong, or that has no effect, with its place.",
    ),
    "Counts": said(
        "object", "Items, and how many of them came to which outcome.", additionalProperties={"type": "integer"}
    ),
    "Tokens": obj({"input": {"type": "integer"}, "output": {"type": "integer"}}),
    "ItemError": obj(
        {"class": said("string", "For programs."), "message": or_null("string", "For people.")},
        description="Why there is no answer.",
    ),
}
