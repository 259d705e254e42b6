"""Metrics from facts: what is sent to CloudWatch at each tick, and what once per ended run.

Belongs here: gathering and adding up. Stays out: names and dimensions (`domain/operations/metrics.py`), sending.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from manga_enrichment.domain.models.usage import usd
from manga_enrichment.domain.operations.metrics import (
    Metric,
    backlog_per_task,
    cost_usd,
    dlq_depth,
    partner_latency,
    run_counts,
)
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.queues import DEAD_LETTER_QUEUES, QUEUES, REQUEST_QUEUES
from manga_enrichment.gateways.budget import BudgetStore
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.queue import QueueDepth, RequestQueue
from manga_enrichment.pipeline.engine.money.budget import day_counter
from manga_enrichment.pipeline.health.partner_latency import FRESH, latency_looks
from manga_enrichment.pipeline.partner.scaling import visible_per_run


def queue_metrics(queues: RequestQueue, tasks: Mapping[str, int], now: datetime) -> list[Metric]:
    """Depth of both dead-letter queues, backlog by queue and in all. Raises QueueUnavailableError.

    tasks: that work now, by queue, and "" for all of them: one that serves two queues is one.
    """
    depths, backlog = depths_and_backlog(queues, tasks)
    dead = {queue: depths[queue.name] for queue in DEAD_LETTER_QUEUES}
    return [
        *(dlq_depth(queue.is_fifo, d.visible + d.in_flight + d.delayed, now) for queue, d in dead.items()),
        *(backlog_per_task(value, now, queue) for queue, value in backlog.items()),
    ]


def depths_and_backlog(
    queues: RequestQueue, tasks: Mapping[str, int]
) -> tuple[dict[str, QueueDepth], dict[str, float]]:
    """Depths of all queues, and the backlog per task of those that take requests; "" is all of them together."""
    depths = {name: queues.depth(name) for name in QUEUES}
    backlog = {q.name: visible_per_run(depths[q.name], tasks.get(q.name, 0)) for q in REQUEST_QUEUES}
    visible = sum(depths[queue.name].visible for queue in REQUEST_QUEUES)
    backlog[""] = visible_per_run(QueueDepth(visible, 0, 0), tasks.get("", 0))
    return depths, backlog


def cost_metric(budget: BudgetStore, now: datetime) -> Metric:
    """What the UTC day's counter has committed: what ended calls cost and what open ones have set aside.

    Spent alone would be told only when a run ends, which may be hours later. Raises StoreUnavailableError.
    """
    committed, _spent = budget.spent(day_counter(now.date().isoformat()))
    return cost_usd(usd(committed), now)


def latency_metrics(tables: ObjectStore, now: datetime) -> list[Metric]:
    """Of the newest look at what partners got, while it is fresh; stamped now, so that each tick has a point.

    Raises StoreUnavailableError.
    """
    looks = latency_looks(tables, now, FRESH)
    return [point for each in looks[:1] for seen in each for point in partner_latency(seen, now)]


def run_metrics(lane: str, invoked: Sequence[Mapping[str, Any]], new_rows: int | None, at: datetime) -> list[Metric]:
    """Of one ended run. invoked: metadata of its invoke ops; new_rows: answers it brought into tables, None for a run
    that writes none (partners), where the answers it paid for count. No metrics for a run that did neither.
    """
    if not invoked and new_rows is None:
        return []
    outcomes = [report.get("outcomes", {}) for report in invoked]
    answered = sum(each.get(Outcome.SUCCEEDED.value, 0) for each in outcomes)
    paid = answered - sum(report.get("cached", 0) for report in invoked)
    return run_counts(
        lane,
        enriched=max(0, paid) if new_rows is None else new_rows,
        failed=sum(each.get(Outcome.FAILED.value, 0) for each in outcomes),
        throttles=sum(report.get("throttled", 0) for report in invoked),
        at=at,
    )
