"""What partners are told to expect follows what was measured, and no single request moves it far."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.requests.pace import FORGOTTEN_AFTER, Pace, moved

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SECONDS = st.floats(0, 86_400)


def test_the_first_measurement_is_the_pace() -> None:
    assert moved(None, [2.0, 90.0, 3.0], NOW) == Pace(3.0, NOW)


def test_one_slow_request_moves_it_by_a_tenth() -> None:
    assert moved(Pace(2.0, NOW), [102.0], NOW).seconds == pytest.approx(12.0)


def test_after_many_requests_it_is_theirs() -> None:
    assert moved(Pace(600.0, NOW), [2.0] * 100, NOW).seconds == pytest.approx(2.0, abs=0.1)


def test_what_was_measured_before_the_last_hour_counts_no_more() -> None:
    old = Pace(600.0, NOW - FORGOTTEN_AFTER - timedelta(seconds=1))
    assert moved(old, [2.0], NOW) == Pace(2.0, NOW)


@given(SECONDS, st.lists(SECONDS, min_size=1, max_size=20))
def test_it_lies_between_what_it_was_and_what_was_measured(present: float, seconds: list[float]) -> None:
    found = moved(Pace(present, NOW), seconds, NOW).seconds
    assert min(present, *seconds) - 1e-6 <= found <= max(present, *seconds) + 1e-6
