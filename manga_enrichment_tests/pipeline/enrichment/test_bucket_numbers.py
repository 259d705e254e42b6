"""A bucket's numbers tell what a run sent from what it found."""

from manga_enrichment.pipeline.enrichment.bucket_numbers import NumbersSoFar
from manga_enrichment_tests.builders import candidates_of, entry, record

LEVEL = "reading_level"
CANDIDATES = candidates_of([record(1), record(2)])


def test_a_bucket_counts_what_its_run_sent_and_what_it_found() -> None:
    own = entry(LEVEL, record(1), CANDIDATES[record(1).manga_id])
    found = entry(LEVEL, record(2), CANDIDATES[record(2).manga_id], run_id="run-0")
    left = {"attempt": 1, "input_tokens": 0, "output_tokens": 0, "cost_micro_usd": 11, "stop_reason": None}
    unsent = {**left, "attempt": 0, "cost_micro_usd": 0}
    so_far = NumbersSoFar("run-1")
    so_far.add([own])
    so_far.add([found])
    so_far.add_rows([left, unsent])
    numbers = so_far.result()
    assert (numbers.calls, numbers.cached) == (2, 1)
    assert numbers.cost_micro_usd == own.cost_micro_usd + 11
    assert numbers.input_tokens == own.attempts[0].usage.input_tokens
    assert numbers.latency_p50_ms == own.attempts[0].latency_ms
