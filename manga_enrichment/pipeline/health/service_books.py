"""The requests log as the service's own metrics let one check it.

Belongs here: reading the log's on-demand calls of some hours, and holding them against the metrics. Stays out: what is
expected of each call (`domain/operations/service_books.py`).

Batch-lane rows are left out: the runtime's metrics do not count batch inference.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from manga_enrichment.domain.models.specs import ModelSpec
from manga_enrichment.domain.models.usage import NO_USAGE, Price, Usage
from manga_enrichment.domain.operations.service_books import (
    HOUR,
    NOTHING,
    REFUSED,
    Difference,
    LoggedCall,
    compare,
    expected_of_answer,
    most_of_lost_call,
)
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.gateways.service_usage import ServiceUsage
from manga_enrichment.pipeline.health.daily_costs import days_until
from manga_enrichment.pipeline.log.read import read_log

_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_DAYS_BEFORE = 1
_KEPT_BACK = ErrorClass.GUARDRAIL_INTERVENED.value
_READ = [
    *("model_id", "service_tier", "lane", "attempt", "error_class", "stop_reason", "maybe_billed", "cost_micro_usd"),
    *("started_at", "latency_ms", *_TOKENS),
]


def hold_against_service(
    tables: ObjectStore,
    usage: ServiceUsage,
    hours: Sequence[datetime],
    models: Mapping[str, ModelSpec],
    used: Collection[str],
) -> tuple[list[Difference], int]:
    """What differs in these closed hours (consecutive, oldest first), and how many calls of the log were looked at.

    models: by id. used: ids that we may call. Raises MetricsForbiddenError, MetricsUnavailableError.
    """
    begin, end = hours[0], hours[-1] + HOUR
    calls = list(logged_calls(tables, begin, end, models))
    ids = sorted({*used, *(call.model_id for call in calls)})
    return compare(calls, usage.by_hour(ids, begin, end), hours, ids), len(calls)


def logged_calls(
    tables: ObjectStore, begin: datetime, end: datetime, models: Mapping[str, ModelSpec]
) -> Iterator[LoggedCall]:
    """On-demand calls that may have been counted between `begin` and `end`.

    A run's calls are logged under the UTC day on which it began, which may be the day before; a killed run's under the
    same, whenever that is written down.
    """
    for day in days_until(end.date(), (end.date() - begin.date()).days + 1 + _DAYS_BEFORE):
        for rows in read_log(tables, day, _READ):
            for row in rows.to_pylist():
                if row["attempt"] and row["lane"] == "on_demand" and row["model_id"]:
                    yield _call(row, models)


def _call(row: Mapping[str, Any], models: Mapping[str, ModelSpec]) -> LoggedCall:
    usage = Usage(*(row[name] for name in _TOKENS))
    started: datetime = row["started_at"]
    ended = started + timedelta(milliseconds=row["latency_ms"])
    if row["error_class"] == ErrorClass.THROTTLED:
        return LoggedCall(row["model_id"], started, ended, NOTHING, NOTHING)
    if row["maybe_billed"]:
        prices = _prices(models.get(row["model_id"]), row["service_tier"])
        most = most_of_lost_call(usage, row["cost_micro_usd"], prices)
        # A killed run's call is logged when its claim is taken over, some time after it was made.
        first = None if row["error_class"] == ErrorClass.ABANDONED else started
        return LoggedCall(row["model_id"], first, ended, NOTHING, most)
    if row["stop_reason"] is None:
        return LoggedCall(row["model_id"], started, ended, NOTHING, REFUSED)
    answered = expected_of_answer(usage)
    if row["error_class"] == _KEPT_BACK and usage == NO_USAGE:  # the question never reached the model
        return LoggedCall(row["model_id"], started, ended, NOTHING, REFUSED)
    return LoggedCall(row["model_id"], started, ended, answered, answered)


def _prices(spec: ModelSpec | None, tier: str | None) -> list[Price]:
    """At which a call may have been booked: of its tier; of all where the log does not say."""
    if spec is None:
        return []
    tiers = spec.price.tiers
    return [tiers.get(tier, spec.price)] if tier else [spec.price, *tiers.values()]
