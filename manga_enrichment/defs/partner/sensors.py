"""The sensors that turn queue messages into runs: one for the standard queues, one for the FIFO queues.

Belongs here: how many runs may start, renewing what waits for its run, RunRequests. Stays out: what is done with a
message (`pipeline/partner/intake.py`).

What a sensor does before it returns is unprotected, so everything here can be cut anywhere: a claimed request whose run
never starts is delivered again. What Dagster does after it is not: it neither loses nor repeats a run.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import dagster as dg

from manga_enrichment.defs.partner.assets import PARTNER_JOB
from manga_enrichment.defs.partner.ops import partner_endings
from manga_enrichment.defs.partner.settings import SensorSettings
from manga_enrichment.defs.shared.names import PARTNER_RESULTS
from manga_enrichment.defs.shared.run_facts import IN_FLIGHT, WAITING
from manga_enrichment.defs.shared.tags import PRIORITY_TAG, QUEUE_TAG, UNIT_TAG
from manga_enrichment.domain.requests.queues import REQUEST_QUEUES, Queue
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.errors import QueueUnavailableError, StoreUnavailableError
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.outbox import OutboxStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.partner.holding.leases import Leases, first_lease_until
from manga_enrichment.pipeline.partner.intake import Claimant, Intake
from manga_enrichment.pipeline.partner.intake_report import IntakeReport
from manga_enrichment.pipeline.partner.scaling import BacklogRule
from manga_enrichment.pipeline.partner.stored.requests import StoredRequests
from manga_enrichment.pipeline.partner.stored.units import read_unit
from manga_enrichment.pipeline.partner.work_units import WorkUnit

TICK_SECONDS = 20.0
INTERVAL_SECONDS = 5

STANDARD = tuple(queue for queue in REQUEST_QUEUES if not queue.is_fifo)
ORDERED = tuple(queue for queue in REQUEST_QUEUES if queue.is_fifo)


def build_request_sensors(settings: SensorSettings, queues: Sequence[Queue]) -> list[dg.SensorDefinition]:
    """Running by default. Queues of a sensor are looked at in order, the most urgent first.

    queues: those whose requests get runs of their own; the others have runs that stay.
    """
    families = (
        ("partner_requests", STANDARD, "Batches of partners, by priority"),
        ("partner_conversations", ORDERED, "Questions and chats, in order"),
    )
    return [
        _sensor(name, own, what, settings)
        for name, family, what in families
        if (own := [queue for queue in family if queue in queues])
    ]


def _sensor(name: str, queues_of_it: Sequence[Queue], what: str, settings: SensorSettings) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        job_name=PARTNER_JOB,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"{what}: receive, validate, claim; one run per {settings.limits.max_messages} messages at most.",
    )
    def requests_sensor(
        context: dg.SensorEvaluationContext,
        queues: dg.ResourceParam[RequestQueue],
        requests: dg.ResourceParam[RequestStore],
        tables: dg.ResourceParam[ObjectStore],
        ledger: dg.ResourceParam[ResultLedger],
        outbox: dg.ResourceParam[OutboxStore],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        until = clock.monotonic_seconds() + TICK_SECONDS
        leases = Leases(queues, requests, clock, random.Random(), settings.clock_skew)  # noqa: S311
        cursor = _renew_waiting(context, queues_of_it, tables, leases, clock)
        intake = _intake(queues, requests, tables, ledger, outbox, clock, settings)
        reports = _pulled(context, queues_of_it, intake, queues, settings.backlog, clock, until)
        return _result(reports, queues_of_it, clock.now(), cursor)

    return requests_sensor


def _intake(
    queues: RequestQueue,
    requests: RequestStore,
    tables: ObjectStore,
    ledger: ResultLedger,
    outbox: OutboxStore,
    clock: Clock,
    settings: SensorSettings,
) -> Intake:
    return Intake(
        queue=queues,
        requests=requests,
        tables=tables,
        clock=clock,
        endings=partner_endings(queues, requests, tables, ledger, outbox, clock, settings.notification),
        policy=settings.policy,
        limits=settings.limits,
        claimant=Claimant(lambda: uuid4().hex, settings.clock_skew, StoredRequests(tables)),
    )


def _pulled(
    context: dg.SensorEvaluationContext,
    queues_of_it: Sequence[Queue],
    intake: Intake,
    queues: RequestQueue,
    backlog: BacklogRule,
    clock: Clock,
    until: float,
) -> dict[str, IntakeReport]:
    """What was pulled, by queue; until: monotonic second of the clock at which the tick must be over."""
    reports: dict[str, IntakeReport] = {}
    for queue in queues_of_it:
        if clock.monotonic_seconds() >= until:
            break
        try:
            depth = queues.depth(queue.name)
        except QueueUnavailableError as error:
            context.log.warning(f"{queue.name}: {error}")
            continue
        may_be_due = queue.is_fifo and depth.in_flight > 0  # deferred messages stay in flight
        waiting = replace(depth, visible=depth.visible + depth.in_flight, in_flight=0) if may_be_due else depth
        free = backlog.free_runs(waiting, _runs_in_flight(context, queue.name))
        if free or may_be_due:
            reports[queue.name] = intake.pull(queue.name, free, until)
    return reports


def _result(
    reports: dict[str, IntakeReport], queues_of_it: Sequence[Queue], now: datetime, cursor: str
) -> dg.SensorResult:
    urgency = {queue.name: len(queues_of_it) - place for place, queue in enumerate(queues_of_it)}
    launches = [_run_request(unit, urgency[queue], now) for queue, report in reports.items() for unit in report.units]
    said = [
        f"{queue}: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.outcomes.items()))
        for queue, report in reports.items()
        if report.received
    ]
    said += [f"{queue}: nothing is received: {report.away}" for queue, report in reports.items() if report.away]
    reason = dg.SkipReason("; ".join(said) or "nothing waits, or all runs are taken")
    return dg.SensorResult(run_requests=launches, skip_reason=None if launches else reason, cursor=cursor)


def _run_request(unit: WorkUnit, urgency: int, now: datetime) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=unit.key,
        partition_key=now.date().isoformat(),
        run_config={"ops": {PARTNER_RESULTS: {"ops": {"open_requests": {"config": {"unit": unit.key}}}}}},
        tags={QUEUE_TAG: unit.queue, UNIT_TAG: unit.key, PRIORITY_TAG: str(urgency)},
    )


def _runs_in_flight(context: dg.SensorEvaluationContext, queue: str) -> int:
    return context.instance.get_runs_count(dg.RunsFilter(tags={QUEUE_TAG: queue}, statuses=IN_FLIGHT))


def _renew_waiting(
    context: dg.SensorEvaluationContext,
    queues_of_it: Sequence[Queue],
    tables: ObjectStore,
    leases: Leases,
    clock: Clock,
) -> str:
    """Keep the requests of runs that have not started yet; the cursor says when each unit was last renewed."""
    before: dict[str, str] = json.loads(context.cursor or "{}")
    renewed: dict[str, str] = {}
    now, is_away = clock.now(), False
    for queue in queues_of_it:
        waiting = dg.RunsFilter(tags={QUEUE_TAG: queue.name}, statuses=WAITING)
        third = timedelta(seconds=queue.visibility_seconds / 3)
        is_long = first_lease_until(queue.name, now, leases.clock_skew) - now >= 2 * third
        for record in context.instance.get_run_records(waiting):
            key, since = record.dagster_run.tags[UNIT_TAG], min(now, record.create_timestamp)
            renewed[key] = before.get(key) or (since.isoformat() if is_long else "")
            is_due = not renewed[key] or now - datetime.fromisoformat(renewed[key]) >= third
            if is_due and not is_away:
                is_away = not _hold(context, leases, tables, key, now)
                renewed[key] = before.get(key, "") if is_away else now.isoformat()
    leases.beat()
    return json.dumps(renewed)


def _hold(context: dg.SensorEvaluationContext, leases: Leases, tables: ObjectStore, key: str, now: datetime) -> bool:
    """False when S3 is away: the next tick tries again."""
    try:
        unit = read_unit(tables, key)
    except StoreUnavailableError as error:
        context.log.warning(f"unit {key} is not renewed: {error}")
        return False
    except LookupError as error:  # its run will fail with the same sentence; what it claimed comes again
        context.log.warning(str(error))
        return True
    for request in unit.requests:
        leases.add(request, now)
    return True
