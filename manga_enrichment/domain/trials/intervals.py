"""A share or a mean over a sample, and between what it lies with 95 % confidence.

Belongs here: Wilson's interval of a share, the bootstrap's of a mean, McNemar's exact test of two candidates. Stays
out: what is counted (`comparison.py`), tests of whole distributions.

Shares: Wilson (1927), which Brown, Cai and DasGupta (2001, "Interval Estimation for a Binomial Proportion") recommend
for small samples: it never leaves 0 to 1, and is no point where all agree. Means of graded likenesses: the percentile
bootstrap of Efron and Tibshirani (1993), seeded. Both take a sample for a simple one; of one drawn in proportion by
strata the truth is, if anything, a little narrower.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Z_95 = 1.959963984540054
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Interval:
    """mean of n values, 0 to 1, and its 95 % confidence interval. by: wilson or bootstrap."""

    mean: float
    low: float
    high: float
    n: int
    by: str


def wilson(successes: int, n: int) -> Interval:
    """Of a share. Raises ValueError without a trial."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    share, z_squared = successes / n, Z_95**2
    center = (share + z_squared / (2 * n)) / (1 + z_squared / n)
    half = Z_95 / (1 + z_squared / n) * math.sqrt(share * (1 - share) / n + z_squared / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, center - half)  # exactly so, but for rounding
    high = 1.0 if successes == n else min(1.0, center + half)
    return Interval(share, low, high, n, "wilson")


def bootstrap(values: Sequence[float], seed: int) -> Interval:
    """Of a mean. Raises ValueError without a value."""
    if not values:
        raise ValueError("the mean of nothing is none")
    n, rng = len(values), random.Random(seed)  # noqa: S311 (resampling, not secrets)
    means = sorted(math.fsum(rng.choices(values, k=n)) / n for _ in range(RESAMPLES))
    low, high = means[int(RESAMPLES * 0.025)], means[int(RESAMPLES * 0.975) - 1]
    return Interval(math.fsum(values) / n, low, high, n, "bootstrap")


def mcnemar(only_one_right: int, only_other_right: int) -> float:
    """The exact two-sided p-value that two candidates, asked the same, are right equally often."""
    n, fewer = only_one_right + only_other_right, min(only_one_right, only_other_right)
    tail = sum(math.comb(n, count) for count in range(fewer + 1))
    return min(1.0, float(Fraction(2 * tail, 2**n)))
