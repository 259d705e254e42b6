"""A percentile is the smallest seen value that is not below so many percent of all."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.percentiles import nearest_rank, nearest_rank_or_zero


def test_percentiles_are_by_nearest_rank() -> None:
    counts = {10: 50, 20: 45, 90: 5}
    assert [nearest_rank(counts, percent) for percent in (50, 95, 99)] == [10, 20, 90]


@given(st.lists(st.integers(-1000, 1000) | st.floats(-10, 10), min_size=1), st.integers(1, 100))
def test_so_many_percent_are_not_above_it_and_fewer_are_not_above_any_smaller_value(
    values: list[float], percent: int
) -> None:
    found = nearest_rank(Counter(values), percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def test_no_values_have_no_percentile_and_are_shown_as_zero() -> None:
    with pytest.raises(ValueError, match="no values"):
        nearest_rank({}, 50)
    assert nearest_rank_or_zero({}, 50) == 0
    assert nearest_rank_or_zero({7: 1}, 50) == 7
