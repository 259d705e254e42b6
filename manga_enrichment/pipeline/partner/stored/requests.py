"""Accepted requests as stored: the normalised body and what a later delivery of the same request needs.

Belongs here: writing and reading `fm-requests/`, and the message that says the same again. Stays out: validation.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from manga_enrichment.domain.requests.reading.envelope import AcceptedRequest
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import request_body_key


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """body is normalised. attributes: those of the message it came with. warnings: of its validation, as documents."""

    request_id: str
    partner_id: str
    schema: str
    schema_version: int
    submitted_at: datetime
    source: str
    body: Mapping[str, Any]
    attributes: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[Mapping[str, Any]] = ()

    def message_body(self) -> str:
        """The envelope, to be sent again."""
        return json.dumps(
            {
                "schema": self.schema,
                "schema_version": self.schema_version,
                "request_id": self.request_id,
                "partner_id": self.partner_id,
                "submitted_at": self.submitted_at.isoformat().replace("+00:00", "Z"),
                "source": self.source,
                "body": dict(self.body),
            }
        )

    @property
    def callback_url(self) -> str:
        """Of a quote none: it has the body of the batch that may follow."""
        return "" if self.schema == QUOTE else str(self.body.get("callback_url", ""))

    @property
    def topic_arn(self) -> str:
        return "" if self.schema == QUOTE else str(self.body.get("notification", {}).get("sns_topic_arn", ""))

    @property
    def email(self) -> str:
        return str(self.body.get("notification", {}).get("email", ""))


class StoredRequests:
    """Requests as stored, each read once: what this process knows it can send again while S3 is away."""

    def __init__(self, tables: ObjectStore) -> None:
        self._tables = tables
        self._known: dict[str, StoredRequest] = {}

    def read(self, key: str) -> StoredRequest:
        """Raises LookupError when the object is gone."""
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = read_stored_request(self._tables, key)
        return found

    def write(self, accepted: AcceptedRequest, attributes: Mapping[str, str]) -> None:
        """Store an accepted request. Storing it again changes nothing."""
        stored = stored_request(accepted, attributes)
        write_request(self._tables, stored)
        self._known[request_body_key(stored.request_id)] = stored

    def forget(self, key: str) -> None:
        """Nobody here works at it any more."""
        self._known.pop(key, None)

    def known(self, key: str) -> StoredRequest | None:
        """Without looking into the bucket."""
        return self._known.get(key)


def stored_request(accepted: AcceptedRequest, attributes: Mapping[str, str]) -> StoredRequest:
    envelope = accepted.envelope
    return StoredRequest(
        request_id=envelope.request_id,
        partner_id=envelope.partner_id,
        schema=envelope.schema,
        schema_version=envelope.schema_version,
        submitted_at=envelope.submitted_at,
        source=envelope.source,
        body=accepted.body,
        attributes=dict(attributes),
        warnings=[each.to_document() for each in accepted.result.warnings],
    )


def write_request(tables: ObjectStore, request: StoredRequest) -> None:
    document = {**asdict(request), "submitted_at": request.submitted_at.isoformat()}
    tables.write_json(request_body_key(request.request_id), document)


def read_stored_request(tables: ObjectStore, key: str) -> StoredRequest:
    """Raises LookupError when the object is gone."""
    document = tables.read_json(key)
    if document is None:
        raise LookupError(f"there is no request at {tables.uri(key)}")
    return StoredRequest(**{**document, "submitted_at": datetime.fromisoformat(document["submitted_at"])})
