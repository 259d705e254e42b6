"""`enrichment_costs` and its checks: books that agree pass, everything else says what is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.costs.after_night import SENSOR, build_costs_after_night
from manga_enrichment.defs.costs.assets import COSTS_JOB, build_costs_job
from manga_enrichment.defs.shared.tags import LANE_TAG, RANGE_END_TAG, RANGE_START_TAG, range_tags
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.gateways.budget import Brake, BudgetScope
from manga_enrichment.pipeline.health.daily_costs import TABLE
from manga_enrichment.pipeline.store.object_keys import costs_key
from manga_enrichment_tests.defs.project import Project, checks, materialized
from manga_enrichment_tests.fakes import START, FakeClock, ScriptedModel

pytestmark = pytest.mark.slow

TODAY, YESTERDAY = "2026-01-15", "2026-01-14"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def account(project: Project) -> dg.ExecuteInProcessResult:
    job = project.definitions.resolve_job_def(COSTS_JOB)
    return job.execute_in_process(tags=range_tags(YESTERDAY, TODAY))


def check(project: Project, name: str) -> dg.AssetCheckEvaluation:
    return checks(account(project))[TABLE, name]


def test_after_a_night_the_books_agree_and_every_check_passes(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    result = account(project)
    assert {name for _asset, name in checks(result)} == {
        "costs_reconcile",
        "cost_within_daily_budget",
        "cost_per_title_in_range",
        "cache_hit_rate",
        "no_unpriced_model",
        "brake_is_off",
        "usage_can_be_true",
        "books_match_the_service",
    }
    assert [name for name, evaluation in checks(result).items() if not evaluation.passed] == []
    days = materialized(result)[TABLE]
    assert set(days) == {YESTERDAY, TODAY}
    assert float(str(days[TODAY]["cost_usd"])) == project.world.logged_cost_micro_usd() / 1e6 > 0
    assert days[TODAY]["calls"] == 9
    assert float(str(days[YESTERDAY]["cost_usd"])) == 0
    assert START.date().isoformat() == TODAY


def test_while_the_brake_is_on_a_check_warns_and_says_why(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    project.world.budget.put_brake_on(Brake("the bill looks wrong", START))
    evaluation = check(project, "brake_is_off")
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert ": the bill looks wrong; next step: let go of it" in str(evaluation.description)


def test_a_difference_of_one_micro_dollar_is_said(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    budget = project.world.budget
    assert budget.reserve([BudgetScope(f"day:{TODAY}", 10**9)], "stranger", 1, START)
    budget.spend("stranger", 1)
    budget.close("stranger")
    evaluation = check(project, "costs_reconcile")
    assert (evaluation.passed, evaluation.severity) == (False, WARN)  # the day is not over
    assert "day:2026-01-15: -1 micro-USD" in str(evaluation.description)
    project.world.clock.advance(86_400)
    evaluation = check(project, "costs_reconcile")
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)


@pytest.mark.parametrize(
    ("share_of_cost", "passed", "severity"), [(2.0, True, WARN), (1.1, False, WARN), (1.0, False, WARN)]
)
def test_a_budget_that_is_nearly_spent_warns(
    tmp_path: Path, share_of_cost: float, passed: bool, severity: dg.AssetCheckSeverity
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = Project(tmp_path / "first")
    first.run()
    cap_usd = first.world.logged_cost_micro_usd() / 1e6 * share_of_cost
    project = Project(tmp_path / "second", budget_usd_per_day=1.0)
    project.run()
    project.settings = project.settings.model_copy(update={"budget_usd_per_day": cap_usd})
    project.build()
    evaluation = check(project, "cost_within_daily_budget")
    assert (evaluation.passed, evaluation.severity) == (passed, severity)


def test_without_a_cap_the_budget_check_says_so(tmp_path: Path) -> None:
    evaluation = check(Project(tmp_path), "cost_within_daily_budget")
    assert evaluation.passed
    assert "sets no cap" in str(evaluation.description)


@pytest.mark.parametrize(
    ("settings", "severity"),
    [
        ({"cost_per_title_usd_warn": 1e-6}, WARN),
        ({"cost_per_title_usd_warn": 1e-7, "cost_per_title_usd_error": 1e-6}, ERROR),
    ],
)
def test_an_answer_above_a_limit_warns_or_is_an_error(
    tmp_path: Path, settings: dict[str, Any], severity: dg.AssetCheckSeverity
) -> None:
    project = Project(tmp_path, **settings)
    project.run()
    evaluation = check(project, "cost_per_title_in_range")
    assert (evaluation.passed, evaluation.severity) == (False, severity)


def change_costs(project: Project, **values: Any) -> None:
    """Spoil the stored sums of yesterday, which is what the checks read of earlier days."""
    account(project)
    stored = project.world.tables.read(costs_key(TODAY))
    assert stored is not None
    rows = [{**row, "dagster_run_id": "earlier", **values} for row in stored.table.to_pylist()]
    project.world.tables.write(costs_key("2026-01-10"), stored.table.from_pylist(rows, schema=stored.table.schema))


def test_a_run_twice_as_expensive_as_those_before_warns(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    earlier = datetime(2026, 1, 10, tzinfo=UTC)
    change_costs(project, cost_micro_usd=1, first_at=earlier, last_at=earlier)
    evaluation = check(project, "cost_per_title_in_range")
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert evaluation.metadata["unusual"].value == 1
    assert "times the median of 1 runs before; next step: see whether a prompt grew" in str(evaluation.description)


def test_a_dear_chat_as_the_latest_run_warns_of_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    last = project.world.clock.now() + timedelta(hours=1)
    for analysis in ("conversation", "reading_level"):
        dear = {"dagster_run_id": f"asked-{analysis}", "trigger": "partner", "model_id": "sonnet", "analysis": analysis}
        change_costs(project, **dear, cost_micro_usd=9_000_000, last_at=last)
        evaluation = check(project, "cost_per_title_in_range")
        assert evaluation.passed, evaluation.description
        assert float(str(evaluation.metadata["cost_per_title_usd"].value)) < 0.01, "the limits are for the catalog"


def test_calls_without_a_price_are_an_error(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    change_costs(project, unpriced_calls=2)
    evaluation = check(project, "no_unpriced_model")
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)
    assert "cost nothing" in str(evaluation.description)


def test_usage_that_cannot_be_true_is_shown_with_what_was_booked_for_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.world.model = ScriptedModel(project.world.clock, usage=Usage(2**63 - 1, 150))
    project.build()
    project.run()
    evaluation = check(project, "usage_can_be_true")
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    answers = evaluation.metadata["answers"].value
    assert isinstance(answers, int)
    assert 0 < answers == len([row for row in project.world.log() if row["maybe_billed"]])
    assert "the model told 9223372036854775807" in str(evaluation.metadata["newest"].value)
    assert check(project, "costs_reconcile").passed


def test_a_model_that_left_the_price_table_is_an_error(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run()
    change_costs(project, model_id="nobody.knows-it-v1:0")
    evaluation = check(project, "no_unpriced_model")
    assert not evaluation.passed
    assert "nobody.knows-it-v1:0 is not in models.toml" in str(evaluation.description)


@pytest.mark.parametrize(("read", "written", "passed"), [(900, 100, True), (100, 900, False)])
def test_more_writes_to_the_cache_than_reads_from_it_warn(
    tmp_path: Path, read: int, written: int, passed: bool
) -> None:
    project = Project(tmp_path)
    project.run()
    change_costs(project, cache_read_tokens=read, cache_write_tokens=written)
    stored = project.world.tables.read(costs_key("2026-01-10"))
    assert stored is not None
    project.world.model = ScriptedModel(project.world.clock)
    project.world.tables.write(costs_key(YESTERDAY), stored.table)
    evaluation = checks_alone(project)[TABLE, "cache_hit_rate"]
    assert (evaluation.passed, evaluation.severity) == (passed, WARN)


def checks_alone(project: Project) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    selection = dg.AssetSelection.checks_for_assets(dg.AssetKey(TABLE))
    alone = dg.Definitions.merge(
        project.definitions, dg.Definitions(jobs=[dg.define_asset_job("alone", selection=selection)])
    )
    return checks(alone.resolve_job_def("alone").execute_in_process(raise_on_error=False))


@pytest.mark.parametrize(
    ("at", "first"),
    [(datetime(2026, 1, 15, 3, 10, tzinfo=UTC), YESTERDAY), (datetime(2026, 1, 15, 4, 10, tzinfo=UTC), "2026-01-09")],
)
def test_every_hour_two_days_are_summed_and_once_a_day_a_week(tmp_path: Path, at: datetime, first: str) -> None:
    schedule = Project(tmp_path).definitions.get_repository_def().get_schedule_def(COSTS_JOB)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
        [request] = schedule.evaluate_tick(context).run_requests or []
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == (first, TODAY)


@pytest.mark.parametrize(("lane", "asks"), [("nightly", True), ("partner", False)])
def test_costs_are_added_up_when_a_run_of_a_night_has_ended(lane: str, asks: bool) -> None:
    @dg.op
    def some_op() -> None: ...

    @dg.job(tags={LANE_TAG: lane})
    def some_job() -> None:
        some_op()

    with dg.DagsterInstance.ephemeral() as instance:
        ended = some_job.execute_in_process(instance=instance)
        context = dg.build_run_status_sensor_context(
            sensor_name=SENSOR,
            dagster_instance=instance,
            dagster_run=ended.dagster_run,
            dagster_event=ended.all_events[-1],
        )
        said = build_costs_after_night(build_costs_job())(context, clock=FakeClock())
    if asks:
        assert isinstance(said, dg.RunRequest)
        assert (said.run_key, said.tags) == (ended.run_id, range_tags(YESTERDAY, TODAY))
    else:
        assert isinstance(said, dg.SkipReason)
