"""The batch lane in Dagster: the job's config picks it, the sensor follows it, a run publishes what came."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.batch.job import BATCH_JOB
from manga_enrichment.defs.batch.sensor import BATCH_SENSOR
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.models.batch_jobs import BATCH_ALIAS, JobStatus
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.settings import Settings
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, SINGLES, catalog_row, title_id
from manga_enrichment_tests.defs.project import FIRST, LAST, Project, failures
from manga_enrichment_tests.fake_batch import MemoryBatch

pytestmark = pytest.mark.slow

BATCH_MODEL = load_models().resolve(BATCH_ALIAS).model_id
ROLE = "arn:aws:iam::123456789012:role/batch"
TITLES = 104


class BatchProject(Project):
    """A project with the lane on and a batch interface in memory."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        chosen = {"batch_min_titles": 100, "batch_role_arn": ROLE, "model_aliases": {"haiku": BATCH_MODEL}, **settings}
        super().__init__(folder, catalog=[catalog_row(number) for number in range(TITLES)], **chosen)
        self.batch = MemoryBatch(self.world.clock)
        self.cursor: str | None = None
        self.build()

    def build(self) -> None:
        self.batch = getattr(self, "batch", None) or MemoryBatch(self.world.clock)
        resources = {**self.world.resources(self.source), "batch": self.batch}
        self.definitions = build_definitions(self.settings, resources=resources)

    def tick(self) -> list[dg.RunRequest]:
        self.world.clock.advance(600)
        resources = {**self.world.resources(self.source), "batch": self.batch}
        with dg.build_sensor_context(cursor=self.cursor, resources=resources) as context:
            result = self.definitions.get_repository_def().get_sensor_def(BATCH_SENSOR).evaluate_tick(context)
        self.cursor = result.cursor
        return list(result.run_requests or ())

    def ticks(self) -> list[dg.RunRequest]:
        """Ticks until a job is through; what it asks to be run."""
        for _ in range(10):
            if requests := self.tick():
                return requests
        return []

    def publish(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_job_def(BATCH_JOB)
        return job.execute_in_process(
            tags=dict(request.tags), asset_selection=list(request.asset_selection or ()), raise_on_error=False
        )

    def rows_of(self, table: str) -> int:
        return sum(len(self.world.rows(table_key(table, bucket))) for bucket in (FIRST, LAST))


def config(**values: Any) -> dict[str, Any]:
    return {"ops": {"enrichment": {"ops": {"plan": {"config": values}}}}}


def test_a_night_with_enough_titles_goes_into_a_batch_and_is_published_without_a_call(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    assert project.run().success
    assert (len(project.batch.created), project.world.model.sent) == (1, [])
    assert project.rows_of("genre_classification") == 0
    requests = project.ticks()
    assert [request.run_key for request in requests] == [f"{only_token(project)}:{FIRST}"]
    assert {key.to_user_string() for key in requests[0].asset_selection or ()} == {*ANALYSES, "enriched_catalog"}
    assert project.publish(requests[0]).success
    assert project.world.model.sent == []
    assert [project.rows_of(name) for name in (*SINGLES, "enriched_catalog")] == [TITLES] * 5
    assert project.world.logged_cost_micro_usd() == project.batch.billed_micro_usd


def only_token(project: BatchProject) -> str:
    (job,) = project.batch.created.values()
    return job.order.token


def test_a_settled_job_asks_for_its_run_once(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    project.run()
    assert project.ticks()
    assert project.tick() == []


def test_a_lost_tick_asks_for_the_same_run_again(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    project.run()
    first = project.ticks()
    assert len(first) == 1
    project.cursor = None
    assert [request.run_key for request in project.tick()] == [request.run_key for request in first]


def test_a_job_that_brought_nothing_starts_no_run(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    project.batch.ends_as = JobStatus.EXPIRED
    project.run()
    assert project.ticks() == []
    assert len(json.loads(project.cursor or "")) == 1


def test_what_a_batch_left_unanswered_is_asked_on_demand_by_the_run_that_publishes(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    project.batch.script = {title_id(1): ErrorClass.MODEL_ERROR}
    project.run()
    assert project.publish(project.ticks()[0]).success
    assert {sent.manga_id for sent in project.world.model.sent} == {title_id(1)}
    assert project.rows_of("content_summary") == TITLES


def test_a_run_that_publishes_touches_only_what_the_batch_was_for(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    project.run([*["manga_catalog", "similar_candidates"], "reading_level"])
    request = project.ticks()[0]
    assert {key.to_user_string() for key in request.asset_selection or ()} == {"reading_level", "enriched_catalog"}
    assert project.publish(request).success
    assert (project.rows_of("reading_level"), project.world.model.sent) == (TITLES, [])


def test_groups_of_buckets_are_published_by_runs_of_their_own(tmp_path: Path) -> None:
    project = BatchProject(tmp_path, buckets_per_run=1)
    project.run()
    requests = project.ticks()
    assert [request.run_key.rpartition(":")[2] for request in requests if request.run_key] == [FIRST, LAST]
    for request in requests:
        assert project.publish(request).success
    assert project.rows_of("enriched_catalog") == TITLES


def test_the_runs_config_overrules_the_setting(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    assert project.run(config=config(lane="on_demand")).success
    assert project.batch.created == {}
    assert len(project.world.model.sent) == TITLES


def test_fewer_titles_than_the_setting_are_asked_on_demand_unless_batch_is_wanted(tmp_path: Path) -> None:
    project = BatchProject(tmp_path, batch_min_titles=1000)
    assert project.run(config=config(lane="batch")).success
    assert (len(project.batch.created), project.world.model.sent) == (1, [])
    other = BatchProject(tmp_path, batch_min_titles=1000)
    assert other.run().success
    assert (other.batch.created, len(other.world.model.sent)) == ({}, TITLES)


def test_a_model_without_a_batch_price_stops_the_run_before_anything_is_billed(tmp_path: Path) -> None:
    project = BatchProject(tmp_path, model_aliases={})
    result = project.run()
    sentence = failures(result)["plan"]
    for word in (load_models().resolve("haiku").model_id, "MANGA_MODEL_ALIASES", "haiku-batch"):
        assert word in sentence
    assert (project.batch.created, project.world.model.sent) == ({}, [])


def test_a_lane_that_does_not_exist_is_refused_before_a_run_begins(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    with pytest.raises(dg.DagsterInvalidConfigError, match="lane not in enum type OfferedLane got express"):
        project.run(config=config(lane="express"))
    assert project.world.model.sent == []


def test_a_dry_run_orders_nothing(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    assert project.run(config=config(dry_run=True)).success
    assert (project.batch.created, project.batch.uploads) == ({}, {})


def test_the_sensor_runs_by_itself_only_where_the_lane_is_on() -> None:
    def status(**settings: Any) -> dg.DefaultSensorStatus:
        return build_definitions(Settings(**settings)).get_repository_def().get_sensor_def(BATCH_SENSOR).default_status

    assert status() is dg.DefaultSensorStatus.STOPPED
    assert status(batch_min_titles=100, batch_role_arn=ROLE) is dg.DefaultSensorStatus.RUNNING


def test_the_lane_needs_a_role() -> None:
    with pytest.raises(ConfigurationError, match="MANGA_BATCH_ROLE_ARN"):
        build_definitions(Settings(batch_min_titles=100))


def test_a_tick_without_jobs_says_so(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    assert project.tick() == []
    assert json.loads(project.cursor or "") == []


def test_the_combined_call_is_what_a_batch_asks_for(tmp_path: Path) -> None:
    project = BatchProject(tmp_path)
    project.run()
    (upload,) = project.batch.uploads.values()
    assert {request.prompt.tool_name for _, request in upload} == {f"record_{COMBINED}"}
