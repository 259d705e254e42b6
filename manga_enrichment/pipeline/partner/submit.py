"""Submitting a request as API Gateway does: body into an envelope, envelope into the queue that it belongs to.

Belongs here: the message of a request. Stays out: who may submit what (API Gateway knows partners by their keys).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from manga_enrichment.domain.requests.problems import Problem
from manga_enrichment.domain.requests.queues import NORMAL, Route, route
from manga_enrichment.domain.requests.schemas import SCHEMA_VERSION
from manga_enrichment.domain.requests.validation import ANY_TOPIC, RequestPolicy, ValidationResult, validate
from manga_enrichment.gateways.queue import RequestQueue


@dataclass(frozen=True, slots=True)
class Submitted:
    """Where a request went, and what is odd about it though accepted."""

    route: Route
    warnings: tuple[Problem, ...]


class InvalidRequestError(ValueError):
    """The body breaks the rules; nothing was sent."""

    def __init__(self, result: ValidationResult) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in result.errors))
        self.result = result


def submit(
    queue: RequestQueue,
    schema: str,
    body: Any,
    *,
    partner_id: str,
    request_id: str,
    now: datetime,
    check: bool = True,
    policy: RequestPolicy = ANY_TOPIC,
    source: str = "cli",
) -> Submitted:
    """Send one request.

    check: False sends a body that the worker will reject. Raises InvalidRequestError, QueueUnavailableError.
    """
    result = validate(schema, body, policy, partner_id=partner_id)
    if check and result.errors:
        raise InvalidRequestError(result)
    envelope = {
        "schema": schema,
        "schema_version": SCHEMA_VERSION,
        "request_id": request_id,
        "partner_id": partner_id,
        "submitted_at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "source": source,
        "body": body,
    }
    return Submitted(_send(queue, envelope, result.normalized_body), result.warnings)


def _send(queue: RequestQueue, envelope: Mapping[str, Any], normalized: Mapping[str, Any] | None) -> Route:
    where = _route(envelope["schema"], normalized, envelope["partner_id"], envelope["request_id"])
    group, deduplication = where.message_group_id, where.deduplication_id or ""
    queue.send(where.queue.name, json.dumps(envelope), group_id=group, deduplication_id=deduplication)
    return where


def _route(schema: str, body: Mapping[str, Any] | None, partner_id: str, request_id: str) -> Route:
    """A body that was not accepted has no priority and no session that could be trusted."""
    if body is not None:
        return route(schema, body, partner_id=partner_id, request_id=request_id)
    return Route(NORMAL, partner_id, None)
