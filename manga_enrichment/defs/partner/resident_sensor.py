"""The sensor that keeps resident runs: as many for each lane as its backlog is worth, and a successor for each.

Belongs here: reading rows, asking Dagster and SQS, RunRequests. Stays out: deciding (`pipeline/resident/roster.py`).

While no resident is busy no queue is asked for its depth: each look is a request to SQS that an idle lane pays for.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from manga_enrichment.defs.partner.resident_job import RESIDENT_JOB, PostConfig
from manga_enrichment.defs.shared.run_facts import IN_FLIGHT, WAITING
from manga_enrichment.defs.shared.tags import PRIORITY_TAG, RESIDENT_SLOT_TAG, RESIDENT_TAG
from manga_enrichment.domain.requests.queues import RESIDENT_LANES
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.residents import Resident, ResidentTable
from manga_enrichment.pipeline.partner.scaling import BacklogRule
from manga_enrichment.pipeline.resident.roster import Roster, surplus

RESIDENTS_SENSOR = "partner_residents"
INTERVAL_SECONDS = 5
START_SECONDS = 60.0
"""A run that has begun takes its slot within seconds; one that has not by then is gone."""
_PRIORITY = "10"


def build_resident_sensor(backlog: BacklogRule) -> dg.SensorDefinition:
    """Running by default."""

    @dg.sensor(
        name=RESIDENTS_SENSOR,
        job_name=RESIDENT_JOB,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keep runs that receive urgent batches and conversations; a run that shows no life is followed.",
    )
    def partner_residents(
        context: dg.SensorEvaluationContext,
        queues: dg.ResourceParam[RequestQueue],
        residents: dg.ResourceParam[ResidentTable],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        looks = _Looks(context, queues, residents, clock, backlog)
        launches = [each for lane in RESIDENT_LANES for each in looks.look(lane)]
        reason = None if launches else dg.SkipReason("; ".join(looks.said))
        return dg.SensorResult(run_requests=launches, skip_reason=reason, cursor=json.dumps(looks.cursor))

    return partner_residents


class _Looks:
    """One tick. cursor: by lane what is known of it."""

    def __init__(
        self,
        context: dg.SensorEvaluationContext,
        queues: RequestQueue,
        residents: ResidentTable,
        clock: Clock,
        backlog: BacklogRule,
    ) -> None:
        self._context = context
        self._queues = queues
        self._residents = residents
        self._clock = clock
        self._backlog = backlog
        self.cursor: dict[str, Any] = json.loads(context.cursor or "{}")
        self.said: list[str] = []

    def look(self, lane: str) -> list[dg.RunRequest]:
        """The runs to launch for a lane."""
        known = Roster.from_document(self.cursor[lane]) if lane in self.cursor else Roster()
        try:
            rows = self._residents.residents(lane, max(known.wanted, len(known.seen)))
            roster = known.scaled(self._right_number(lane, rows, known), self._clock.now())
            for row in surplus(roster, rows):
                self._residents.put(replace(row, epoch=row.epoch + 1, run_id="", has_left=True))
        except (StoreUnavailableError, QueueUnavailableError) as error:
            self._context.log.warning(f"{lane}: {error}")
            self.said.append(f"{lane}: {error}")
            return []

        def is_coming(slot: int, epoch: int) -> bool:
            return self._is_coming(lane, slot, epoch)

        roster, launches = roster.looked(rows, self._clock.now(), is_coming)
        self.cursor[lane] = roster.to_document()
        self.said.append(f"{lane}: {roster.wanted} wanted, {sum(not row.has_left for row in rows)} there")
        return [_run_request(lane, slot, epoch) for slot, epoch in launches]

    def _right_number(self, lane: str, rows: Sequence[Resident], known: Roster) -> int:
        if not any(row.is_busy and not row.has_left for row in rows):
            return 1
        depths = (self._queues.depth(queue.name) for queue in RESIDENT_LANES[lane])
        right = max(self._backlog.wanted_runs(depth) for depth in depths)
        return max(1, right, known.wanted if right >= known.wanted else 1)

    def _is_coming(self, lane: str, slot: int, epoch: int) -> bool:
        """Whether the run waits for its start, or has just begun."""
        tags = {RESIDENT_TAG: lane, RESIDENT_SLOT_TAG: f"{slot}:{epoch}"}
        records = self._context.instance.get_run_records(dg.RunsFilter(tags=tags, statuses=IN_FLIGHT), limit=1)
        if not records:
            return False
        is_waiting = records[0].dagster_run.status in WAITING
        return is_waiting or self._clock.now().timestamp() - (records[0].start_time or 0.0) < START_SECONDS


def _run_request(lane: str, slot: int, epoch: int) -> dg.RunRequest:
    post = PostConfig(lane=lane, slot=slot, epoch=epoch)
    return dg.RunRequest(
        run_key=f"{lane}:{slot}:{epoch}",
        run_config={"ops": {"answer_requests": {"config": post.model_dump()}}},
        tags={RESIDENT_TAG: lane, RESIDENT_SLOT_TAG: f"{slot}:{epoch}", PRIORITY_TAG: _PRIORITY},
    )
