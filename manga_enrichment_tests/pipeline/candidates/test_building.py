"""What does not fit into memory at once is worked at in ranges that together miss nothing."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.pipeline.candidates.building import counts_of, ranges_of


@given(st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 5), max_size=300), st.integers(1, 400))
def test_ranges_ascend_and_each_term_is_in_one(terms: list[int], at_once: int) -> None:
    ranges = list(ranges_of(np.array(terms, np.int32), at_once))
    assert len(ranges) == 1 + len(terms) // at_once
    inside = [sorted(term for term in terms if low < term <= high) for low, high in ranges]
    assert [term for each in inside for term in each] == sorted(terms)


def test_terms_are_spread_evenly_over_the_ranges() -> None:
    terms = np.random.default_rng(1).integers(0, 2**31, 50_000).astype(np.int32)
    sizes = [int(((terms > low) & (terms <= high)).sum()) for low, high in ranges_of(terms, 5_000)]
    assert len(sizes) == 11
    assert max(sizes) < 5_500


@given(st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 9), max_size=100), st.integers(1, 120))
def test_terms_of_two_and_more_titles_are_counted_in_however_many_passes(
    tmp_path_factory: pytest.TempPathFactory, terms: list[int], at_once: int
) -> None:
    folder: Path = tmp_path_factory.mktemp("counted")
    np.array(terms, "<i4").tofile(folder / "terms")
    known, counts = counts_of(folder, at_once)
    expected = sorted((term, titles) for term, titles in Counter(terms).items() if titles > 1)
    assert list(zip(known.tolist(), counts.tolist(), strict=True)) == expected
