"""What the report says, as numbers: read from tables, log and observations, drawn by nobody yet.

Belongs here: reading and adding up. Stays out: charts (`charts.py`), the page (`page.py`), the sums of
money, which `pipeline/health/daily_costs.py` has made already.

Memory holds counts, not the log: latencies are kept as (milliseconds, how often).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manga_enrichment.domain.operations.partner_latency import QueueLatency
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.percentiles import nearest_rank
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.enrichment.forecast import ForecastLine
from manga_enrichment.pipeline.health.daily_costs import days_until, read_days
from manga_enrichment.pipeline.health.partner_latency import look_at_latency
from manga_enrichment.pipeline.health.table_quality import HELD_BACK, STANDING_COLUMNS, standing
from manga_enrichment.pipeline.log.read import read_log
from manga_enrichment.pipeline.report.catalog_facts import CatalogFacts
from manga_enrichment.pipeline.report.figures import History, read_history
from manga_enrichment.pipeline.store.object_keys import outcomes_key, queue_observations_key, table_key

COST_DAYS = 30
LOG_DAYS = 7
"""UTC days of the requests log and of the queues that the report looks at; today is the last."""
EXAMPLES = 3
TEXT_CHARACTERS = 160

_NO_ANSWER = (Outcome.FAILED.value, Outcome.DEFERRED.value)


@dataclass(frozen=True, slots=True)
class Latency:
    """Answered on-demand calls of one analysis, in milliseconds; percentiles by nearest rank."""

    analysis: str
    calls: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


@dataclass(frozen=True, slots=True)
class Example:
    """A title without an answer. title and reason are texts of others: escape them."""

    manga_id: str
    analysis: str
    title: str
    reason: str


@dataclass(slots=True)
class FailureClass:
    """Answers that are missing now, by why; a title counts once for each analysis it lacks.

    transient: the next run tries again by itself.
    """

    error_class: str
    transient: bool
    answers: int = 0
    by_analysis: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FailedAttempts:
    """Calls of the last LOG_DAYS that brought no answer, and what they cost all the same."""

    error_class: str
    calls: int
    cost_micro_usd: int


@dataclass(frozen=True, slots=True)
class QueueHour:
    """The worst of one hour. oldest_age_seconds is None where nobody knew, or nothing waited."""

    hour: datetime
    dead_letters: int
    waiting: int
    oldest_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """days: UTC, oldest first, without those before anything was spent. costs: rows of `enrichment_costs` with `day`.

    forecast is None when there is no catalog to plan for. partner_latency: of the last 24 hours, by queue. history:
    figures of earlier reports. lowest_coverage: share of what can be asked about that should be answered.
    """

    made_at: datetime
    titles: int
    outcomes: Mapping[str, Counter[str]]
    failures: Sequence[FailureClass]
    days: Sequence[str]
    costs: Sequence[Mapping[str, Any]]
    latencies: Sequence[Latency]
    failed_attempts: Sequence[FailedAttempts]
    queues_now: Sequence[Mapping[str, Any]]
    queue_hours: Sequence[QueueHour]
    forecast: Sequence[ForecastLine] | None
    brake: Brake | None = None
    partner_latency: Sequence[QueueLatency] = ()
    catalog: CatalogFacts = field(default_factory=CatalogFacts)
    history: History = field(default_factory=dict)
    lowest_coverage: float = 0.95


def gather(
    tables: ObjectStore,
    *,
    analyses: Sequence[str],
    buckets: Sequence[str],
    now: datetime,
    titles: int,
    forecast: Sequence[ForecastLine] | None,
) -> ReportFacts:
    """analyses: those that have an outcomes table. titles: in the catalog."""
    today = now.date()
    days, costs = _costs(tables, today)
    outcomes, failures = _outcomes(tables, analyses, buckets)
    latencies, failed_attempts = _log(tables, days_until(today, LOG_DAYS))
    queues_now, queue_hours = _queues(tables, days_until(today, LOG_DAYS))
    return ReportFacts(
        made_at=now,
        titles=titles,
        outcomes=outcomes,
        failures=failures,
        days=days,
        costs=costs,
        latencies=latencies,
        failed_attempts=failed_attempts,
        queues_now=queues_now,
        queue_hours=queue_hours,
        forecast=forecast,
        partner_latency=look_at_latency(tables, now, timedelta(days=1)),
        history=read_history(tables),
    )


def short(text: str) -> str:
    """One line of a text that somebody else wrote, without what cannot be seen."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= TEXT_CHARACTERS else line[: TEXT_CHARACTERS - 1] + "…"


def _costs(tables: ObjectStore, today: date) -> tuple[list[str], list[dict[str, Any]]]:
    days = days_until(today, COST_DAYS)
    stored = read_days(tables, days)
    rows = [{**row, "day": day} for day in days if day in stored for row in stored[day].to_pylist()]
    first = min((row["day"] for row in rows), default=days[-1])
    return [day for day in days if day >= first], rows


def _outcomes(
    tables: ObjectStore, analyses: Sequence[str], buckets: Sequence[str]
) -> tuple[dict[str, Counter[str]], list[FailureClass]]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in analyses}
    classes: dict[tuple[str, bool], FailureClass] = {}
    columns = ["manga_id", "outcome", "error_class", "reason", "transient"]
    for bucket in buckets:
        found: list[tuple[FailureClass, str, dict[str, Any]]] = []
        for analysis in analyses:
            stored = tables.read(outcomes_key(analysis, bucket), columns)
            if stored is None:
                continue
            counts[analysis].update(map(standing, stored.table.select(STANDING_COLUMNS).to_pylist()))
            for row in stored.table.filter(pc.field("outcome").isin(_NO_ANSWER)).to_pylist():
                if standing(row) == HELD_BACK:
                    continue
                key = (row["error_class"] or row["outcome"], row["transient"])
                failure = classes.setdefault(key, FailureClass(*key))
                failure.answers += 1
                failure.by_analysis[analysis] += 1
                if failure.answers <= EXAMPLES:
                    found.append((failure, analysis, row))
        _add_examples(tables, bucket, found)
    return counts, sorted(classes.values(), key=lambda each: -each.answers)


def _add_examples(
    tables: ObjectStore, bucket: str, found: Iterable[tuple[FailureClass, str, Mapping[str, Any]]]
) -> None:
    rows = list(found)
    if not rows:
        return
    stored = tables.read(table_key("catalog", bucket), ["manga_id", "title"])
    wanted = pc.field("manga_id").isin([row["manga_id"] for _failure, _analysis, row in rows])
    titles = {row["manga_id"]: row["title"] for row in stored.table.filter(wanted).to_pylist()} if stored else {}
    for failure, analysis, row in rows:
        title = short(titles.get(row["manga_id"], ""))
        failure.examples.append(Example(row["manga_id"], analysis, title, short(row["reason"] or "")))


def _log(tables: ObjectStore, days: Sequence[str]) -> tuple[list[Latency], list[FailedAttempts]]:
    latencies: dict[str, Counter[int]] = defaultdict(Counter)
    failed: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    columns = ["attempt", "analysis", "lane", "latency_ms", "error_class", "cost_micro_usd"]
    for rows in (rows for day in days for rows in read_log(tables, day, columns)):
        sent = rows.filter(pc.field("attempt") > 0)
        for row in _answered(sent):
            latencies[row["analysis"]][row["latency_ms"]] += row["latency_ms_count"]
        for row in _failed(sent):
            failed[row["error_class"]][0] += row["cost_micro_usd_count"]
            failed[row["error_class"]][1] += row["cost_micro_usd_sum"]
    return (
        [
            Latency(name, sum(counts.values()), *(nearest_rank(counts, percent) for percent in (50, 95, 99)))
            for name, counts in sorted(latencies.items())
        ],
        sorted(
            (FailedAttempts(name, calls, cost) for name, (calls, cost) in failed.items()), key=lambda each: -each.calls
        ),
    )


def _answered(sent: pa.Table) -> list[dict[str, Any]]:
    """Batch jobs have no latency of a call."""
    answered = sent.filter(pc.field("error_class").is_null() & (pc.field("lane") == "on_demand"))
    rows: list[dict[str, Any]] = (
        answered.group_by(["analysis", "latency_ms"]).aggregate([("latency_ms", "count")]).to_pylist()
    )
    return rows


def _failed(sent: pa.Table) -> list[dict[str, Any]]:
    failed = sent.filter(pc.field("error_class").is_valid())
    how = [("cost_micro_usd", "count"), ("cost_micro_usd", "sum")]
    rows: list[dict[str, Any]] = failed.group_by("error_class").aggregate(how).to_pylist()
    return rows


def _queues(tables: ObjectStore, days: Sequence[str]) -> tuple[list[dict[str, Any]], list[QueueHour]]:
    """The latest look, and each hour's worst; empty when nobody has looked."""
    stored = (tables.read(queue_observations_key(day)) for day in days)
    rows = [row for found in stored if found is not None for row in found.table.to_pylist()]
    if not rows:
        return [], []
    last = max(row["observed_at"] for row in rows)
    looks: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        looks[row["observed_at"]].append(row)
    hours: dict[datetime, QueueHour] = {}
    for at, look in sorted(looks.items()):
        hour = at.replace(minute=0, second=0, microsecond=0)
        hours[hour] = _worse(hours.get(hour), _hour(hour, look))
    return looks[last], list(hours.values())


def _hour(hour: datetime, look: Sequence[Mapping[str, Any]]) -> QueueHour:
    requests = [row for row in look if row["kind"] == "requests"]
    ages = [row["oldest_age_seconds"] for row in requests if row["oldest_age_seconds"] is not None]
    return QueueHour(
        hour=hour,
        dead_letters=sum(row["visible"] + row["in_flight"] + row["delayed"] for row in look if row not in requests),
        waiting=sum(row["visible"] for row in requests),
        oldest_age_seconds=max(ages, default=None),
    )


def _worse(before: QueueHour | None, now: QueueHour) -> QueueHour:
    if before is None:
        return now
    ages = [each for each in (before.oldest_age_seconds, now.oldest_age_seconds) if each is not None]
    return QueueHour(
        now.hour,
        max(before.dead_letters, now.dead_letters),
        max(before.waiting, now.waiting),
        max(ages, default=None),
    )
