"""How long partners wait for an answer, by queue, and when that is too long.

Belongs here: the parts of a request's time, percentiles of them, their table's columns, the rule of the check. Pure.
Stays out: reading results (`pipeline/health/partner_latency.py`), severities (`defs/queues/checks.py`).

    accepted ──waiting──► claimed ──model, ours──► completed

A request's time is that from the moment the API or SQS took it until its result was written. Its time at the model
includes pauses between tries; ours is the rest, deferrals included. Percentiles of parts do not add up.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from manga_enrichment.domain.percentiles import nearest_rank
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, NORMAL, ORDERED, SESSION
from manga_enrichment.domain.tables.columns import Column

WINDOW = timedelta(minutes=15)
"""Requests that were answered within it make one observation."""
MOST_P95_SECONDS: Mapping[str, float] = MappingProxyType(
    {HIGH_PRIORITY.name: 60.0, SESSION.name: 60.0, ORDERED.name: 60.0, NORMAL.name: 900.0}
)
"""By queue; one that is not named may take its time. `infra/monitoring.yaml` has the urgent ones as its default."""


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """Timestamps UTC. model_seconds: as its row has it; never more than the time since the claim here."""

    queue: str
    accepted_at: datetime
    claimed_at: datetime
    completed_at: datetime
    model_seconds: float

    @property
    def total_seconds(self) -> float:
        return _seconds(self.accepted_at, self.completed_at)

    @property
    def waiting_seconds(self) -> float:
        """Clocks of the API, SQS and ours differ a little, so a wait may seem to end before it began."""
        return min(self.total_seconds, _seconds(self.accepted_at, self.claimed_at))

    @property
    def at_model_seconds(self) -> float:
        return min(self.model_seconds, self.total_seconds - self.waiting_seconds)

    @property
    def ours_seconds(self) -> float:
        return self.total_seconds - self.waiting_seconds - self.at_model_seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """By nearest rank: half of the requests took no longer than p50, 95 % no longer than p95."""

    p50_seconds: float
    p95_seconds: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Spread":
        """Raises ValueError when there are none."""
        counts = Counter(seconds)
        return cls(*(round(nearest_rank(counts, percent), 3) for percent in _PERCENTS))


@dataclass(frozen=True, slots=True)
class QueueLatency:
    """One queue: what was answered within `window_seconds` before `observed_at`."""

    observed_at: datetime
    queue: str
    window_seconds: int
    requests: int
    total: Spread
    waiting: Spread
    model: Spread
    ours: Spread

    @property
    def parts(self) -> dict[str, Spread]:
        """As columns name them: "" is all of it."""
        return {"": self.total, "waiting_": self.waiting, "model_": self.model, "ours_": self.ours}

    def to_row(self) -> dict[str, Any]:
        """Values of the columns, but for the run."""
        return {
            "observed_at": self.observed_at,
            "queue": self.queue,
            "window_seconds": self.window_seconds,
            "requests": self.requests,
            **{f"{name}p50_seconds": spread.p50_seconds for name, spread in self.parts.items()},
            **{f"{name}p95_seconds": spread.p95_seconds for name, spread in self.parts.items()},
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "QueueLatency":
        spreads = (Spread(row[f"{name}p50_seconds"], row[f"{name}p95_seconds"]) for name in _PARTS)
        return cls(row["observed_at"], row["queue"], row["window_seconds"], row["requests"], *spreads)


_PERCENTS = (50, 95)
_PERCENTILE = "{percent} % of the requests took no longer: {part}"
_PARTS = {
    "": "from accepted to completed",
    "waiting_": "until a worker took them up",
    "model_": "at the model, pauses between tries included",
    "ours_": "the rest: our work, and waiting for another try",
}

PARTNER_LATENCY_COLUMNS = (
    Column("observed_at", "timestamp", "end of the window (UTC); the same for all queues of one look", nullable=False),
    Column("queue", "string", "queue that the requests came by", nullable=False),
    Column("window_seconds", "int64", "length of the window", nullable=False),
    Column("requests", "int64", "requests answered within it", nullable=False),
    *(
        Column(f"{name}p{percent}_seconds", "float64", _PERCENTILE.format(percent=percent, part=part), nullable=False)
        for name, part in _PARTS.items()
        for percent in _PERCENTS
    ),
    Column("dagster_run_id", "string", "run that looked", nullable=False),
)


def latency_by_queue(
    answered: Iterable[AnsweredRequest], observed_at: datetime, window: timedelta
) -> list[QueueLatency]:
    """One entry for each queue by which something was answered, by name."""
    by_queue: dict[str, list[AnsweredRequest]] = {}
    for each in answered:
        by_queue.setdefault(each.queue, []).append(each)
    return [_of_queue(queue, by_queue[queue], observed_at, window) for queue in sorted(by_queue)]


def latency_problems(seen: Sequence[QueueLatency]) -> list[str]:
    """Of one look: queues whose requests take too long, one sentence each, with the part that takes longest."""
    return [
        f"{each.queue}: 95 % of {each.requests} requests within {each.total.p95_seconds:.0f} s, more than "
        f"{MOST_P95_SECONDS[each.queue]:.0f}; most of it {_longest_part(each)}"
        for each in seen
        if each.total.p95_seconds > MOST_P95_SECONDS.get(each.queue, each.total.p95_seconds)
    ]


def _of_queue(
    queue: str, answered: Sequence[AnsweredRequest], observed_at: datetime, window: timedelta
) -> QueueLatency:
    return QueueLatency(
        observed_at=observed_at,
        queue=queue,
        window_seconds=int(window.total_seconds()),
        requests=len(answered),
        total=Spread.of(each.total_seconds for each in answered),
        waiting=Spread.of(each.waiting_seconds for each in answered),
        model=Spread.of(each.at_model_seconds for each in answered),
        ours=Spread.of(each.ours_seconds for each in answered),
    )


def _longest_part(seen: QueueLatency) -> str:
    parts = {"waiting for a worker": seen.waiting, "at the model": seen.model, "ours": seen.ours}
    return max(parts, key=lambda name: parts[name].p95_seconds)


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
