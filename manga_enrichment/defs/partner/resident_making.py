"""Making what a resident run is made of, from the project's settings and gateways.

Belongs here: the resource `resident` of its job. Stays out: the job (`resident_job.py`), the parts themselves
(`pipeline/resident/parts.py`).
"""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import dagster as dg

from manga_enrichment.defs.partner.ops import partner_endings
from manga_enrichment.defs.partner.settings import (
    clock_skew,
    notification_policy,
    sensor_settings,
    settle_limits,
)
from manga_enrichment.defs.shared.inputs import DefinitionInputs
from manga_enrichment.defs.shared.pipeline_settings import invoke_settings
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.gateways.residents import ResidentTable
from manga_enrichment.pipeline.candidates.open_index import OpenIndex
from manga_enrichment.pipeline.engine.invocation import InvokeGateways
from manga_enrichment.pipeline.partner.ask import PartnerAsking
from manga_enrichment.pipeline.partner.ending.settle import Settling
from manga_enrichment.pipeline.partner.holding.requeue import INTERRUPTED_DELAY_SECONDS, Requeue
from manga_enrichment.pipeline.partner.intake import Claimant, Intake
from manga_enrichment.pipeline.partner.live_policies import LivePolicies
from manga_enrichment.pipeline.partner.plan_run import PartnerPlanning
from manga_enrichment.pipeline.partner.shelf import Shelf
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.resident.parts import ResidentParts, ResidentSettings
from manga_enrichment.pipeline.resident.recent_tables import RecentTables
from manga_enrichment.pipeline.resident.room import RoomLimits
from manga_enrichment.pipeline.resident.shared_reads import SharedReads
from manga_enrichment.pipeline.store.flusher import Flusher
from manga_enrichment.settings import partner_policies


class ResidentMaking:
    """Gateways and settings of this process."""

    def __init__(
        self,
        queues: RequestQueue,
        requests: RequestStore,
        residents: ResidentTable,
        tables: ObjectStore,
        outbox: OutboxStore,
        invoke: InvokeGateways,
        inputs: DefinitionInputs,
    ) -> None:
        self._queues = queues
        self._requests = requests
        self._residents = residents
        self._tables = tables
        self._invoke = invoke
        self._inputs = inputs
        policy = notification_policy(inputs.settings)
        self._endings = partner_endings(queues, requests, tables, invoke.ledger, outbox, invoke.clock, policy)

    def parts(self, lane: str, life_seconds: float) -> ResidentParts:
        """lane: one of those with a weight."""
        inputs, tables, invoke = self._inputs, self._tables, self._invoke
        policies = LivePolicies(partner_policies(inputs.settings), self._requests, invoke.clock)
        settings = replace(invoke_settings(inputs.settings, lane), policies=policies)
        recent = RecentTables(tables, invoke.clock)
        own: Any = {"tables": tables, "analyses": inputs.for_partners, "models": inputs.models}
        return ResidentParts(
            queue=self._queues,
            requests=self._requests,
            tables=tables,
            residents=self._residents,
            clock=invoke.clock,
            rng=random.Random(),  # noqa: S311
            invoke=invoke,
            invoke_settings=settings,
            planning=PartnerPlanning(
                ledger=SharedReads(invoke.ledger),
                bucket_count=inputs.settings.catalog_buckets,
                catalog=recent,
                recall=recent.recall,
                shelf=Shelf(tables, OpenIndex(tables, invoke.clock).asking, inputs.settings.catalog_buckets),
                **own,
            ),
            asking=PartnerAsking(gateways=invoke, settings=settings, **own),
            intake=self._intake,
            settling=self._settling,
            new_owner=lambda: uuid4().hex,
            settings=self._settings(life_seconds),
        )

    def _settings(self, life_seconds: float) -> ResidentSettings:
        settings = self._inputs.settings
        return ResidentSettings(
            life=timedelta(seconds=life_seconds or settings.resident_life_seconds),
            grace_seconds=settings.grace_seconds,
            deferral_seconds=settings.deferral_seconds,
            clock_skew=clock_skew(settings),
            room=RoomLimits(calls=settings.resident_calls),
        )

    def _intake(self, claimant: Claimant) -> Intake:
        limits = sensor_settings(self._inputs)
        return Intake(
            queue=self._queues,
            requests=self._requests,
            tables=self._tables,
            clock=self._invoke.clock,
            endings=self._endings,
            policy=limits.policy,
            limits=limits.limits,
            claimant=claimant,
        )

    def _settling(self, stored: StoredRequests, flusher: Flusher, is_ending: bool) -> Settling:
        limits = settle_limits(self._inputs.settings)
        if is_ending:
            limits = replace(limits, deferral_seconds=INTERRUPTED_DELAY_SECONDS)
        return Settling(
            requests=self._requests,
            tables=self._tables,
            clock=self._invoke.clock,
            endings=self._endings,
            releasing=Requeue(self._queues, self._requests, self._tables, self._invoke.clock, stored),
            stored=stored,
            limits=limits,
            flusher=flusher,
        )


def build_resident_making(inputs: DefinitionInputs) -> dg.ResourceDefinition:
    @dg.resource(
        required_resource_keys={
            *("queues", "requests", "residents", "tables", "outbox"),
            *("ledger", "budget", "senders", "open_model", "clock"),
        },
        description="What a resident run is made of.",
    )
    def resident(context: dg.InitResourceContext) -> ResidentMaking:
        given: Any = context.resources
        invoke = InvokeGateways(given.ledger, given.budget, given.senders, given.open_model, given.clock)
        return ResidentMaking(given.queues, given.requests, given.residents, given.tables, given.outbox, invoke, inputs)

    return resident
