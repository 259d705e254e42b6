"""Intervals are what scipy computes independently, and cover the truth as often as they say."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from manga_enrichment.domain.trials.intervals import bootstrap, mcnemar, wilson


@given(st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_has_the_interval_that_scipy_gives(trial: tuple[int, int]) -> None:
    successes, n = trial
    found = wilson(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert found.mean == successes / n
    assert math.isclose(found.low, expected.low, abs_tol=1e-9)
    assert math.isclose(found.high, expected.high, abs_tol=1e-9)
    assert 0 <= found.low <= found.mean <= found.high <= 1


@given(st.integers(0, 60), st.integers(0, 60))
def test_two_candidates_are_told_apart_as_scipy_does(one: int, other: int) -> None:
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert math.isclose(mcnemar(one, other), expected, rel_tol=1e-9)


@pytest.mark.parametrize("truth", [0.5, 0.8, 0.97])
def test_the_interval_of_a_share_holds_the_truth_in_about_95_of_100_samples(truth: float) -> None:
    rng = random.Random(7)
    samples = [sum(rng.random() < truth for _ in range(100)) for _ in range(1_000)]
    covered = sum(wilson(each, 100).low <= truth <= wilson(each, 100).high for each in samples)
    assert 925 <= covered <= 980


def test_the_interval_of_a_mean_is_near_that_of_scipys_bootstrap() -> None:
    rng = random.Random(1)
    values = [rng.betavariate(4, 2) for _ in range(120)]
    found = bootstrap(values, seed=5)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5_000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert math.isclose(found.mean, float(np.mean(values)))
    assert math.isclose(found.low, expected.low, abs_tol=0.01)
    assert math.isclose(found.high, expected.high, abs_tol=0.01)
    assert found == bootstrap(values, seed=5), "the same seed gives the same interval"


def test_what_was_never_counted_has_no_interval() -> None:
    for successes, n in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="is no share"):
            wilson(successes, n)
    with pytest.raises(ValueError, match="mean of nothing"):
        bootstrap([], seed=1)
