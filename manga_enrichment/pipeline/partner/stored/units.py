"""Work units as stored: the object that tells a run which requests are its own.

Belongs here: writing and reading units, and the document of one request. Stays out: what a unit is
(`pipeline/partner/work_units.py`).

The list lies on S3, not in tags: Dagster keeps those for ever.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.partner.work_units import UnitRequest, WorkUnit
from manga_enrichment.pipeline.store.object_keys import unit_key


def write_unit(tables: ObjectStore, unit: WorkUnit) -> None:
    tables.write_json(
        unit_key(unit.key), {"queue": unit.queue, "requests": [request_document(each) for each in unit.requests]}
    )


def read_unit(tables: ObjectStore, key: str) -> WorkUnit:
    """Raises LookupError when there is no such unit (any more)."""
    document = tables.read_json(unit_key(key))
    if document is None:
        raise LookupError(f"there is no work unit {key} at {tables.uri(unit_key(key))}")
    return WorkUnit(document["queue"], tuple(request_of(each) for each in document["requests"]))


def request_document(request: UnitRequest) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(request).items()
    }


def request_of(document: Mapping[str, Any]) -> UnitRequest:
    moments = {
        name: datetime.fromisoformat(document[name]).astimezone(UTC)
        for name in ("submitted_at", "received_at", "sent_at")
    }
    return UnitRequest(**{**document, **moments})
