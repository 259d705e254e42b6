"""A sample holds each kind of title in its share, is the same for the same seed, and grows by adding."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.trials.sampling import StratifiedSample, Stratum, shares, stratum_of
from manga_enrichment_tests.builders import record, title_id

KINDS = [Stratum("seinen", "japanese", "long"), Stratum("josei", "latin", "short"), Stratum("none", "latin", "none")]


def drawn(
    size: int, seed: int, titles: dict[str, Stratum], preferred: frozenset[str] = frozenset()
) -> dict[str, Stratum]:
    sample = StratifiedSample(size, seed)
    for manga_id, stratum in titles.items():
        sample.offer(manga_id, stratum, is_preferred=manga_id in preferred)
    return sample.drawn()


def catalog(*counts: int) -> dict[str, Stratum]:
    kinds = [kind for kind, count in zip(KINDS, counts, strict=False) for _ in range(count)]
    return {title_id(number): kind for number, kind in enumerate(kinds)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Stratum("josei", "latin", "long")),
        (
            {"demographics": ("Seinen", "josei"), "synopsis": "海辺の小さな本屋の話。"},
            Stratum("seinen", "japanese", "short"),
        ),
        ({"demographics": ("young adult",), "synopsis": None}, Stratum("other", "latin", "none")),
        ({"demographics": (), "synopsis": "바닷가의 작은 책방"}, Stratum("none", "other", "short")),
        ({"synopsis": None, "title": "星と灯台"}, Stratum("josei", "japanese", "none")),
        ({"synopsis": "a" * 159}, Stratum("josei", "latin", "short")),
        ({"synopsis": "a" * 160}, Stratum("josei", "latin", "middle")),
        ({"synopsis": "a" * 480}, Stratum("josei", "latin", "long")),
        ({"synopsis": None, "title": "1989"}, Stratum("josei", "latin", "none")),
    ],
)
def test_a_title_is_of_the_kind_that_its_demographic_language_and_text_say(changes: dict, expected: Stratum) -> None:
    long = record(synopsis="Two friends. " * 40)
    assert stratum_of(record(**{"synopsis": long.synopsis, **changes})) == expected


def test_each_kind_has_its_share() -> None:
    assert Counter(drawn(20, 1, catalog(100, 60, 40)).values()) == {KINDS[0]: 10, KINDS[1]: 6, KINDS[2]: 4}


def test_the_order_of_the_catalog_does_not_count_and_another_seed_draws_others() -> None:
    titles = catalog(50, 30, 20)
    shuffled = dict(random.Random(3).sample(list(titles.items()), len(titles)))
    assert drawn(10, 1, titles) == drawn(10, 1, shuffled)
    assert drawn(10, 1, titles) != drawn(10, 2, titles)


def test_a_larger_sample_holds_a_smaller_one() -> None:
    titles = catalog(100, 60, 40)
    assert drawn(20, 1, titles).keys() < drawn(60, 1, titles).keys()


def test_titles_whose_truth_is_known_are_drawn_first_within_their_kind() -> None:
    titles = catalog(50, 50)
    known = frozenset(sorted(titles)[:6])  # all of the first kind
    chosen = drawn(20, 1, titles, known)
    assert known < chosen.keys()
    assert Counter(chosen.values()) == {KINDS[0]: 10, KINDS[1]: 10}


def test_more_than_there_is_draws_all() -> None:
    titles = catalog(3, 2, 1)
    assert drawn(50, 1, titles) == titles


@given(st.lists(st.integers(1, 500), min_size=1, max_size=3), st.integers(1, 600))
def test_shares_are_whole_fit_the_size_and_are_nearest_to_proportion(counts: list[int], size: int) -> None:
    offered = Counter(dict(zip(KINDS, counts, strict=False)))
    found = shares(offered, size)
    total = sum(counts)
    assert sum(found.values()) == min(size, total)
    for stratum, count in offered.items():
        assert 0 <= found[stratum] <= count
        assert size >= total or abs(found[stratum] - size * count / total) < 1
