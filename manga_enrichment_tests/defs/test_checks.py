"""Asset checks: what they find, how serious it is, and what a broken table stops."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from manga_enrichment.defs.shared.severity import graded, graded_below
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment.pipeline.store.rows import answer_schema
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import COMBINED, SINGLES
from manga_enrichment_tests.defs.project import FIRST, LAST, Project, checks, materialized, rows
from manga_enrichment_tests.fakes import FakeClock, ScriptedModel

pytestmark = pytest.mark.slow

LEVEL, SIMILAR, ENRICHED = "reading_level", "similar_series", "enriched_catalog"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def change_rows(project: Project, name: str, bucket: str, **values: Any) -> None:
    """Spoil the first row of a table behind the pipeline's back."""
    changed = project.world.rows(table_key(name, bucket))
    changed[0].update(values)
    table = pa.Table.from_pylist(changed, schema=answer_schema(ANALYSES[name]))
    project.world.tables.write(table_key(name, bucket), table)


def checks_alone(project: Project, asset: str) -> dg.ExecuteInProcessResult:
    """The checks of an asset without materializing anything."""
    selection = dg.AssetSelection.checks_for_assets(dg.AssetKey(asset))
    alone = dg.Definitions.merge(
        project.definitions, dg.Definitions(jobs=[dg.define_asset_job("checks_alone", selection=selection)])
    )
    return alone.resolve_job_def("checks_alone").execute_in_process(raise_on_error=False)


def test_after_a_good_night_every_check_passes(tmp_path: Path) -> None:
    evaluations = checks(Project(tmp_path).run())
    assert {name for name, evaluation in evaluations.items() if not evaluation.passed} == set()
    assert {name for _asset, name in evaluations} == {
        "catalog_is_plausible",
        "rows_are_valid",
        "lists_are_of_todays_method",
        "titles_are_covered",
        "budget_sufficed",
        "answers_have_not_drifted",
        "no_title_was_given_up",
        "referenced_titles_exist",
        "model_is_not_ending",
        "cost_per_run_within_limits",
        "error_rate_within_limits",
    }
    assert {asset for asset, name in evaluations if name == "rows_are_valid"} == set(SINGLES)


def test_a_broken_table_stops_the_enriched_catalog(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.run().success
    change_rows(project, LEVEL, FIRST, reading_level="grown-up")
    result = project.run()
    assert not result.success
    evaluation = checks(result)[LEVEL, "rows_are_valid"]
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)
    assert "has reading_level 'grown-up'" in str(evaluation.description)
    assert ENRICHED not in materialized(result)
    assert set(SINGLES) <= set(materialized(result))


def test_a_broken_table_of_another_bucket_does_not_stop_this_one(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    change_rows(project, LEVEL, LAST, reading_level="grown-up")
    result = project.run(buckets=(FIRST, FIRST))
    assert result.success
    assert set(materialized(result)[ENRICHED]) == {FIRST}


def test_a_named_title_that_left_is_a_warning_and_stops_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    gone = [{"manga_id": "MNG-NOWHERE0", "score": 0.5, "reason": "none"}]
    change_rows(project, SIMILAR, FIRST, similar_titles=gone)
    result = project.run()
    assert result.success
    evaluation = checks(result)[SIMILAR, "referenced_titles_exist"]
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert ENRICHED in materialized(result)


def test_checks_alone_look_at_all_buckets(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    change_rows(project, LEVEL, LAST, reading_level="grown-up")
    evaluation = checks(checks_alone(project, LEVEL))[LEVEL, "rows_are_valid"]
    assert not evaluation.passed
    assert evaluation.metadata["rows"].value == 9


def test_cost_checks_alone_look_at_the_latest_run(tmp_path: Path) -> None:
    project = Project(tmp_path)
    run = project.run()
    evaluations = checks(checks_alone(project, ENRICHED))
    cost = evaluations[ENRICHED, "cost_per_run_within_limits"].metadata
    assert cost["run_id"].value == run.run_id
    assert cost["calls"].value == 9
    assert float(str(cost["cost_usd"].value)) == project.world.logged_cost_micro_usd() / 1e6


def test_a_run_that_asked_nothing_is_not_judged_by_an_earlier_one(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    cost = checks(project.run())[ENRICHED, "cost_per_run_within_limits"].metadata
    assert (cost["calls"].value, cost["cost_usd"].value) == (0, 0.0)


@pytest.mark.parametrize(
    ("settings", "check", "severity"),
    [
        ({"cost_per_run_usd_warn": 1e-6}, "cost_per_run_within_limits", WARN),
        ({"cost_per_run_usd_warn": 1e-7, "cost_per_run_usd_error": 1e-6}, "cost_per_run_within_limits", ERROR),
    ],
)
def test_cost_above_a_limit_warns_or_is_an_error(
    tmp_path: Path, settings: dict[str, float], check: str, severity: dg.AssetCheckSeverity
) -> None:
    evaluation = checks(Project(tmp_path, catalog=rows(4), **settings).run())[ENRICHED, check]
    assert (evaluation.passed, evaluation.severity) == (False, severity)


@pytest.mark.parametrize(("refused", "severity"), [(1, WARN), (5, ERROR)])
def test_failed_titles_warn_or_are_an_error(tmp_path: Path, refused: int, severity: dg.AssetCheckSeverity) -> None:
    project = Project(tmp_path, catalog=rows(28))
    asked = [row["manga_id"] for row in rows(28) if row["synopsis"]][:refused]
    project.world.model = ScriptedModel(project.world.clock, {each: [ErrorClass.REFUSAL] for each in asked})
    evaluation = checks(project.run())[ENRICHED, "error_rate_within_limits"]
    assert (evaluation.passed, evaluation.severity) == (False, severity)
    assert evaluation.metadata["failed"].value == refused
    assert evaluation.metadata["error_rate"].value == refused / 21
    assert evaluation.metadata["failed_refusal"].value == refused
    said = f"{refused} of 21 asked titles failed: {refused} refusal; next step: nothing: the next run asks for each"
    assert str(evaluation.description).startswith(said)


def test_low_coverage_warns_and_stops_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path, budget_usd_per_day=0.0)
    result = project.run()
    assert result.success
    evaluation = checks(result)[LEVEL, "titles_are_covered"]
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert evaluation.metadata["coverage"].value == 0.0
    assert evaluation.metadata["outcome_deferred"].value == 9
    assert evaluation.metadata["warn_below"].value == project.settings.coverage_warn
    assert "warn_above" not in evaluation.metadata, "the threshold has the sense of the value beside it"
    assert "answered: 9 budget; next step: nothing: the next run goes on" in str(evaluation.description)


def test_what_a_spent_budget_left_is_said_and_the_run_succeeds(tmp_path: Path) -> None:
    project = Project(tmp_path, budget_usd_per_day=0.0, coverage_warn=0.0)
    result = project.run()
    assert result.success
    evaluation = checks(result)[LEVEL, "budget_sufficed"]
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert evaluation.metadata["left_by_budget"].value == 9
    assert "9 titles are left for the next run" in str(evaluation.description)


@pytest.mark.parametrize(
    ("today", "passed", "severity"),
    [
        (datetime(2026, 6, 11, tzinfo=UTC), True, WARN),
        (datetime(2026, 6, 12, tzinfo=UTC), False, WARN),
        (datetime(2026, 9, 10, tzinfo=UTC), False, ERROR),
    ],
)
def test_a_model_that_ends_within_90_days_warns_and_one_that_is_gone_is_an_error(
    tmp_path: Path, today: datetime, passed: bool, severity: dg.AssetCheckSeverity
) -> None:
    """Claude 3 Haiku's last day on Bedrock is in the model table: 2026-09-10."""
    project = Project(tmp_path, catalog=[], model_aliases={"haiku": "anthropic.claude-3-haiku-20240307-v1:0"})
    project.world.clock = FakeClock(today)
    project.build()
    evaluation = checks(checks_alone(project, COMBINED))[COMBINED, "model_is_not_ending"]
    assert (evaluation.passed, evaluation.severity) == (passed, severity)
    assert "2026-09-10" in str(evaluation.description)
    assert "MANGA_MODEL_ALIASES" in str(evaluation.description)


@pytest.mark.parametrize(
    ("value", "passed", "severity"), [(0.0, True, WARN), (1.0, True, WARN), (1.1, False, WARN), (2.1, False, ERROR)]
)
def test_a_number_is_fine_worth_a_look_or_wrong(value: float, passed: bool, severity: dg.AssetCheckSeverity) -> None:
    result = graded(
        value, warn_above=1.0, error_above=2.0, description="a number", metadata={"value": value}, next_step="look"
    )
    assert (result.passed, result.severity) == (passed, severity)
    assert {"value", "warn_above", "error_above"} <= set(result.metadata)
    assert ("next_step" in result.metadata, str(result.description)) == (
        (False, "a number") if passed else (True, "a number; next step: look")
    )


def test_every_check_that_fails_names_the_next_step_and_one_that_passes_none(tmp_path: Path) -> None:
    project = Project(tmp_path, budget_usd_per_day=0.0)
    fine = checks(Project(tmp_path, catalog=rows(4)).run())
    assert all("next_step" not in each.metadata for each in fine.values() if each.passed)
    change = [{"manga_id": "MNG-NOWHERE0", "score": 0.5, "reason": "none"}]
    project.run()
    failed = {name: each for (_asset, name), each in checks(project.run()).items() if not each.passed}
    assert {"titles_are_covered", "budget_sufficed"} <= set(failed)
    project = Project(tmp_path)
    project.run()
    change_rows(project, SIMILAR, FIRST, similar_titles=change)
    change_rows(project, LEVEL, FIRST, reading_level="grown-up")
    failed |= {name: each for (_asset, name), each in checks(project.run()).items() if not each.passed}
    assert {"rows_are_valid", "referenced_titles_exist"} <= set(failed)
    for name, each in failed.items():
        step = str(each.metadata["next_step"].value)
        assert str(each.description).endswith(f"; next step: {step}"), name


@pytest.mark.parametrize(("value", "passed"), [(0.79, False), (0.8, True), (1.0, True)])
def test_a_share_that_is_too_low_warns_below_its_threshold(value: float, passed: bool) -> None:
    result = graded_below(value, warn_below=0.8, description="a share", metadata={}, next_step="look")
    assert (result.passed, result.severity) == (passed, WARN)
    assert result.metadata["warn_below"].value == 0.8
    assert ("next_step" in result.metadata) is not passed
