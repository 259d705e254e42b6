"""What a resident run is made of: gateways, use cases, settings, each made by whoever knows them.

Belongs here: the list. Stays out: making them (`defs/partner/resident_job.py`, and the tests), using them
(`resident_run.py`).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW, Clock
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.gateways.residents import ResidentTable
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings
from manga_enrichment.pipeline.partner.ask import PartnerAsking
from manga_enrichment.pipeline.partner.ending.settle import Settling
from manga_enrichment.pipeline.partner.intake import Claimant, Intake
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.resident.room import RoomLimits
from manga_enrichment.pipeline.store.flusher import Flusher


@dataclass(frozen=True, slots=True)
class Post:
    """The place of one run: the epoch fences it from earlier and later ones of the same slot."""

    lane: str
    slot: int
    epoch: int
    run_id: str


@dataclass(frozen=True, slots=True)
class ResidentSettings:
    """life: until nothing is received any more. finish_seconds: for what is open then, before nothing new is asked.

    grace_seconds: for calls at the model after that. deferral_seconds: until what a store was away from comes again.
    """

    life: timedelta = timedelta(minutes=15)
    finish_seconds: float = 60.0
    grace_seconds: float = 20.0
    deferral_seconds: int = 300
    clock_skew: timedelta = MOST_CLOCK_SKEW
    room: RoomLimits = field(default_factory=RoomLimits)


@dataclass(frozen=True, slots=True)
class ResidentParts:
    """settling: of requests read into the given store, by the given flusher; the last argument says whether this
    process is to end."""

    queue: RequestQueue
    requests: RequestStore
    tables: ObjectStore
    residents: ResidentTable
    clock: Clock
    rng: random.Random
    invoke: InvokeGateways
    invoke_settings: InvokeSettings
    planning: PartnerPlanning
    asking: PartnerAsking
    intake: Callable[[Claimant], Intake]
    settling: Callable[[StoredRequests, Flusher, bool], Settling]
    new_owner: Callable[[], str]
    settings: ResidentSettings
