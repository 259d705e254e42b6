"""Looking at all queues at once, without touching a message.

Belongs here: the look. Stays out: keeping it (`stored_looks.py`), what is worrying
(`domain/operations/queue_observations.py`), which runs are in flight (Dagster knows, `defs/shared/run_facts.py`), what
dead letters are (`pipeline/dead_letters/queue.py`).

No message is received to learn its age: a receive counts towards the three after which SQS dead-letters it. What SQS
itself says through CloudWatch comes first. Where it says nothing (the local stack, a queue long unused), live runs know
since when the requests they hold were in the queue, which is a lower bound; else the age is unknown.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from manga_enrichment.domain.operations.queue_observations import AgeSource, QueueObservation
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import MetricsUnavailableError
from manga_enrichment.gateways.metrics import QueueAges
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import QueueDepth, RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.scaling import visible_per_run
from manga_enrichment.pipeline.partner.stored.units import read_unit
from manga_enrichment.pipeline.partner.work_units import UnitRequest

_WORKED_AT = frozenset({RequestState.RECEIVED, RequestState.QUEUED, RequestState.PROCESSING})
"""A deferred request is a new message, with an age of its own."""

_log = logging.getLogger(__name__)


class QueueWatch:
    """All queues of the project."""

    def __init__(
        self, *, queues: RequestQueue, ages: QueueAges, requests: RequestStore, tables: ObjectStore, clock: Clock
    ) -> None:
        self._queues = queues
        self._ages = ages
        self._requests = requests
        self._tables = tables
        self._clock = clock

    def look(self, units_in_flight: Mapping[str, Sequence[str]]) -> list[QueueObservation]:
        """One observation per queue. units_in_flight: by queue the keys of the units whose runs have not ended.

        Raises QueueUnavailableError; ConfigurationError when a queue is missing.
        """
        now, ages = self._clock.now(), self._known_ages()
        seen = []
        for name in QUEUES:
            depth, units = self._queues.depth(name), units_in_flight.get(name, ())
            held = self._held(name, units)
            seconds, source = self._age(name, depth, held, ages, now)
            takes_requests = QUEUES[name].dead_letters is not None
            seen.append(
                QueueObservation(
                    observed_at=now,
                    queue=name,
                    visible=depth.visible,
                    in_flight=depth.in_flight,
                    delayed=depth.delayed,
                    oldest_age_source=source,
                    oldest_age_seconds=seconds,
                    runs_in_flight=len(units) if takes_requests else None,
                    held=len(held) if takes_requests else None,
                    backlog_per_run=visible_per_run(depth, len(units)) if takes_requests else None,
                )
            )
        return seen

    def _known_ages(self) -> dict[str, float]:
        try:
            return self._ages.oldest_age_seconds(list(QUEUES))
        except MetricsUnavailableError as error:
            _log.warning("ages of messages are not known: %s", error)
            return {}

    def _held(self, queue: str, units: Iterable[str]) -> list[UnitRequest]:
        """Requests of live runs; a unit whose file is gone holds none."""
        held: list[UnitRequest] = []
        for key in units:
            try:
                held += (each for each in read_unit(self._tables, key).requests if each.queue == queue)
            except LookupError:
                continue
        return held

    def _age(
        self, queue: str, depth: QueueDepth, held: Sequence[UnitRequest], ages: Mapping[str, float], now: datetime
    ) -> tuple[float | None, AgeSource]:
        if depth.visible + depth.in_flight + depth.delayed == 0:
            return None, AgeSource.EMPTY
        if queue in ages:
            return ages[queue], AgeSource.CLOUDWATCH
        for request in sorted(held, key=lambda each: each.sent_at):
            row = self._requests.get(request.request_id)
            if row is not None and row.generation == request.generation and row.state in _WORKED_AT:
                return max(0.0, (now - request.sent_at).total_seconds()), AgeSource.AT_LEAST
        return None, AgeSource.UNKNOWN
