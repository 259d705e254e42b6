"""`books_match_the_service`: what Bedrock counts against the log, graded, and quiet where nothing can be known."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.costs.assets import COSTS_JOB
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.gateways.errors import MetricsForbiddenError, MetricsUnavailableError
from manga_enrichment.pipeline.health.daily_costs import TABLE
from manga_enrichment_tests.defs.project import Project, checks
from manga_enrichment_tests.fakes import DEFAULT_USAGE, START

pytestmark = pytest.mark.slow

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """After a night whose hour has closed; the service has counted nothing."""
    project = Project(tmp_path)
    project.world.clock.advance(600)
    assert project.run().success
    project.world.clock.advance(2 * 3600)
    return project


def count_all(project: Project) -> None:
    """Let the service count every call of the log."""
    for row in sent(project):
        project.world.service_usage.count(row["model_id"], row["started_at"], DEFAULT_USAGE)


def sent(project: Project) -> list[dict[str, object]]:
    rows = [row for row in project.world.log() if row["attempt"]]
    assert rows
    return rows


def check(project: Project, instance: dg.DagsterInstance | None = None) -> dg.AssetCheckEvaluation:
    job = project.definitions.resolve_job_def(COSTS_JOB)
    tags = range_tags("2026-01-14", "2026-01-15")
    result = job.execute_in_process(tags=tags, instance=instance)
    return checks(result)[TABLE, "books_match_the_service"]


def test_a_service_that_counted_the_log_agrees(project: Project) -> None:
    count_all(project)
    evaluation = check(project)
    assert (evaluation.passed, evaluation.description) == (True, "log and service agree")
    assert evaluation.metadata["calls"].value == len(sent(project))


def test_a_call_in_the_log_that_the_service_does_not_know_is_an_error(project: Project) -> None:
    evaluation = check(project)
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)
    assert f"Invocations 0, {len(sent(project))} less than the log" in str(evaluation.description)


def test_a_call_of_somebody_else_warns_with_the_difference(project: Project) -> None:
    count_all(project)
    model_id = str(sent(project)[0]["model_id"])
    project.world.service_usage.count(model_id, START + timedelta(minutes=20), Usage(7, 3))
    evaluation = check(project)
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert "1 more than the log" in str(evaluation.description)
    assert "InputTokenCount" in str(evaluation.metadata["by_hour"].value)


def test_a_warning_is_given_once_until_there_is_something_new(project: Project) -> None:
    count_all(project)
    model_id, usage = str(sent(project)[0]["model_id"]), project.world.service_usage
    usage.count(model_id, START + timedelta(minutes=20), Usage(7, 3))
    first, again = check(project), check(project)
    assert (first.passed, again.passed) == (False, True)
    assert again.description == f"Said before: {first.description}"
    usage.count(model_id, START + timedelta(minutes=20), Usage(7, 3))
    assert [check(project).passed for _ in range(2)] == [False, True]
    usage.raises = MetricsForbiddenError("AccessDenied")
    assert [check(project).passed for _ in range(2)] == [False, True]


def test_an_error_stays_one(project: Project) -> None:
    assert [(each.passed, each.severity) for each in (check(project), check(project))] == [(False, ERROR)] * 2


def test_without_the_right_to_read_metrics_one_sentence_says_what_to_allow(project: Project) -> None:
    project.world.service_usage.raises = MetricsForbiddenError("AccessDenied")
    evaluation = check(project)
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert "allow cloudwatch:GetMetricData" in str(evaluation.description)


def test_when_nobody_answers_it_says_so_and_accuses_nobody(project: Project) -> None:
    project.world.service_usage.raises = MetricsUnavailableError("CloudWatch: away")
    evaluation = check(project)
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert "away" in str(evaluation.description)


def test_hours_in_which_a_run_was_under_way_that_still_is_wait_for_its_log(project: Project) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = project.definitions.resolve_job_def(NIGHTLY_JOB)
        run = instance.create_run_for_job(job, tags=range_tags("0", "0"))
        began = START - timedelta(days=3)
        started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job_name=run.job_name)
        instance.report_dagster_event(started, run_id=run.run_id, timestamp=began.timestamp())
        assert (instance.get_run_by_id(run.run_id) or run).status is dg.DagsterRunStatus.STARTED
        evaluation = check(project, instance)
    assert evaluation.passed
    assert "under way" in str(evaluation.description)
