"""What an op says about its work: counts, tokens, money, latency. Plain JSON values, summed over buckets."""

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from manga_enrichment.domain.models.calibration import Calibration, Sample, calibrate, nearest_rank
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry
from manga_enrichment.domain.outcomes.error_classes import Outcome
from manga_enrichment.pipeline.engine.calls import CallResult


@dataclass(slots=True)
class InvokeReport:
    """One analysis over some buckets. calls: requests sent; cached: answered from the ledger."""

    analysis: str
    titles: int = 0
    calls: int = 0
    cached: int = 0
    throttled: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    error_classes: dict[str, int] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_micro_usd: int = 0
    latency_p50_ms: int = 0
    latency_p95_ms: int = 0
    seconds: float = 0.0
    stopped_by: str = ""
    stopped_message: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "InvokeReport":
        return cls(**values)


class Tally:
    """Counts results as they arrive; memory does not depend on what the results contain."""

    def __init__(self, analysis: str) -> None:
        self.analysis = analysis
        self.titles = 0
        self.calls = 0
        self.cached = 0
        self.cost_micro_usd = 0
        self.outcomes: Counter[str] = Counter()
        self.error_classes: Counter[str] = Counter()
        self._usage = Usage()
        self._latencies_ms = array("l")
        self._samples = _Samples()

    def add(self, result: CallResult) -> None:
        self.titles += 1
        self.cached += result.from_cache
        self.outcomes[result.outcome.value] += 1
        if result.error_class is not None:
            self.error_classes[result.error_class.value] += 1
        for attempt in result.attempts:
            self._add_attempt(attempt)
        if result.attempts and result.attempts[0].stop_reason:
            self._samples.add(result.call.estimate.uncalibrated_input_tokens, result.attempts[0])

    def _add_attempt(self, attempt: Attempt) -> None:
        self.calls += 1
        self.cost_micro_usd += attempt.cost_micro_usd
        self._usage += attempt.usage
        if attempt.stop_reason:
            self._latencies_ms.append(attempt.latency_ms)

    def report(self, *, seconds: float, throttled: int, stopped_by: str, stopped_message: str) -> InvokeReport:
        latencies = sorted(self._latencies_ms)
        return InvokeReport(
            analysis=self.analysis,
            titles=self.titles,
            calls=self.calls,
            cached=self.cached,
            throttled=throttled,
            outcomes=dict(self.outcomes),
            error_classes=dict(self.error_classes),
            input_tokens=self._usage.input_tokens,
            output_tokens=self._usage.output_tokens,
            cache_read_tokens=self._usage.cache_read_tokens,
            cache_write_tokens=self._usage.cache_write_tokens,
            cost_micro_usd=self.cost_micro_usd,
            latency_p50_ms=_percentile(latencies, 50),
            latency_p95_ms=_percentile(latencies, 95),
            seconds=round(seconds, 3),
            stopped_by=stopped_by,
            stopped_message=stopped_message,
        )

    def calibration(self) -> Calibration | None:
        """What this run teaches about the next; None when it asked too little."""
        return self._samples.calibration()

    def progress(self) -> str:
        return (
            f"{self.analysis}: {self.titles} titles, {self.outcomes[Outcome.SUCCEEDED.value]} answered "
            f"({self.cached} from the ledger), {self.outcomes[Outcome.FAILED.value]} failed, "
            f"{self.calls} calls, {self.cost_micro_usd / 1e6:.4f} USD"
        )


@dataclass(frozen=True, slots=True)
class BucketNumbers:
    """What one run sent for one analysis and bucket, from ledger and unledgered attempts; retried ops included."""

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
        latencies = sorted([*answered, *(row["latency_ms"] for row in sent if row["stop_reason"])])
        return cls(
            calls=len(own) + len(sent),
            cached=sum(e.provenance.run_id != run_id for e in entries),
            input_tokens=sum(a.usage.input_tokens for a in own) + sum(row["input_tokens"] for row in sent),
            output_tokens=sum(a.usage.output_tokens for a in own) + sum(row["output_tokens"] for row in sent),
            cost_micro_usd=sum(a.cost_micro_usd for a in own) + sum(row["cost_micro_usd"] for row in sent),
            latency_p50_ms=_percentile(latencies, 50),
            latency_p95_ms=_percentile(latencies, 95),
        )


class _Samples:
    """The newest first attempts, for calibration; bounded."""

    MOST = 10_000

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=self.MOST)

    def add(self, estimated_input_tokens: int, attempt: Attempt) -> None:
        usage = attempt.usage
        billed = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        self._samples.append(Sample(estimated_input_tokens, billed, usage.output_tokens, attempt.latency_ms))

    def calibration(self) -> Calibration | None:
        return calibrate(self._samples)


def _percentile(ordered: list[int], percent: int) -> int:
    """Nearest rank; 0 for no values."""
    return nearest_rank(ordered, percent) if ordered else 0
