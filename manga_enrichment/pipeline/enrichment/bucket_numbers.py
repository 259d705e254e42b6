"""What one run sent for one analysis and bucket, from the ledger and the run's unledgered attempts.

Belongs here: counts, tokens, money and latency that stay right when an op is tried again. Stays out: what one try of an
op did (`pipeline/engine/tally.py`), rows of tables (`write.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from manga_enrichment.domain.outcomes.answers import LedgerEntry
from manga_enrichment.domain.percentiles import nearest_rank_or_zero


@dataclass(frozen=True, slots=True)
class BucketNumbers:
    """calls: sent by the run, retried ops included. cached: answers that another run has paid for."""

    calls: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micro_usd: int = 0
    latency_p50_ms: int = 0
    latency_p95_ms: int = 0


class NumbersSoFar:
    """Entries and attempts are added as they are found."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._sums = Counter[str]()
        self._latencies = Counter[int]()

    def add(self, entries: Iterable[LedgerEntry]) -> None:
        for entry in entries:
            if entry.provenance.run_id != self._run_id:
                self._sums["cached"] += 1
                continue
            for attempt in entry.attempts:
                self._add(attempt.usage.input_tokens, attempt.usage.output_tokens, attempt.cost_micro_usd)
                if attempt.stop_reason:
                    self._latencies[attempt.latency_ms] += 1

    def add_rows(self, unledgered: Iterable[Mapping[str, Any]]) -> None:
        for row in unledgered:
            if row["attempt"] > 0:
                self._add(row["input_tokens"], row["output_tokens"], row["cost_micro_usd"])
                if row["stop_reason"]:
                    self._latencies[row["latency_ms"]] += 1

    def result(self) -> BucketNumbers:
        return BucketNumbers(
            **self._sums,
            latency_p50_ms=nearest_rank_or_zero(self._latencies, 50),
            latency_p95_ms=nearest_rank_or_zero(self._latencies, 95),
        )

    def _add(self, input_tokens: int, output_tokens: int, cost_micro_usd: int) -> None:
        self._sums.update(
            calls=1, input_tokens=input_tokens, output_tokens=output_tokens, cost_micro_usd=cost_micro_usd
        )
