"""The number of runs follows the backlog."""

import pytest

from manga_enrichment.gateways.queue import QueueDepth
from manga_enrichment.pipeline.partner.scaling import BacklogRule, visible_per_run

RULE = BacklogRule(messages_per_run=10, min_runs=1, max_runs=20)


@pytest.mark.parametrize(
    ("visible", "in_flight", "wanted"), [(0, 0, 1), (1, 0, 1), (10, 0, 1), (11, 0, 2), (5, 6, 2), (5000, 0, 20)]
)
def test_one_run_is_wanted_per_ten_messages_within_bounds(visible: int, in_flight: int, wanted: int) -> None:
    assert RULE.wanted_runs(QueueDepth(visible, in_flight, 0)) == wanted


def test_nothing_starts_when_nothing_waits() -> None:
    assert RULE.free_runs(QueueDepth(0, 100, 5), 0) == 0


def test_what_is_in_flight_counts_and_never_goes_below_zero() -> None:
    assert RULE.free_runs(QueueDepth(35, 0, 0), 1) == 3
    assert RULE.free_runs(QueueDepth(35, 0, 0), 9) == 0


def test_a_message_that_comes_while_a_long_run_works_gets_a_run_of_its_own() -> None:
    assert RULE.free_runs(QueueDepth(1, 100, 0), 1) > 0


def test_the_metric_divides_what_waits_by_the_runs_there_are() -> None:
    assert visible_per_run(QueueDepth(30, 7, 2), 3) == 10
    assert visible_per_run(QueueDepth(30, 7, 2), 0) == 30
