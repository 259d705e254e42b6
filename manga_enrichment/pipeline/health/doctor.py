"""A look at everything that a night and the partners need, before they need it. Changes nothing, asks no model.

Belongs here: what is tried. Stays out: how it is shown (`cli/doctor.py`), what a setting switches off
(`domain/operations/switches.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.catalog_source import CatalogSource
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.gateways.senders import SenderTable
from manga_enrichment.pipeline.store.object_keys import catalog_state_key

_NOBODY = "nobody"
"""A key under which there is nothing: it is the answer that counts."""


class Patient(Protocol):
    """What is looked at."""

    @property
    def clock(self) -> Clock: ...
    @property
    def tables(self) -> ObjectStore: ...
    @property
    def catalog_source(self) -> CatalogSource: ...
    @property
    def ledger(self) -> ResultLedger: ...
    @property
    def budget(self) -> BudgetStore: ...
    @property
    def senders(self) -> SenderTable: ...
    @property
    def requests(self) -> RequestStore: ...
    @property
    def outbox(self) -> OutboxStore: ...
    @property
    def queues(self) -> RequestQueue: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """broken: one sentence; "" where it answers."""

    subject: str
    broken: str = ""


def _depth(queue: str, patient: Patient) -> object:
    return patient.queues.depth(queue)


_LOOKS: tuple[tuple[str, Callable[[Patient], object]], ...] = (
    ("catalog", lambda patient: patient.catalog_source.version()),
    ("results bucket", lambda patient: patient.tables.read_json(catalog_state_key())),
    ("ledger table", lambda patient: patient.ledger.get_many([_NOBODY])),
    ("budget table", lambda patient: patient.budget.brake()),
    ("senders table", lambda patient: patient.senders.read(_NOBODY)),
    ("status table", lambda patient: patient.requests.get(_NOBODY)),
    ("outbox table", lambda patient: patient.outbox.due(patient.clock.now(), 1)),
    *((f"queue {queue}", partial(_depth, queue)) for queue in QUEUES),
)
"""In the order in which a night needs them, then what partners need."""


def examine(patient: Patient) -> Iterator[Finding]:
    """One finding for everything that is needed, whatever is broken before it."""
    for subject, look in _LOOKS:
        try:
            look(patient)
        except (ConfigurationError, StoreUnavailableError, QueueUnavailableError) as error:
            yield Finding(subject, str(error))
        else:
            yield Finding(subject)
