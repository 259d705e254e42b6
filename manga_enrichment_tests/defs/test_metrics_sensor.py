"""Numbers for CloudWatch: gauges at every tick, counts once per ended run, a heartbeat once per night."""

from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.partner.assets import PARTNER_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.operations.metrics import (
    BACKLOG_PER_TASK,
    COST_USD,
    DLQ_DEPTH,
    FAILED_TITLES,
    LATENCY_P95,
    NIGHTLY_SUCCEEDED,
    THROTTLES,
    TITLES_ENRICHED,
)
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment_tests.builders import title_id, write_source
from manga_enrichment_tests.defs.health_lane import HealthLane, unit_config
from manga_enrichment_tests.defs.project import rows
from manga_enrichment_tests.fakes import ScriptedModel

pytestmark = pytest.mark.slow

ANSWERS = 9 * 4  # titles with enough text, times tables


@pytest.fixture
def lane(tmp_path: Path) -> HealthLane:
    write_source(tmp_path / "catalog.jsonl", rows())
    lane = HealthLane(tmp_path)
    lane.tick("metrics")
    lane.metrics.points.clear()
    return lane


def night(lane: HealthLane, bucket: str, date: str = "2026-01-15") -> bool:
    return lane.run(NIGHTLY_JOB, tags={**range_tags(bucket, bucket), "night": date}).success


def test_every_minute_has_depths_backlog_and_the_cost_of_the_day(lane: HealthLane) -> None:
    lane.world.queue.send(DEAD_LETTERS, "x")
    for _ in range(3):
        lane.world.send_text("x")
    lane.tick("metrics")
    values = lane.metrics.values
    assert values(DLQ_DEPTH, ("QueueType", "standard")) == [1]
    assert values(DLQ_DEPTH, ("QueueType", "fifo")) == [0]
    assert values(BACKLOG_PER_TASK) == [3]
    assert values(BACKLOG_PER_TASK, ("QueueName", NORMAL.name)) == [3]
    assert values(COST_USD) == [0]
    assert values(TITLES_ENRICHED) == []


def test_what_partners_waited_is_told_by_queue_while_a_look_is_fresh(lane: HealthLane) -> None:
    lane.world.base.model = ScriptedModel(lane.world.clock, latency_seconds=4)
    lane.world.send()
    lane.world.work()
    lane.observe()
    lane.tick("metrics")
    assert lane.metrics.values(LATENCY_P95, ("QueueName", NORMAL.name)) == [4]
    lane.world.clock.advance(601)
    lane.tick("metrics")
    assert len(lane.metrics.values(LATENCY_P95, ("QueueName", NORMAL.name))) == 1


def test_the_cost_of_the_day_is_what_its_budget_counter_says(lane: HealthLane) -> None:
    assert night(lane, "0")
    lane.tick("metrics")
    committed, spent = lane.world.base.budget.spent(f"day:{lane.world.clock.now().date()}")
    assert committed == spent > 0
    assert lane.metrics.values(COST_USD) == [spent / 1e6]


def test_a_run_counts_once_by_lane_and_in_all(lane: HealthLane) -> None:
    assert night(lane, "0")
    lane.tick("metrics")
    assert night(lane, "1")
    lane.tick("metrics")
    lane.tick("metrics")
    assert sum(lane.metrics.values(TITLES_ENRICHED)) == ANSWERS
    assert sum(lane.metrics.values(TITLES_ENRICHED, ("Lane", "nightly"))) == ANSWERS
    assert len(lane.metrics.values(TITLES_ENRICHED)) == 2
    assert night(lane, "0")
    lane.tick("metrics")
    assert lane.metrics.values(TITLES_ENRICHED)[-1] == 0


def test_failures_and_throttles_of_a_run_are_counted(lane: HealthLane) -> None:
    refused = ModelError(ErrorClass.INVALID_REQUEST, "no")
    throttled = ModelError(ErrorClass.THROTTLED, "slow down")
    script = {title_id(number): [throttled] for number in range(12)}
    lane.world.base.model = ScriptedModel(lane.world.clock, script, otherwise=refused)
    night(lane, "0")
    lane.tick("metrics")
    asked = len({sent.manga_id for sent in lane.world.base.model.sent})
    assert lane.metrics.values(THROTTLES) == [asked]
    assert lane.metrics.values(FAILED_TITLES) == [asked]


def test_a_partner_run_counts_the_answers_it_paid_for(tmp_path: Path) -> None:
    lane = HealthLane(tmp_path, catalog_buckets=1)
    lane.tick("metrics")
    lane.world.send([(1, "reading_level"), (2, "reading_level")])
    (unit,) = lane.world.tick().units
    day = lane.world.clock.now().date().isoformat()
    assert lane.run(PARTNER_JOB, run_config=unit_config(unit.key), partition_key=day).success
    lane.tick("metrics")
    assert lane.metrics.values(TITLES_ENRICHED, ("Lane", "partner")) == [2]


def test_a_night_has_succeeded_when_its_last_run_has(lane: HealthLane) -> None:
    assert night(lane, "0")
    lane.tick("metrics")
    assert lane.metrics.values(NIGHTLY_SUCCEEDED) == []
    assert night(lane, "1", date="2026-01-14")
    lane.tick("metrics")
    assert lane.metrics.values(NIGHTLY_SUCCEEDED) == []
    assert night(lane, "1")
    lane.tick("metrics")
    lane.tick("metrics")
    assert lane.metrics.values(NIGHTLY_SUCCEEDED) == [1]


def test_a_run_by_hand_is_no_night(lane: HealthLane) -> None:
    assert lane.run(NIGHTLY_JOB, tags=range_tags("0", "1")).success
    lane.tick("metrics")
    assert lane.metrics.values(NIGHTLY_SUCCEEDED) == []
    assert sum(lane.metrics.values(TITLES_ENRICHED)) == ANSWERS


def test_a_run_is_counted_later_when_cloudwatch_did_not_answer(lane: HealthLane) -> None:
    assert night(lane, "0")
    lane.metrics.is_down = True
    assert "not sent" in lane.tick("metrics")
    lane.metrics.is_down = False
    lane.tick("metrics")
    assert len(lane.metrics.values(TITLES_ENRICHED)) == 1


def test_queues_that_do_not_answer_cost_a_minute_of_gauges_and_nothing_else(lane: HealthLane) -> None:
    assert night(lane, "0")
    lane.world.queue.failures["depth"] = 1
    lane.tick("metrics")
    assert lane.metrics.values(BACKLOG_PER_TASK) == []
    assert len(lane.metrics.values(TITLES_ENRICHED)) == 1


def test_a_run_in_flight_shares_the_backlog_of_its_queue(lane: HealthLane) -> None:
    for _ in range(4):
        lane.world.send_text("x")
    for unit in ("a:1", "b:1"):
        tags = {"manga/queue": NORMAL.name, "manga/unit": unit}
        lane.partner_run(tags, status=dg.DagsterRunStatus.STARTED)
    lane.tick("metrics")
    assert lane.metrics.values(BACKLOG_PER_TASK, ("QueueName", NORMAL.name)) == [2]
