"""Calls, tokens, money and time of a plan, before anything is billed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import Lane, choose_lane
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.specs import ModelCatalog, ModelSpec
from manga_enrichment.domain.models.usage import Usage, cost_micro_usd
from manga_enrichment.domain.trials.canary import Canary
from manga_enrichment.gateways.ledger import ResultLedger
from manga_enrichment.gateways.objects import ObjectStore
from manga_enrichment.pipeline.candidates.tables import has_candidates
from manga_enrichment.pipeline.engine.money.estimates import ASSUMED_LATENCY_MS
from manga_enrichment.pipeline.enrichment.calibrations import read_calibrations
from manga_enrichment.pipeline.enrichment.plan_run import AnalysisPlan, Planning, PlanReport
from manga_enrichment.settings import Settings


@dataclass(frozen=True, slots=True)
class Throughput:
    """What limits the speed of a run; None: no quota told, batch lane off."""

    concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    batch_min_titles: int | None = None
    batch_timeout_hours: int = 24


def throughput_of(settings: Settings) -> Throughput:
    return Throughput(
        settings.concurrency,
        settings.requests_per_minute,
        settings.tokens_per_minute,
        settings.batch_min_titles,
        settings.batch_timeout_hours,
    )


@dataclass(frozen=True, slots=True)
class ForecastLine:
    """One analysis.

    lane             the one that a run would take
    cost_micro_usd   in that lane
    batch_micro_usd  in the batch lane; None for a model without a batch price
    seconds          on demand: the longest of what concurrency and quotas allow; batch: when Bedrock ends the job at
                     the latest
    measured         latency is not assumed
    refusal          why the run would stop instead: the lane refuses the model; "" when it does not
    again            calls about titles that have an answer, which counts no more
    again_micro_usd  of these, on demand
    """

    analysis: str
    lane: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_micro_usd: int
    batch_micro_usd: int | None
    seconds: float
    measured: bool
    refusal: str = ""
    again: int = 0
    again_micro_usd: int = 0


def forecast_next_run(
    name: str,
    buckets: Sequence[str],
    selected: Collection[str],
    *,
    tables: ObjectStore,
    ledger: ResultLedger,
    analyses: Mapping[str, AnalysisType],
    models: ModelCatalog,
    pace: Throughput,
    canaries: Collection[Canary] = (),
) -> list[ForecastLine]:
    """What a run would have to ask now, found by planning one that is never started.

    name: of the plan's working files, where a run has its id. canaries: whose others wait.
    Raises ConfigurationError without a catalog or candidate lists: calls cannot be told then.
    """
    without = [bucket for bucket in buckets if not has_candidates(tables, bucket)]
    if without:
        raise ConfigurationError(
            f"There are no candidate lists yet for bucket {', '.join(without)}, so calls cannot be told: "
            "materialize similar_candidates first, or run the job with dry_run"
        )
    planning = Planning(
        tables=tables,
        ledger=ledger,
        analyses=analyses,
        models=models,
        canaries=canaries,
        adds_up=True,
    )
    plan = planning.plan(name, buckets, selected, lambda _message: None)
    asked = {each: models.asked_for(analysis.name, analysis.model_alias) for each, analysis in analyses.items()}
    return forecast(plan, pace, asked, read_calibrations(tables, asked))


def forecast(
    plan: PlanReport, pace: Throughput, models: Mapping[str, ModelSpec], calibrations: Mapping[str, Calibration]
) -> list[ForecastLine]:
    """One line per analysis that has something to ask, in the order of the plan. models: by analysis name."""
    return [
        _line(name, part, pace, models[name], calibrations.get(name))
        for name, part in plan.analyses.items()
        if part.calls
    ]


def _line(
    name: str, part: AnalysisPlan, pace: Throughput, model: ModelSpec, calibration: Calibration | None
) -> ForecastLine:
    lane = choose_lane(Lane.AUTO, part.calls, pace.batch_min_titles)
    batch_micro_usd = _batch_micro_usd(part, model)
    is_batch = lane is Lane.BATCH and batch_micro_usd is not None
    tokens = part.input_tokens + part.output_tokens
    return ForecastLine(
        analysis=name,
        lane=lane.value,
        calls=part.calls,
        input_tokens=part.input_tokens,
        output_tokens=part.output_tokens,
        cost_micro_usd=batch_micro_usd if is_batch and batch_micro_usd is not None else part.estimated_micro_usd,
        batch_micro_usd=batch_micro_usd,
        seconds=pace.batch_timeout_hours * 3600.0 if is_batch else _seconds(part.calls, tokens, pace, calibration),
        measured=calibration is not None,
        refusal=f"{model.model_id} has no batch price" if lane is Lane.BATCH and not is_batch else "",
        again=part.again,
        again_micro_usd=part.again_micro_usd,
    )


def _batch_micro_usd(part: AnalysisPlan, model: ModelSpec) -> int | None:
    """Each record is rounded up to a whole micro-dollar, and none reads the prompt cache."""
    if not model.price.has_batch:
        return None
    return cost_micro_usd(Usage(part.input_tokens, part.output_tokens), model.price, batch=True) + part.calls


def _seconds(calls: int, tokens: int, pace: Throughput, calibration: Calibration | None) -> float:
    latency_ms = calibration.latency_p50_ms if calibration else ASSUMED_LATENCY_MS
    by_concurrency = calls * latency_ms / 1000 / pace.concurrency
    by_requests = calls * 60 / pace.requests_per_minute if pace.requests_per_minute else 0.0
    by_tokens = tokens * 60 / pace.tokens_per_minute if pace.tokens_per_minute else 0.0
    return max(by_concurrency, by_requests, by_tokens)
