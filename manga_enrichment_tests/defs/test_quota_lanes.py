"""Every queue of requests has a lane, every lane a weight, and a setting changes single ones."""

import pytest

from manga_enrichment.defs.shared.tags import quota_lane
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.operations.quota_lanes import LANE_OF_QUEUE, LANE_WEIGHTS
from manga_enrichment.domain.requests.queues import REQUEST_QUEUES
from manga_enrichment.settings import load_settings


def test_every_queue_of_requests_has_a_lane_with_a_weight() -> None:
    assert set(LANE_OF_QUEUE) == {queue.name for queue in REQUEST_QUEUES}
    assert set(LANE_OF_QUEUE.values()) < set(LANE_WEIGHTS)


@pytest.mark.parametrize(
    ("tags", "lane"),
    [
        ({"manga/queue": "manga-fm-high-priority"}, "urgent"),
        ({"manga/queue": "manga-fm-session.fifo"}, "conversations"),
        ({"manga/queue": "manga-fm-normal"}, "normal"),
        ({"manga/queue": "manga-fm-low-priority"}, "low"),
        ({"dagster/schedule_name": "nightly", "night": "2026-01-01", "lane": "nightly"}, "night"),
        ({"night": "2026-01-01", "lane": "nightly"}, "night"),
        ({"dagster/backfill": "abc", "lane": "nightly"}, "backfill"),
        ({}, "backfill"),
    ],
)
def test_a_run_tells_its_lane(tags: dict[str, str], lane: str) -> None:
    assert quota_lane(tags) == lane


def test_a_setting_changes_the_weights_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANGA_LANE_WEIGHTS", '{"night": 8}')
    assert load_settings().lane_weights == {**LANE_WEIGHTS, "night": 8.0}


@pytest.mark.parametrize("weights", ['{"nights": 8}', '{"night": 0}', '{"night": -1}', '{"night": "nan"}'])
def test_a_wrong_weight_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, weights: str) -> None:
    monkeypatch.setenv("MANGA_LANE_WEIGHTS", weights)
    with pytest.raises(ConfigurationError, match=r"MANGA_LANE_WEIGHTS.*not a lane with a weight of 0.1 to 1,000"):
        load_settings()
