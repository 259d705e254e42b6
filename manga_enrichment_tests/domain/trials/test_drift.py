"""Drift is found by the stated tests, whose p-values are scipy's, and only where somebody would notice it."""

import math
import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from manga_enrichment.domain.tables.columns import Column, ListOf
from manga_enrichment.domain.trials.canary import Canary, CanaryState
from manga_enrichment.domain.trials.drift import (
    WITHOUT_ANSWER,
    Finding,
    chi_square,
    chi_square_tail,
    find_drift,
    fisher,
    holm,
    kolmogorov_smirnov,
)
from manga_enrichment_tests.builders import title_id

LEVEL = Column("level", "string", "", False, ("kids", "teen", "adult"))
TEXT = Column("summary", "string", "", False)
SURE = Column("confidence", "float64", "", False)
TAGS = Column("themes", ListOf("string"), "", False)
WEIGHTS = {"kids": 2, "teen": 5, "adult": 3}


def rows(count: int, seed: int, *, shift: float = 0.0, longer: float = 1.0) -> list[dict[str, object]]:
    """shift: the chance that a level becomes adult."""
    rng = random.Random(seed)
    return [
        {
            "level": "adult" if rng.random() < shift else rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0],
            "summary": "x" * int(rng.gauss(200, 30) * longer),
            "confidence": rng.random(),
            "themes": ["t"] * rng.randint(0, 4),
        }
        for _ in range(count)
    ]


@given(st.floats(0.0, 200.0), st.integers(1, 40))
def test_the_tail_of_chi_square_is_scipys(statistic: float, freedom: int) -> None:
    assert math.isclose(chi_square_tail(statistic, freedom), stats.chi2.sf(statistic, freedom), abs_tol=1e-9)


@given(st.lists(st.tuples(st.integers(20, 400), st.integers(20, 400)), min_size=2, max_size=8))
def test_the_test_of_values_is_scipys(counts: list[tuple[int, int]]) -> None:
    before, after = (Counter({f"v{n}": pair[side] for n, pair in enumerate(counts)}) for side in (0, 1))
    expected = stats.chi2_contingency(counts, correction=False)
    assume(expected.expected_freq.min() >= 5)
    assert math.isclose(chi_square(before, after), expected.pvalue, abs_tol=1e-9)


def test_rare_values_count_as_one() -> None:
    before = Counter({"a": 500, "b": 500, **{f"rare {n}": 1 for n in range(20)}})
    after = Counter({"a": 50, "b": 50, **{f"other {n}": 1 for n in range(20)}})
    pooled = stats.chi2_contingency([[500, 500, 20], [50, 50, 20]], correction=False)
    assert chi_square(before, after) == pytest.approx(pooled.pvalue, rel=1e-6) or pooled.expected_freq.min() < 5
    assert chi_square(Counter("a"), Counter("b")) == 1.0


@given(st.integers(0, 40), st.integers(0, 60), st.integers(0, 40), st.integers(0, 300))
def test_the_test_of_shares_is_scipys(hits: int, misses: int, other_hits: int, other_misses: int) -> None:
    assume(hits + misses and other_hits + other_misses)
    expected = stats.fisher_exact([[hits, misses], [other_hits, other_misses]]).pvalue
    assert math.isclose(fisher(hits, hits + misses, other_hits, other_hits + other_misses), expected, abs_tol=1e-6)


@pytest.mark.parametrize("longer", [1.0, 1.03, 1.1, 1.5])
def test_the_test_of_lengths_is_near_scipys(longer: float) -> None:
    one, other = (
        [float(len(str(row["summary"]))) for row in rows(n, n, longer=x)] for n, x in ((300, 1.0), (80, longer))
    )
    expected = stats.ks_2samp(one, other, method="exact")
    distance, p_value = kolmogorov_smirnov(one, other)
    assert distance == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, abs=0.03)


def test_many_tests_are_corrected_as_holm_says() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_same_distribution_is_hardly_ever_called_drift() -> None:
    columns = [LEVEL, TEXT, SURE, TAGS]
    alarms = sum(
        any(each.has_drifted for each in find_drift(columns, rows(400, seed), rows(60, seed + 1000), (8, 1), 0.1))
        for seed in range(100)
    )
    assert alarms <= 3


@pytest.mark.parametrize(
    ("after", "missing", "what"),
    [
        (rows(120, 2, shift=0.5), (8, 2), "level"),
        (rows(120, 2, longer=1.4), (8, 2), "length of summary"),
        (rows(120, 2), (8, 40), WITHOUT_ANSWER),
    ],
)
def test_what_moved_is_found_and_nothing_else(
    after: list[dict[str, object]], missing: tuple[int, int], what: str
) -> None:
    found = find_drift([LEVEL, TEXT, SURE, TAGS], rows(400, 1), after, missing, 0.1)
    assert [each.what for each in found if each.has_drifted] == [what]
    assert len(found) == 5


def test_a_large_catalog_does_not_fail_for_what_nobody_would_notice() -> None:
    found = find_drift([LEVEL], rows(40_000, 1), rows(20_000, 2, shift=0.04), (0, 0), 0.1)
    level = next(each for each in found if each.what == "level")
    assert level.p_value < 1e-6
    assert not level.has_drifted


def test_fewer_titles_without_an_answer_are_no_drift() -> None:
    (found,) = find_drift([], rows(100, 1), rows(100, 2), (60, 0), 0.1)
    assert found.p_value < 0.01
    assert not found.has_drifted


CANARY = Canary("reading_level", "2", "m", 5, datetime(2026, 1, 1, tzinfo=UTC))
DRIFT = Finding("level", "chi-square", 0.4, 0.0001, "adult 30% before, 65% now", has_drifted=True)


def test_a_canary_has_its_share_of_titles_by_hash() -> None:
    ids = [title_id(n) for n in range(20_000)]
    own = [each for each in ids if CANARY.has(each)]
    assert len(own) == pytest.approx(1_000, rel=0.15)
    other = Canary("reading_level", "3", "m", 5, CANARY.started_at)
    assert own != [each for each in ids if other.has(each)], "not always the same titles"
    assert [each for each in ids if not CANARY.holds_back(each)] == own


def test_a_canary_that_passed_holds_nothing_back_and_one_that_failed_everything() -> None:
    passed, failed = CANARY.judged([]), CANARY.judged([DRIFT])
    assert (passed.state, failed.state) == (CanaryState.PASSED, CanaryState.FAILED)
    ids = [title_id(n) for n in range(100)]
    assert not any(map(passed.holds_back, ids))
    assert all(map(failed.holds_back, ids))
    assert failed.said == "level: adult 30% before, 65% now (chi-square, p 0.0001)"
    assert failed.reason == f"the canary of reading_level failed: {failed.said}"


def test_what_is_meant_to_change_does_not_fail_a_canary() -> None:
    meant = Canary("reading_level", "2", "m", 5, CANARY.started_at, may_drift=("level", "summary"))
    longer = Finding("length of summary", "Kolmogorov-Smirnov", 0.4, 0.0001, "", has_drifted=True)
    assert meant.judged([DRIFT, longer]).state is CanaryState.PASSED
