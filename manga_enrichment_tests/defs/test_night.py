"""A night in Dagster: its schedule, its sensor and its runs, over gateways in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.enrichment.night_sensor import NIGHT_SENSOR
from manga_enrichment.defs.shared.tags import partition_range, quota_lane, trigger_of
from manga_enrichment.domain.operations.nights import night_of
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment_tests.builders import SINGLES
from manga_enrichment_tests.defs.project import FIRST, LAST, Project, checks, failures, materialized, rows
from manga_enrichment_tests.fakes import FakeClock, ScriptedModel

pytestmark = pytest.mark.slow

AFTERWARDS = timedelta(minutes=20)


class Night(Project):
    """clock: of the sensor. Dagster's own times are the machine's, so it is some minutes ahead of these."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance, **settings: Any) -> None:
        super().__init__(folder, **{"buckets_per_run": 1, **settings})
        self.instance = instance
        self.clock = FakeClock(datetime.now(UTC) + AFTERWARDS)

    def begin(self) -> list[dg.RunRequest]:
        night = datetime.fromisoformat(f"{night_of(self.clock.now())}T02:00:00+09:00")
        schedule = self.definitions.get_repository_def().get_schedule_def(NIGHTLY_JOB)
        context = dg.build_schedule_context(instance=self.instance, scheduled_execution_time=night)
        return list(schedule.evaluate_tick(context).run_requests or ())

    def tick(self) -> list[dg.RunRequest]:
        sensor = self.definitions.get_repository_def().get_sensor_def(NIGHT_SENSOR)
        with dg.build_sensor_context(instance=self.instance, resources={"clock": self.clock}) as context:
            return list(sensor.evaluate_tick(context).run_requests or ())

    def launch(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(NIGHTLY_JOB).execute_in_process(
            instance=self.instance,
            tags=request.tags,
            asset_selection=None if request.asset_selection is None else list(request.asset_selection),
            raise_on_error=False,
        )

    def end(self, request: dg.RunRequest, *, as_failed: bool = True) -> None:
        """As a run that was killed, or that did all it should."""
        job = self.definitions.resolve_job_def(NIGHTLY_JOB)
        run = self.instance.create_run_for_job(job, tags=request.tags, status=dg.DagsterRunStatus.STARTED)
        if as_failed:
            self.instance.report_run_failed(run, "its process is gone")
        else:
            success = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, NIGHTLY_JOB, message="done")
            self.instance.report_dagster_event(success, run_id=run.run_id)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def night(tmp_path: Path, instance: dg.DagsterInstance) -> Night:
    return Night(tmp_path, instance)


def buckets(requests: list[dg.RunRequest]) -> list[tuple[str, str]]:
    return [partition_range(request.tags) for request in requests]


def test_the_source_is_imported_once_and_every_bucket_enriched_once(night: Night) -> None:
    (first,) = night.begin()
    assert buckets([first]) == [(FIRST, LAST)]
    assert night.tick() == []
    assert set(materialized(night.launch(first))) == {"manga_catalog", "catalog_changes"}
    night.source.unlink()  # nobody reads it again tonight

    followers = night.tick()
    assert buckets(followers) == [(FIRST, FIRST), (LAST, LAST)]
    results = [night.launch(request) for request in followers]
    for bucket, result in zip((FIRST, LAST), results, strict=True):
        assert result.success
        made = materialized(result)
        assert {name for name in made if bucket in made[name]} >= {*SINGLES, "similar_candidates", "enriched_catalog"}
        assert "manga_catalog" not in made
        assert ("enriched_catalog", "error_rate_within_limits") in checks(result)
    assert night.tick() == []


def test_all_runs_of_a_night_ask_in_its_lane_and_say_so(night: Night) -> None:
    (first,) = night.begin()
    night.end(first, as_failed=False)
    for request in (first, *night.tick()):
        assert quota_lane(request.tags) == "night"
        assert trigger_of(request.tags) == "schedule"


def test_what_was_killed_is_launched_once_more_in_the_same_night(night: Night) -> None:
    (first,) = night.begin()
    night.end(first, as_failed=False)
    one, other = night.tick()
    night.end(one)
    night.end(other, as_failed=False)
    (again,) = night.tick()
    assert buckets([again]) == [(FIRST, FIRST)]
    assert again.run_key != one.run_key
    assert again.asset_selection == one.asset_selection
    night.end(again)
    assert night.tick() == []


def test_where_the_account_is_refused_nothing_is_launched_again(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    night = Night(tmp_path, instance, buckets_per_run=2)
    night.world.model = ScriptedModel(night.world.clock, otherwise=ErrorClass.ACCESS_DENIED)
    (only,) = night.begin()
    assert only.asset_selection is None, "a night of one run imports in it"
    result = night.launch(only)
    assert failures(result)
    assert night.tick() == []


def test_where_the_budget_is_spent_nothing_is_launched_again(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    night = Night(tmp_path, instance, buckets_per_run=2, budget_usd_per_run=0)
    (only,) = night.begin()
    assert night.launch(only).success
    assert night.tick() == []


def test_an_implausible_catalog_ends_the_night(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    night = Night(tmp_path, instance, catalog=[*rows(), *({"title": ""} for _ in range(12))])
    (first,) = night.begin()
    assert "titles" in failures(night.launch(first))["manga_catalog"]
    assert night.tick() == []
    assert night.world.ledger.entries == {}


def test_another_nights_runs_are_nobodys_business(night: Night) -> None:
    (first,) = night.begin()
    night.end(first, as_failed=False)
    night.clock.advance(24 * 3600)
    assert night.tick() == []
