"""Calls, tokens, money and time of a plan, before anything is billed."""

from collections.abc import Mapping
from dataclasses import dataclass

from manga_enrichment.domain.calibration import Calibration
from manga_enrichment.pipeline.planning import PlanReport

ASSUMED_LATENCY_MS = 3_000
"""Of one call, until a run has measured it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What limits the speed of a run; None: no quota told."""

    concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class ForecastLine:
    """One analysis. seconds: the longest of what concurrency and quotas allow; measured: latency is not assumed."""

    analysis: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_micro_usd: int
    seconds: float
    measured: bool


def forecast(plan: PlanReport, pace: Pace, calibrations: Mapping[str, Calibration]) -> list[ForecastLine]:
    """One line per analysis that has something to ask, in the order of the plan."""
    return [
        ForecastLine(
            analysis=name,
            calls=part.calls,
            input_tokens=part.input_tokens,
            output_tokens=part.output_tokens,
            cost_micro_usd=part.estimated_micro_usd,
            seconds=_seconds(part.calls, part.input_tokens + part.output_tokens, pace, calibrations.get(name)),
            measured=name in calibrations,
        )
        for name, part in plan.analyses.items()
        if part.calls
    ]


def _seconds(calls: int, tokens: int, pace: Pace, calibration: Calibration | None) -> float:
    latency_ms = calibration.latency_p50_ms if calibration else ASSUMED_LATENCY_MS
    by_concurrency = calls * latency_ms / 1000 / pace.concurrency
    by_requests = calls * 60 / pace.requests_per_minute if pace.requests_per_minute else 0.0
    by_tokens = tokens * 60 / pace.tokens_per_minute if pace.tokens_per_minute else 0.0
    return max(by_concurrency, by_requests, by_tokens)
