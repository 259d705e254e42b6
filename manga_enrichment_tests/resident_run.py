"""A resident run in memory: that of production, on a world's gateways and clock.

Belongs here: its parts from a world. Stays out: gateways, units, being killed (`partner_world.py`).
"""

import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from manga_enrichment.pipeline.partner.ending.settle import Settling
from manga_enrichment.pipeline.partner.holding.requeue import INTERRUPTED_DELAY_SECONDS
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.resident.parts import Post, ResidentParts, ResidentSettings
from manga_enrichment.pipeline.resident.recent_tables import RecentTables
from manga_enrichment.pipeline.resident.report import ResidentReport
from manga_enrichment.pipeline.resident.resident_run import ResidentRun
from manga_enrichment.pipeline.store.flusher import Flusher

if TYPE_CHECKING:
    from manga_enrichment_tests.partner_world import PartnerWorld

BRIEF = ResidentSettings(life=timedelta(seconds=5))


def live(
    world: "PartnerWorld",
    queues: Sequence[str],
    *,
    run_id: str = "resident-run",
    settings: ResidentSettings = BRIEF,
    slot: int = 0,
    epoch: int | None = None,
    stop: threading.Event | None = None,
) -> ResidentReport:
    """A run from its first poll to its end. epoch: the next one of the slot, if none is given."""
    known = [each.epoch for each in world.residents.residents("lane", slot + 1) if each.slot == slot]
    post = Post("lane", slot, epoch or max([0, *known]) + 1, run_id)
    return ResidentRun(parts_of(world, settings), post, queues, stop or threading.Event()).run()


def parts_of(world: "PartnerWorld", settings: ResidentSettings) -> ResidentParts:
    def settling(stored: StoredRequests, flusher: Flusher, is_ending: bool) -> Settling:
        made = world.settle_limits
        if is_ending:
            world.settle_limits = replace(made, deferral_seconds=INTERRUPTED_DELAY_SECONDS)
        try:
            return world.settling(stored, flusher=flusher)
        finally:
            world.settle_limits = made

    return ResidentParts(
        queue=world.mortal(world.queue),
        requests=world.mortal(world.requests),
        tables=world.tables,
        residents=world.residents,
        clock=world.clock,
        rng=random.Random(1),
        invoke=world.invoke_gateways(),
        invoke_settings=world.invoke_settings(),
        planning=world.planning(RecentTables(world.tables, world.clock)),
        asking=world.asking(),
        intake=world.intake,
        settling=settling,
        new_owner=world.new_owner,
        settings=settings,
    )
