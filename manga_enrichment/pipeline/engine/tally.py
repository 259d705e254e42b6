"""Counting what an op's calls came to: titles, attempts, tokens, money, latency, and what that teaches.

Belongs here: adding up results as they arrive. Stays out: the form of the report (`invoke_report.py`), calibrating
(`domain/models/calibration.py`).
"""

from collections import Counter, deque

from manga_enrichment.domain.durations import duration_text
from manga_enrichment.domain.models.calibration import Calibration, Sample, calibrate
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.answers import Attempt
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.percentiles import nearest_rank_or_zero
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.engine.invoke_report import InvokeReport

_LEFT = tuple(each.value for each in (ErrorClass.BUDGET, ErrorClass.BRAKE, ErrorClass.LEDGER_UNAVAILABLE))
"""Why titles are left that nothing is wrong with."""
MOST_SAMPLES = 10_000
"""First attempts that a calibration is made of: the newest."""


class Tally:
    """Counts results as they arrive; memory does not depend on what the results contain."""

    def __init__(self, analysis: str, planned: int = 0) -> None:
        """planned: titles that are to come, 0 where nobody knows."""
        self.analysis = analysis
        self.planned = planned
        self.titles = 0
        self.calls = 0
        self.cached = 0
        self.throttled = 0
        self.cost_micro_usd = 0
        self.outcomes: Counter[str] = Counter()
        self.error_classes: Counter[str] = Counter()
        self._usage = Usage()
        self._latencies_ms: Counter[int] = Counter()
        self._samples: deque[Sample] = deque(maxlen=MOST_SAMPLES)

    def add(self, result: CallResult) -> None:
        self.titles += 1
        self.cached += result.from_cache
        self.outcomes[result.outcome.value] += 1
        if result.error_class is not None:
            self.error_classes[result.error_class.value] += 1
        for attempt in result.attempts:
            self._add_attempt(attempt)
        if result.attempts and result.attempts[0].stop_reason:
            self._samples.append(_sample(result.call.estimate.uncalibrated_input_tokens, result.attempts[0]))

    def _add_attempt(self, attempt: Attempt) -> None:
        self.calls += 1
        self.throttled += attempt.error_class is ErrorClass.THROTTLED
        self.cost_micro_usd += attempt.cost_micro_usd
        self._usage += attempt.usage
        if attempt.stop_reason:
            self._latencies_ms[attempt.latency_ms] += 1

    def report(self, *, seconds: float, stopped_by: str = "", stopped_message: str = "") -> InvokeReport:
        return InvokeReport(
            analysis=self.analysis,
            titles=self.titles,
            calls=self.calls,
            cached=self.cached,
            throttled=self.throttled,
            outcomes=dict(self.outcomes),
            error_classes=dict(self.error_classes),
            input_tokens=self._usage.input_tokens,
            output_tokens=self._usage.output_tokens,
            cache_read_tokens=self._usage.cache_read_tokens,
            cache_write_tokens=self._usage.cache_write_tokens,
            cost_micro_usd=self.cost_micro_usd,
            latency_p50_ms=nearest_rank_or_zero(self._latencies_ms, 50),
            latency_p95_ms=nearest_rank_or_zero(self._latencies_ms, 95),
            seconds=round(seconds, 3),
            stopped_by=stopped_by,
            stopped_message=stopped_message,
        )

    def calibration(self) -> Calibration | None:
        """What this run teaches about the next; None when it asked too little."""
        return calibrate(self._samples)

    @property
    def left(self) -> int:
        """Titles that are still to come, as far as is known."""
        return max(0, self.planned - self.titles)

    @property
    def latency_p50_ms(self) -> int:
        """Of answered attempts; 0 before the first."""
        return nearest_rank_or_zero(self._latencies_ms, 50)

    def progress(self, per_second: float, throttled: int = 0, held_by: str = "") -> str:
        """How far it is, how long it takes still, what holds it now and what has. per_second: titles of late."""
        done = f"{self.titles} of {self.planned} titles" if self.planned else f"{self.titles} titles"
        until = f", about {duration_text(self.left / per_second)} more" if self.left and per_second else ""
        left_by = {"throttled": throttled, **{name: self.error_classes[name] for name in _LEFT}}
        by = ", ".join(f"{name} {count}" for name, count in left_by.items() if count)
        return (
            f"{self.analysis}: {done}, {per_second:.1f} a second{until}"
            + (f"; held by {held_by}; " if held_by and (self.left or not self.planned) else "; ")
            + f"{self.outcomes[Outcome.SUCCEEDED.value]} answered ({self.cached} from the ledger), "
            f"{self.outcomes[Outcome.FAILED.value]} failed, {self.calls} calls, {self.cost_micro_usd / 1e6:.4f} USD"
            + (f"; so far: {by}" if by else "")
        )


def _sample(estimated_input_tokens: int, attempt: Attempt) -> Sample:
    usage = attempt.usage
    billed = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return Sample(estimated_input_tokens, billed, usage.output_tokens, attempt.latency_ms)
