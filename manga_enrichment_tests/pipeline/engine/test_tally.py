"""Numbers that people see: sums over results, sums over what is stored."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.answers import Attempt
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.prompts.prompt import title_inputs
from manga_enrichment.pipeline.engine.build_call import Question, build_call
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import candidates_of, model_of, record
from manga_enrichment_tests.fakes import START

LEVEL = "reading_level"
CANDIDATES = candidates_of([record(1), record(2)])


def call(number: int = 1) -> Call:
    analysis = ANALYSES[LEVEL]
    return build_call(Question(analysis, model_of(analysis), title_inputs(analysis, record(number))), "0")


def attempt(number: int = 1, *, latency_ms: int = 100, cost_micro_usd: int = 7, answered: bool = True) -> Attempt:
    usage = Usage(100, 20, 5, 1) if answered else Usage()
    return Attempt(number, START, latency_ms, usage, cost_micro_usd, stop_reason="tool_use" if answered else "")


def report_of(tally: Tally) -> InvokeReport:
    return tally.report(seconds=1.23456, stopped_by="", stopped_message="")


def test_a_tally_adds_up_titles_attempts_tokens_and_money() -> None:
    tally = Tally(LEVEL)
    refused = replace(attempt(1, answered=False, cost_micro_usd=0), error_class=ErrorClass.THROTTLED)
    tally.add(CallResult(call(), Outcome.SUCCEEDED, attempts=(refused, refused, attempt(3))))
    tally.add(CallResult(call(2), Outcome.SUCCEEDED, from_cache=True))
    tally.add(CallResult(call(3), Outcome.FAILED, error_class=ErrorClass.REFUSAL, attempts=(attempt(),)))
    report = report_of(tally)
    assert (report.titles, report.calls, report.cached, report.throttled) == (3, 4, 1, 2)
    assert report.outcomes == {"succeeded": 2, "failed": 1}
    assert report.error_classes == {"refusal": 1}
    assert (report.input_tokens, report.output_tokens) == (200, 40)
    assert (report.cache_read_tokens, report.cache_write_tokens) == (10, 2)
    assert (report.cost_micro_usd, report.seconds) == (14, 1.235)
    counted = "2 answered (1 from the ledger), 1 failed, 4 calls, 0.0000 USD"
    assert tally.progress(0.3) == f"{LEVEL}: 3 titles, 0.3 a second; {counted}"


def test_progress_says_of_how_many_how_long_still_and_what_holds_it() -> None:
    tally = Tally(LEVEL, planned=603)
    tally.add(CallResult(call(), Outcome.SUCCEEDED, attempts=(attempt(cost_micro_usd=2_500),)))
    for number in (2, 3):
        tally.add(CallResult(call(number), Outcome.DEFERRED, error_class=ErrorClass.BUDGET))
    assert tally.progress(2.0, throttled=7, held_by="the quota: 4 calls wait for their turn") == (
        f"{LEVEL}: 3 of 603 titles, 2.0 a second, about 5.0 min more; held by the quota: 4 calls wait for their turn; "
        "1 answered (0 from the ledger), 0 failed, 1 calls, 0.0025 USD; so far: throttled 7, budget 2"
    )
    assert "more" not in tally.progress(0.0), "nobody knows how long what stands still takes"
    done = Tally(LEVEL, planned=1)
    done.add(CallResult(call(), Outcome.SUCCEEDED, attempts=(attempt(),)))
    assert "held by" not in done.progress(1.0, held_by="the model"), "nothing is left that could be held"


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=50))
def test_latencies_are_of_answered_attempts_at_nearest_rank(latencies: list[int]) -> None:
    tally = Tally(LEVEL)
    for latency_ms in latencies:
        tally.add(CallResult(call(), Outcome.SUCCEEDED, attempts=(attempt(latency_ms=latency_ms),)))
    tally.add(CallResult(call(), Outcome.FAILED, attempts=(attempt(latency_ms=10**6, answered=False),)))
    report = report_of(tally)
    ordered = sorted(latencies)
    assert report.latency_p50_ms == ordered[(len(ordered) + 1) // 2 - 1]
    assert report.latency_p50_ms <= report.latency_p95_ms <= ordered[-1]


def test_without_answers_there_is_no_latency() -> None:
    report = report_of(Tally(LEVEL))
    assert (report.latency_p50_ms, report.latency_p95_ms) == (0, 0)


def test_a_report_travels_between_ops_as_json() -> None:
    tally = Tally(LEVEL)
    tally.add(CallResult(call(), Outcome.DEFERRED, error_class=ErrorClass.BUDGET))
    report = report_of(tally)
    assert InvokeReport.from_dict(json.loads(json.dumps(report.as_dict()))) == report


def test_what_a_run_learns_needs_enough_answers() -> None:
    tally = Tally(LEVEL)
    for number in range(29):
        tally.add(CallResult(call(number), Outcome.SUCCEEDED, attempts=(attempt(),)))
    assert tally.calibration() is None
    tally.add(CallResult(call(30), Outcome.SUCCEEDED, attempts=(attempt(latency_ms=900),)))
    learned = tally.calibration()
    assert learned is not None
    assert (learned.samples, learned.output_tokens, learned.latency_p50_ms) == (30, 20, 100)
