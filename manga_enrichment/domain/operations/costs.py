"""What the enrichment cost, per run: columns of the table, the rules of the cost checks.

Belongs here: pure rules over sums of micro-dollars. Stays out: adding the requests log up
(`pipeline/health/daily_costs.py`), severities as Dagster knows them (`defs/costs/checks.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from manga_enrichment.domain.tables.columns import Column

TRAILING_RUNS = 14
USUAL_FACTOR = 2.0
"""Within this factor of the median of the runs before, a run costs what runs cost."""
LOWEST_CACHE_HIT_RATE = 0.5
"""Below it more prompt tokens are written to the cache than are read from it, and a write costs more than no cache."""

_SERVICES = {
    "sqs": "estimate of what SQS cost for these requests",
    "api": "estimate of what API Gateway cost for those that came by it",
    "workflow": "estimate of what the workflow behind it cost",
}

COST_COLUMNS = (
    Column("dagster_run_id", "string", "run that paid", nullable=False),
    Column("analysis", "string", "analysis type asked for", nullable=False),
    Column("model_id", "string", "Bedrock model or inference profile"),
    Column("trigger", "string", "schedule, backfill, manual, partner or trial", nullable=False),
    Column("partner_id", "string", "partner who asked, null for the store's own runs"),
    Column("lane", "string", "on_demand or batch", nullable=False),
    Column("calls", "int64", "requests sent to the model", nullable=False),
    Column("titles", "int64", "titles that had their last attempt in the run", nullable=False),
    Column("answered", "int64", "of these titles: those with an answer", nullable=False),
    Column("failed", "int64", "of these titles: those that failed", nullable=False),
    Column("throttled", "int64", "calls that the model's quota refused; they cost nothing", nullable=False),
    Column("input_tokens", "int64", "input tokens billed, without cached ones", nullable=False),
    Column("output_tokens", "int64", "output tokens billed", nullable=False),
    Column("cache_read_tokens", "int64", "tokens read from the prompt cache", nullable=False),
    Column("cache_write_tokens", "int64", "tokens written to the prompt cache", nullable=False),
    Column("cost_micro_usd", "int64", "cost in micro-dollars (1,000,000 = 1 USD)", nullable=False),
    Column("wasted_micro_usd", "int64", "part of it for attempts that brought no answer", nullable=False),
    Column("maybe_billed_micro_usd", "int64", "part of it for attempts that had no reply", nullable=False),
    Column("unpriced_calls", "int64", "calls with tokens and without cost: there was no price", nullable=False),
    Column("first_at", "timestamp", "when the first call was sent (UTC)", nullable=False),
    Column("last_at", "timestamp", "when the last call was sent (UTC)", nullable=False),
    Column("requests", "int64", "partners' requests answered: rows of their own, analysis `requests`", nullable=False),
    *(
        Column(f"{name}_estimate_micro_usd", "int64", f"{what}; no part of cost_micro_usd", nullable=False)
        for name, what in _SERVICES.items()
    ),
)
CATALOG = "catalog"
"""Who asked, where no partner and no trial did."""
ESTIMATES = ("requests", *(f"{name}_estimate_micro_usd" for name in _SERVICES))
COST_KEYS = ("dagster_run_id", "analysis", "model_id", "trigger", "partner_id", "lane")


@dataclass(frozen=True, slots=True)
class CallKind:
    """Calls whose costs can be compared. asked_by: catalog, partner or trial."""

    analysis: str
    model_id: str
    lane: str
    asked_by: str

    def __str__(self) -> str:
        return f"{self.analysis} by {self.model_id} for the {self.asked_by}, {self.lane.replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class RunCost:
    """One run's calls of one kind. last_at: its last call."""

    run_id: str
    answered: int
    cost_micro_usd: int
    last_at: datetime

    @classmethod
    def of(cls, run_id: str, rows: Sequence[Mapping[str, Any]]) -> "RunCost":
        """rows: of `enrichment_costs`."""
        answered, cost_micro_usd = (sum(row[name] for row in rows) for name in ("answered", "cost_micro_usd"))
        return cls(run_id, answered, cost_micro_usd, max(row["last_at"] for row in rows))


@dataclass(frozen=True, slots=True)
class UsualCost:
    """The latest run's cost per answered title beside the median of the runs before it; None: there is none."""

    latest: RunCost
    per_title_micro_usd: float
    median_micro_usd: float | None
    runs_before: int

    @property
    def ratio(self) -> float | None:
        return self.per_title_micro_usd / self.median_micro_usd if self.median_micro_usd else None

    @property
    def is_unusual(self) -> bool:
        return self.ratio is not None and not 1 / USUAL_FACTOR <= self.ratio <= USUAL_FACTOR


def usual_cost(runs: Sequence[RunCost]) -> UsualCost | None:
    """runs: of one kind, newest first. Those that answered nothing say nothing about the cost of an answer; None where
    all are such."""
    telling = [(run, run.cost_micro_usd / run.answered) for run in runs if run.answered]
    if not telling:
        return None
    before = [per_title for _run, per_title in telling[1 : TRAILING_RUNS + 1]]
    return UsualCost(*telling[0], median(before) if before else None, len(before))


def cache_hit_rate(read_tokens: int, write_tokens: int) -> float | None:
    """Share of the cacheable prompt tokens that were read from the cache; None when nothing was cacheable."""
    cacheable = read_tokens + write_tokens
    return read_tokens / cacheable if cacheable else None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One budget counter of one UTC day beside the requests log, in micro-dollars.

    spent is what closed spenders spent; committed also holds what live runs have set aside.
    """

    day: str
    counter: str
    logged_micro_usd: int
    spent_micro_usd: int
    committed_micro_usd: int

    @property
    def difference_micro_usd(self) -> int:
        return self.logged_micro_usd - self.spent_micro_usd

    @property
    def is_open(self) -> bool:
        """Runs are still spending: the counter learns what they spent when they end."""
        return self.committed_micro_usd != self.spent_micro_usd
