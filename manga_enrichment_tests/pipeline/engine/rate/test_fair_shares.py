"""Weighted max-min shares, as every sender computes them from the same items."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.pipeline.engine.rate.fair_share import fair_shares, max_min
from manga_enrichment_tests.pipeline.engine.rate.senders import made_sender

NAMES = "abcdefgh"


def test_lanes_that_want_all_get_it_by_weight() -> None:
    shares = fair_shares([made_sender("u", weight=16), made_sender("n", weight=4), made_sender("b", weight=2)], 110.0)
    assert shares == pytest.approx({"u": 80.0, "n": 20.0, "b": 10.0})


def test_a_lane_keeps_its_weight_however_many_runs_it_has() -> None:
    runs = [made_sender(f"u{number}", lane="urgent", weight=16) for number in range(4)]
    shares = fair_shares([*runs, made_sender("n", weight=4)], 100.0)
    assert shares["n"] == pytest.approx(20.0)
    assert {shares[run.name] for run in runs} == {20.0}


def test_an_idle_run_leaves_its_part_to_the_other_runs_of_its_lane() -> None:
    idle, busy = made_sender("u1", lane="urgent", weight=16, demand=0.0), made_sender("u2", lane="urgent", weight=16)
    shares = fair_shares([idle, busy, made_sender("n", weight=4)], 100.0)
    assert shares == pytest.approx({"u1": 0.0, "u2": 80.0, "n": 20.0})


def test_what_a_lane_does_not_want_the_others_get_by_weight() -> None:
    shares = fair_shares(
        [made_sender("u", weight=16, demand=4.0), made_sender("n", weight=4), made_sender("b", weight=2)], 100.0
    )
    assert shares == pytest.approx({"u": 4.0, "n": 64.0, "b": 32.0})


def test_what_nobody_wants_is_given_by_weight_so_that_who_wakes_may_go_on_at_once() -> None:
    shares = fair_shares([made_sender("u", weight=3, demand=0.0), made_sender("n", weight=1, demand=0.0)], 100.0)
    assert shares == pytest.approx({"u": 75.0, "n": 25.0})


wants = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(st.floats(0.1, 1_000), st.one_of(st.just(math.inf), st.floats(0, 1_000))),
    min_size=1,
)


@given(wants, st.floats(0.001, 10_000))
def test_all_of_it_is_given_and_nobody_gains_by_wanting_less(
    wanted: dict[str, tuple[float, float]], capacity: float
) -> None:
    given_out = max_min(wanted, capacity)
    assert sum(given_out.values()) == pytest.approx(capacity)
    by_weight = capacity / sum(weight for weight, _ in wanted.values())
    for name, (weight, demand) in wanted.items():
        assert given_out[name] >= min(demand, weight * by_weight) * (1 - 1e-9)
