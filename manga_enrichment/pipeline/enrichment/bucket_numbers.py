"""What one run sent for one analysis and bucket, from the ledger and the run's unledgered attempts.

Belongs here: counts, tokens, money and latency that stay right when an op is tried again. Stays out: what one try of an
op did (`pipeline/engine/tally.py`), rows of tables (`write.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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

    @classmethod
    def of(
        cls, entries: Sequence[LedgerEntry], unledgered: Iterable[Mapping[str, Any]], run_id: str
    ) -> "BucketNumbers":
        own = [attempt for e in entries if e.provenance.run_id == run_id for attempt in e.attempts]
        sent = [row for row in unledgered if row["attempt"] > 0]
        answered = [attempt.latency_ms for attempt in own if attempt.stop_reason]
        latencies = Counter([*answered, *(row["latency_ms"] for row in sent if row["stop_reason"])])
        return cls(
            calls=len(own) + len(sent),
            cached=sum(e.provenance.run_id != run_id for e in entries),
            input_tokens=sum(a.usage.input_tokens for a in own) + sum(row["input_tokens"] for row in sent),
            output_tokens=sum(a.usage.output_tokens for a in own) + sum(row["output_tokens"] for row in sent),
            cost_micro_usd=sum(a.cost_micro_usd for a in own) + sum(row["cost_micro_usd"] for row in sent),
            latency_p50_ms=nearest_rank_or_zero(latencies, 50),
            latency_p95_ms=nearest_rank_or_zero(latencies, 95),
        )
