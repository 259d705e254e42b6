"""What earlier calls teach about later ones: how far estimates were off, how long answers are.

Estimates before a call come from rules of thumb (`domain/prompts/tokens.py`, `AnalysisType.expected_output_tokens`).
Once an analysis has been asked some dozens of times of a model, the 99th percentile of what was billed replaces them:
of input and of output each, so that both hold for 95 titles in a hundred. A sum over many titles goes by the mean.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from manga_enrichment.domain.percentiles import nearest_rank

MIN_SAMPLES = 30
PERCENT = 99


@dataclass(frozen=True, slots=True)
class Sample:
    """One answered request: tokens estimated and billed (input with cached tokens), and how long it took."""

    estimated_input_tokens: int
    input_tokens: int
    output_tokens: int
    latency_ms: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """For one analysis and model. input_factor: billed per estimated input token.

    input_factor and output_tokens are 99th percentiles, mean_... means with their own uncertainty added; None: of an
    earlier release.
    """

    samples: int
    input_factor: float
    output_tokens: int
    latency_p50_ms: int
    mean_input_factor: float | None = None
    mean_output_tokens: int | None = None


def calibrate(samples: Collection[Sample]) -> Calibration | None:
    """None when there are too few samples to go by."""
    if len(samples) < MIN_SAMPLES:
        return None
    factors = Counter(sample.input_tokens / max(1, sample.estimated_input_tokens) for sample in samples)
    outputs = Counter(sample.output_tokens for sample in samples)
    latencies = Counter(sample.latency_ms for sample in samples)
    return Calibration(
        samples=len(samples),
        input_factor=nearest_rank(factors, PERCENT),
        output_tokens=nearest_rank(outputs, PERCENT),
        latency_p50_ms=nearest_rank(latencies, 50),
        mean_input_factor=_mean_at_most(list(factors.elements())),
        mean_output_tokens=math.ceil(_mean_at_most(list(outputs.elements()))),
    )


def _mean_at_most(values: Sequence[float]) -> float:
    """The mean and three times its standard error: what the mean of more like these hardly exceeds."""
    return fmean(values) + 3 * pstdev(values) / math.sqrt(len(values))
