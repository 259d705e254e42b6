"""Work units: claimed requests that one run works at, and the object that lists them.

Belongs here: what a run must know of its requests, how many fit together. Stays out: claiming (`intake.py`) and the
work itself (`run_steps.py`).

A run costs seconds of CPU, so small requests share one. The list lies on S3, not in tags: Dagster keeps those for ever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.store.object_keys import unit_key


@dataclass(frozen=True, slots=True)
class UnitRequest:
    """One claimed request. received_at: when SQS gave its message, which bounds its lease. sent_at: when SQS got it.

    titles: items of a batch, 1 for a conversation. cost_before_micro_usd: spent by earlier generations.
    """

    request_id: str
    generation: int
    owner: str
    partner_id: str
    schema: str
    queue: str
    message_id: str
    receipt_handle: str
    body_key: str
    submitted_at: datetime
    received_at: datetime
    sent_at: datetime
    group_id: str = ""
    receive_count: int = 1
    titles: int = 1
    cost_before_micro_usd: int = 0

    @property
    def visibility_seconds(self) -> int:
        return QUEUES[self.queue].visibility_seconds

    @property
    def is_last_delivery(self) -> bool:
        """SQS dead-letters it instead of delivering it once more."""
        max_receives = QUEUES[self.queue].max_receives
        return max_receives is not None and self.receive_count >= max_receives

    def with_handle_of(self, row: RequestRow) -> "UnitRequest":
        """The receipt handle may be newer in the row: a second delivery refreshes it."""
        return replace(self, queue=row.queue, message_id=row.message_id, receipt_handle=row.receipt_handle)


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """Requests of one queue for one run, in the order they were received."""

    queue: str
    requests: tuple[UnitRequest, ...]

    @property
    def key(self) -> str:
        """`request_id:generation` of the first request: never the same twice, since every claim raises it."""
        first = self.requests[0]
        return f"{first.request_id}:{first.generation}"

    @property
    def titles(self) -> int:
        return sum(request.titles for request in self.requests)


@dataclass(frozen=True, slots=True)
class UnitLimits:
    """What one run takes at most."""

    max_messages: int = 100
    max_titles: int = 500


class Packing:
    """Fills at most `units` units, in order. A request that was delivered for the last time gets one of its own:
    should it be what kills its run, the others do not go to the dead letters with it."""

    LARGEST_REQUEST_TITLES = 100

    def __init__(self, queue: str, units: int, limits: UnitLimits) -> None:
        self._queue = queue
        self._most_units = units
        self._limits = limits
        self._alone: list[UnitRequest] = []
        self._shared: list[list[UnitRequest]] = []

    def room(self) -> int:
        """How many more messages fit, whatever is in them."""
        unopened = self._most_units - len(self._shared) - len(self._alone)
        per_unit = self._fitting(0, 0)
        last = self._shared[-1] if self._shared else []
        rest = self._fitting(len(last), sum(each.titles for each in last)) if last else 0
        return max(0, unopened * per_unit + rest)

    def add(self, request: UnitRequest) -> None:
        if request.is_last_delivery:
            self._alone.append(request)
            return
        last = self._shared[-1] if self._shared else None
        titles = sum(each.titles for each in last) if last else 0
        limits = self._limits
        if last is None or len(last) >= limits.max_messages or titles + request.titles > limits.max_titles:
            self._shared.append([request])
        else:
            last.append(request)

    def units(self) -> list[WorkUnit]:
        groups = [*self._shared, *([request] for request in self._alone)]
        return [WorkUnit(self._queue, tuple(group)) for group in groups]

    def _fitting(self, messages: int, titles: int) -> int:
        by_titles = (self._limits.max_titles - titles) // self.LARGEST_REQUEST_TITLES
        return max(0 if messages else 1, min(self._limits.max_messages - messages, by_titles))


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


def request_ids(requests: Iterable[UnitRequest]) -> list[str]:
    return [request.request_id for request in requests]


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
