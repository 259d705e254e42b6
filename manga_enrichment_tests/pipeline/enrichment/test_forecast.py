"""Calls, tokens, money and time before a run: which lane, what it costs in either, how long."""

from dataclasses import replace

import pytest

from manga_enrichment.domain.models.batch_jobs import Lane
from manga_enrichment.domain.models.calibration import Calibration
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import Price
from manga_enrichment.pipeline.engine.money.estimates import ASSUMED_LATENCY_MS
from manga_enrichment.pipeline.enrichment.forecast import ForecastLine, Throughput, forecast
from manga_enrichment.pipeline.enrichment.plan_run import AnalysisPlan, PlanReport

MODEL = replace(
    load_models().resolve("haiku-batch"), price=Price(1_000_000, 5_000_000, 100_000, 1_250_000, 500_000, 2_500_000)
)
WITHOUT_BATCH = replace(MODEL, price=Price(1_000_000, 5_000_000))


def lines(calls: int, pace: Throughput, model: object = MODEL, **calibrations: Calibration) -> list[ForecastLine]:
    part = AnalysisPlan(
        {"ask": calls}, input_tokens=1_000 * calls, output_tokens=100 * calls, estimated_micro_usd=1_500 * calls
    )
    plan = PlanReport(calls, {"genre": part, "summary": AnalysisPlan({"use_ledger": 3})})
    return forecast(plan, pace, {"genre": model, "summary": model}, calibrations)  # type: ignore[dict-item]


def test_what_needs_no_call_has_no_line() -> None:
    assert [line.analysis for line in lines(10, Throughput(4))] == ["genre"]


def test_on_demand_costs_what_the_plan_says_and_tells_what_a_batch_would() -> None:
    (line,) = lines(10, Throughput(4))
    assert (line.lane, line.cost_micro_usd, line.refusal) == (Lane.ON_DEMAND.value, 15_000, "")
    assert line.batch_micro_usd == 10 * (500 + 250) + 10  # half price, each record rounded up


def test_enough_titles_go_to_the_batch_lane_at_its_price() -> None:
    (line,) = lines(200, Throughput(4, batch_min_titles=200, batch_timeout_hours=48))
    assert (line.lane, line.cost_micro_usd) == (Lane.BATCH.value, line.batch_micro_usd)
    assert line.seconds == 48 * 3600
    (line,) = lines(199, Throughput(4, batch_min_titles=200))
    assert line.lane == Lane.ON_DEMAND.value


def test_a_model_without_a_batch_price_is_named_before_the_run_stops() -> None:
    (line,) = lines(200, Throughput(4, batch_min_titles=200), WITHOUT_BATCH)
    assert line.batch_micro_usd is None
    assert line.refusal == f"{MODEL.model_id} has no batch price"
    (line,) = lines(10, Throughput(4, batch_min_titles=200), WITHOUT_BATCH)
    assert line.refusal == ""


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        (Throughput(4), 100 / 4 * ASSUMED_LATENCY_MS / 1000),
        (Throughput(1_000, requests_per_minute=60), 100),
        (Throughput(1_000, tokens_per_minute=66_000), 100),
    ],
    ids=["concurrency", "requests", "tokens"],
)
def test_the_tightest_limit_says_how_long_it_takes(pace: Throughput, seconds: float) -> None:
    (line,) = lines(100, pace)
    assert line.seconds == pytest.approx(seconds)
    assert not line.measured


def test_a_measured_latency_replaces_the_assumed_one() -> None:
    (line,) = lines(100, Throughput(10), genre=Calibration(50, 1.0, 100, 500))
    assert (line.measured, line.seconds) == (True, 5.0)
