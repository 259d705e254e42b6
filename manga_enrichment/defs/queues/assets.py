"""`request_queues`, `dead_letter_queues`, `partner_latency`: how full the queues are and how long partners wait.

Belongs here: the assets, their job and schedule, every 5 minutes. Stays out: the looks themselves
(`pipeline/health/queue_watch.py`, `pipeline/health/partner_latency.py`), what is worrying about them
(`defs/queues/checks.py`), metrics for scaling, which must not wait for a run (`defs/operations/metrics_sensor.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from manga_enrichment.defs.queues.closing import DEAD_REQUESTS_ASSET
from manga_enrichment.defs.shared.metadata import markdown_table
from manga_enrichment.defs.shared.names import HEALTH_GROUP, OWNERS, PARTNER_RESULTS
from manga_enrichment.defs.shared.policies import OP_RETRY_POLICY, configuration_errors_are_final
from manga_enrichment.defs.shared.run_facts import units_in_flight
from manga_enrichment.defs.shared.tables import columns_shown
from manga_enrichment.defs.shared.tags import HEALTH_LANE, HISTORY_DAYS_TAG, PRIORITY_TAG
from manga_enrichment.domain.operations.partner_latency import PARTNER_LATENCY_COLUMNS, QueueLatency
from manga_enrichment.domain.operations.queue_observations import QUEUE_OBSERVATION_COLUMNS, QueueObservation
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES, REQUEST_QUEUES
from manga_enrichment.gateways.clock import Clock
from manga_enrichment.gateways.metrics import QueueAges
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import RequestQueue
from manga_enrichment.gateways.requests import RequestStore
from manga_enrichment.pipeline.health.partner_latency import look_at_latency, store_latency
from manga_enrichment.pipeline.health.queue_watch import QueueWatch
from manga_enrichment.pipeline.health.stored_looks import store_observations

REQUEST_QUEUES_ASSET = "request_queues"
DEAD_LETTERS_ASSET = "dead_letter_queues"
LATENCY_ASSET = "partner_latency"
OBSERVE_JOB = "observe_queues"
_LOOKED_AT = (REQUEST_QUEUES_ASSET, DEAD_LETTERS_ASSET, LATENCY_ASSET)

_PREFIX = "manga-fm-"


def build_queue_assets() -> dg.AssetsDefinition:
    """One look for both assets. Each has flat numbers, which the UI plots, and a table by queue."""

    @dg.multi_asset(
        retry_policy=OP_RETRY_POLICY,
        name="look_at_queues",
        specs=[
            _spec(REQUEST_QUEUES_ASSET, "How full the five request queues are, and how old what waits there is."),
            _spec(DEAD_LETTERS_ASSET, "How many requests failed three times or were no requests, in both queues."),
        ],
        can_subset=True,
    )
    def look_at_queues(
        context: dg.AssetExecutionContext,
        queues: dg.ResourceParam[RequestQueue],
        queue_ages: dg.ResourceParam[QueueAges],
        requests: dg.ResourceParam[RequestStore],
        tables: dg.ResourceParam[ObjectStore],
        clock: dg.ResourceParam[Clock],
    ) -> Iterator[dg.MaterializeResult[None]]:
        watch = QueueWatch(queues=queues, ages=queue_ages, requests=requests, tables=tables, clock=clock)
        with configuration_errors_are_final():
            seen = watch.look(units_in_flight(context.instance))
            key = store_observations(tables, seen, context.run.run_id)
        for asset, its in ((REQUEST_QUEUES_ASSET, REQUEST_QUEUES), (DEAD_LETTERS_ASSET, DEAD_LETTER_QUEUES)):
            if dg.AssetKey(asset) in context.selected_asset_keys:
                names = {queue.name for queue in its}
                metadata = queue_metadata([each for each in seen if each.queue in names])
                yield dg.MaterializeResult(asset_key=asset, metadata={**metadata, "uri": tables.uri(key)})

    return look_at_queues


def build_latency_asset() -> dg.AssetsDefinition:
    @dg.asset(
        name=LATENCY_ASSET,
        deps=[PARTNER_RESULTS],
        group_name=HEALTH_GROUP,
        description="How long partners waited for answers, by queue: in the queue, at the model, with us.",
        kinds={"parquet", "s3"},
        owners=OWNERS,
        tags=HEALTH_LANE,
        metadata=columns_shown(PARTNER_LATENCY_COLUMNS),
        retry_policy=OP_RETRY_POLICY,
    )
    def partner_latency(
        context: dg.AssetExecutionContext, tables: dg.ResourceParam[ObjectStore], clock: dg.ResourceParam[Clock]
    ) -> dg.MaterializeResult[None]:
        now = clock.now()
        with configuration_errors_are_final():
            seen = look_at_latency(tables, now)
            key = store_latency(tables, seen, now, context.run.run_id)
        return dg.MaterializeResult(metadata={**latency_metadata(seen), "uri": tables.uri(key)})

    return partner_latency


def build_queue_job() -> Any:
    """An unresolved asset job; Dagster does not export its type. Before other runs: it takes seconds."""
    return dg.define_asset_job(
        OBSERVE_JOB,
        selection=dg.AssetSelection.assets(*_LOOKED_AT, DEAD_REQUESTS_ASSET),
        description="Look at all queues and at how long partners waited, check them, and end dead requests.",
        tags={**HEALTH_LANE, PRIORITY_TAG: "10", HISTORY_DAYS_TAG: "3"},
    )


def build_queue_schedule() -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=OBSERVE_JOB,
        job_name=OBSERVE_JOB,
        cron_schedule="*/5 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every 5 minutes.",
    )


def queue_metadata(seen: Sequence[QueueObservation]) -> dict[str, Any]:
    """Sums, numbers by queue, a table. An age that is not known has no number."""
    numbers: dict[str, Any] = {
        "messages": sum(each.messages for each in seen),
        "visible": sum(each.visible for each in seen),
        "in_flight": sum(each.in_flight for each in seen),
        "delayed": sum(each.delayed for each in seen),
    }
    for each in seen:
        name = _short(each.queue)
        numbers |= {f"{name}_visible": each.visible, f"{name}_in_flight": each.in_flight}
        if each.oldest_age_seconds is not None:
            numbers[f"{name}_oldest_age_seconds"] = each.oldest_age_seconds
        if each.backlog_per_run is not None:
            numbers[f"{name}_backlog_per_run"] = each.backlog_per_run
    return {**numbers, "queues": dg.MetadataValue.md(markdown_table([_table_row(each) for each in seen]))}


def latency_metadata(seen: Sequence[QueueLatency]) -> dict[str, Any]:
    """Numbers by queue, which the UI plots, and a table."""
    numbers: dict[str, Any] = {"requests": sum(each.requests for each in seen)}
    for each in seen:
        name = _short(each.queue)
        numbers |= {f"{name}_p50_seconds": each.total.p50_seconds, f"{name}_p95_seconds": each.total.p95_seconds}
    if seen:
        numbers["latency"] = dg.MetadataValue.md(markdown_table([_latency_row(each) for each in seen]))
    return numbers


def _latency_row(seen: QueueLatency) -> dict[str, Any]:
    """p50 / p95 in seconds."""
    parts = {"all of it": seen.total, "waiting": seen.waiting, "model": seen.model, "ours": seen.ours}
    told = {name: f"{spread.p50_seconds:.1f} / {spread.p95_seconds:.1f}" for name, spread in parts.items()}
    return {"queue": seen.queue, "requests": seen.requests, **told}


def _short(queue: str) -> str:
    return queue.removeprefix(_PREFIX).replace("-", "_").replace(".", "_")


def _table_row(seen: QueueObservation) -> dict[str, Any]:
    return {
        "queue": seen.queue,
        "visible": seen.visible,
        "in flight": seen.in_flight,
        "delayed": seen.delayed,
        "runs": "-" if seen.runs_in_flight is None else seen.runs_in_flight,
        "oldest": seen.age_words(),
        "says": seen.oldest_age_source.value,
    }


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        group_name=HEALTH_GROUP,
        description=description,
        kinds={"sqs"},
        owners=OWNERS,
        tags=HEALTH_LANE,
        metadata=columns_shown(QUEUE_OBSERVATION_COLUMNS),
    )
