"""Job `brake`: what `manga-enrichment brake` does, from the UI; and what a night does while it is on."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.operations.brake_job import BRAKE_JOB
from manga_enrichment.domain.models.batch_jobs import JobStatus
from manga_enrichment.gateways.budget import Brake
from manga_enrichment.settings import Settings
from manga_enrichment_tests.batch_world import BatchWorld
from manga_enrichment_tests.defs.project import Project
from manga_enrichment_tests.fakes import START

pytestmark = pytest.mark.slow


def launch(world: BatchWorld, **config: Any) -> dg.ExecuteInProcessResult:
    resources = {**world.world.resources(), "batch": world.batch}
    definitions = build_definitions(Settings(catalog_buckets=2), resources=resources)
    run_config = {"ops": {"set_brake": {"config": config}}}
    return definitions.resolve_job_def(BRAKE_JOB).execute_in_process(run_config=run_config, raise_on_error=False)


def said(result: dg.ExecuteInProcessResult) -> str:
    (output,) = [event for event in result.all_node_events if event.is_successful_output]
    return str(output.step_output_data.metadata["said"].value)


def outcomes(project: Project) -> set[tuple[str, str | None]]:
    rows = project.world.outcomes("reading_level").values()
    return {(row["outcome"], row["error_class"]) for row in rows}


def test_it_puts_the_brake_on_and_takes_it_off() -> None:
    world = BatchWorld()
    assert said(launch(world, on=True, because="a test")).endswith(": a test")
    assert world.world.budget.brake() is not None
    assert said(launch(world, on=False)).startswith("the brake is off; it was on since ")
    assert world.world.budget.brake() is None


def test_without_a_reason_it_fails_and_stays_off() -> None:
    world = BatchWorld()
    assert not launch(world, on=True).success
    assert world.world.budget.brake() is None


def test_it_names_batch_jobs_and_stops_them_where_that_is_asked_for() -> None:
    world = BatchWorld(titles=6)
    world.start()
    assert "2 batch jobs go on" in said(launch(world, on=True, because="a test"))
    assert "go on" not in said(launch(world, on=True, because="a test", stop_jobs=True))
    world.follow()
    assert set(world.settlements().values()) == {JobStatus.STOPPED.value}


def test_a_night_with_the_brake_on_succeeds_and_leaves_everything_to_the_next(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.world.budget.put_brake_on(Brake("a test", START))
    assert project.run().success
    assert outcomes(project) == {("deferred", "brake"), ("insufficient_input", None)}
    assert project.world.model.sent == []
    project.world.budget.take_brake_off()
    assert project.run().success
    assert outcomes(project) == {("succeeded", None), ("insufficient_input", None)}
