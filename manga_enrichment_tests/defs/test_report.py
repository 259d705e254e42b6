"""`enrichment_report` in Dagster: the file is stored, the numbers can be plotted."""

from pathlib import Path

import dagster as dg

from manga_enrichment.defs.costs.assets import COSTS_JOB
from manga_enrichment.defs.report.assets import REPORT_ASSET, REPORT_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.pipeline.store.object_keys import report_key
from manga_enrichment_tests.defs.project import Project, materialized
from manga_enrichment_tests.fakes import START

TODAY = START.date().isoformat()


def test_after_a_night_the_report_is_stored_and_its_numbers_are_metadata(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.run().success
    project.definitions.resolve_job_def(COSTS_JOB).execute_in_process(tags=range_tags(TODAY, TODAY))
    result = project.definitions.resolve_job_def(REPORT_JOB).execute_in_process()
    [metadata] = materialized(result)[REPORT_ASSET].values()
    assert (metadata["titles"], metadata["coverage_reading_level"]) == (12, 1.0)
    assert (metadata["forecast_calls"], metadata["forecast_cost_usd"]) == (0, 0.0)
    page = project.world.tables.objects[report_key()].decode()
    assert page.startswith("<!doctype html>")
    assert "9 of 12 titles" in page or ">9<" in page


def test_before_the_first_night_the_report_says_what_there_is(tmp_path: Path) -> None:
    project = Project(tmp_path)
    result = project.definitions.resolve_job_def(REPORT_JOB).execute_in_process()
    [metadata] = materialized(result)[REPORT_ASSET].values()
    assert metadata["titles"] == 0


def test_it_is_made_every_morning_without_being_switched_on(tmp_path: Path) -> None:
    schedule = Project(tmp_path).definitions.get_repository_def().get_schedule_def(REPORT_JOB)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("20 6 * * *", "Asia/Tokyo")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
