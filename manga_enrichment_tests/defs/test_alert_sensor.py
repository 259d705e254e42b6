"""Failed runs are told to the alerts topic: once per incident, with what helps, and when it is over."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import QUEUE_TAG, RESIDENT_SLOT_TAG, RESIDENT_TAG, UNIT_TAG, range_tags
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.budget import Brake
from manga_enrichment_tests.builders import write_source
from manga_enrichment_tests.defs.health_lane import HealthLane
from manga_enrichment_tests.defs.project import rows
from manga_enrichment_tests.fakes import ScriptedModel

pytestmark = pytest.mark.slow

DENIED = ModelError(ErrorClass.ACCESS_DENIED, "you may not")


@pytest.fixture
def lane(tmp_path: Path) -> HealthLane:
    write_source(tmp_path / "catalog.jsonl", rows())
    lane = HealthLane(tmp_path)
    lane.tick("alerts")
    return lane


def night(lane: HealthLane, bucket: str) -> dg.ExecuteInProcessResult:
    return lane.run(NIGHTLY_JOB, tags={**range_tags(bucket, bucket), "night": "2026-01-15"})


def fake_run(lane: HealthLane, status: dg.DagsterRunStatus, **tags: str) -> str:
    """A partner run that ended so, without any work: what the daemon reports of a process that died."""
    run = lane.partner_run(tags)
    if status is dg.DagsterRunStatus.FAILURE:
        lane.instance.report_run_failed(run, "The process of the run was killed.")
    else:
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, job_name=run.job_name)
        lane.instance.report_dagster_event(event, run_id=run.run_id)
    return run.run_id


def test_the_brake_is_told_once_when_it_is_put_on_and_once_when_it_is_taken_off(lane: HealthLane) -> None:
    budget, clock = lane.world.base.budget, lane.world.clock
    budget.put_brake_on(Brake("the bill looks wrong", clock.now()))
    for _ in range(50):
        lane.tick("alerts")
        clock.advance(3_600)
    (alert,) = lane.alerts()
    assert (alert["alert"], alert["what"], alert["error_class"]) == ("failed", "asking models", "brake")
    assert alert["explanation"].endswith(": the bill looks wrong")
    assert "brake off" in alert["what_to_do"]
    assert "launch the run again" not in alert["what_to_do"]
    assert alert["link"] == "http://127.0.0.1:3000"
    budget.take_brake_off()
    for _ in range(3):
        lane.tick("alerts")
    assert [each["alert"] for each in lane.alerts()] == ["failed", "recovered"]
    assert lane.alerts()[1]["failures"] == 1
    budget.put_brake_on(Brake("again", clock.now()))
    lane.tick("alerts")
    assert [each["alert"] for each in lane.alerts()] == ["failed", "recovered", "failed"]


def test_what_failed_before_the_first_tick_is_not_told(tmp_path: Path) -> None:
    lane = HealthLane(tmp_path)
    fake_run(lane, dg.DagsterRunStatus.FAILURE)
    lane.tick("alerts")
    lane.tick("alerts")
    assert lane.alerts() == []


def test_a_night_without_access_is_one_message_for_all_its_runs_and_one_when_all_work_again(lane: HealthLane) -> None:
    lane.world.base.model = ScriptedModel(lane.world.clock, otherwise=DENIED)
    assert not night(lane, "0").success
    assert not night(lane, "1").success
    lane.tick("alerts")
    (alert,) = lane.alerts()
    assert (alert["what"], alert["where"]) == (f"run of {NIGHTLY_JOB}", "partition 0")
    assert alert["error_class"] == "access_denied"
    assert "bedrock:InvokeModel" in alert["what_to_do"]
    assert alert["link"].startswith("http://127.0.0.1:3000/runs/")
    lane.world.base.model = ScriptedModel(lane.world.clock)
    assert night(lane, "0").success
    lane.tick("alerts")
    assert len(lane.alerts()) == 1
    assert night(lane, "1").success
    lane.tick("alerts")
    assert [each["alert"] for each in lane.alerts()] == ["failed", "recovered"]
    assert lane.alerts()[1]["failures"] == 2


def test_a_wrong_setting_is_explained(tmp_path: Path) -> None:
    lane = HealthLane(tmp_path)
    lane.tick("alerts")
    assert not night(lane, "0").success  # there is no catalog file
    lane.tick("alerts")
    (alert,) = lane.alerts()
    assert alert["error_class"] == "ConfigurationError"
    assert "catalog.jsonl" in alert["explanation"]
    assert "setting" in alert["what_to_do"]


def test_of_an_error_nobody_foresaw_only_its_name_is_told(lane: HealthLane) -> None:
    @dg.op
    def quote() -> None:
        raise ValueError("a partner wrote: SECRET PROMPT")

    @dg.job
    def quoting() -> None:
        quote()

    assert not quoting.execute_in_process(instance=lane.instance, raise_on_error=False).success
    lane.tick("alerts")
    (alert,) = lane.alerts()
    assert (alert["what"], alert["error_class"], alert["explanation"]) == ("run of quoting", "ValueError", "op quote")
    assert "SECRET" not in lane.notifier.published[0].message


def test_a_run_stopped_by_a_blocking_check_is_told_as_the_check_alone(lane: HealthLane) -> None:
    @dg.asset
    def shelf() -> None: ...

    @dg.asset_check(asset=shelf, blocking=True)
    def shelf_is_sound() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, metadata={"problems": 3, "example": "SECRET"})

    job = dg.define_asset_job("stocktaking", selection=[shelf])
    found = dg.Definitions(assets=[shelf], asset_checks=[shelf_is_sound], jobs=[job]).resolve_job_def("stocktaking")
    assert not found.execute_in_process(instance=lane.instance, raise_on_error=False).success
    lane.tick("alerts")
    (alert,) = lane.alerts()
    assert (alert["what"], alert["numbers"]) == ("check shelf_is_sound of shelf", {"problems": 3})
    assert "SECRET" not in lane.notifier.published[0].message


def test_an_alert_of_a_graded_check_says_what_the_check_says_and_the_next_step(tmp_path: Path) -> None:
    write_source(tmp_path / "catalog.jsonl", rows())
    lane = HealthLane(tmp_path)
    lane.tick("alerts")
    asked = [row["manga_id"] for row in rows() if row["synopsis"]]
    lane.world.base.model = ScriptedModel(lane.world.clock, {each: [ErrorClass.REFUSAL] for each in asked})
    night(lane, "0")
    lane.tick("alerts")
    [alert] = [each for each in lane.alerts() if "error_rate" in each["what"]]
    failed = alert["numbers"]["failed"]
    assert failed > 0
    assert f"{failed} of {failed} asked titles failed: {failed} refusal; next step: nothing" in alert["explanation"]
    assert alert["what_to_do"] == "Nothing: the next run asks for each analysis by itself."


def test_a_run_that_died_names_its_requests(lane: HealthLane) -> None:
    tags: dict[str, Any] = {UNIT_TAG: "5b0c:1", QUEUE_TAG: "manga-fm-normal"}
    fake_run(lane, dg.DagsterRunStatus.FAILURE, **tags)
    lane.tick("alerts")
    (alert,) = lane.alerts()
    assert alert["error_class"] == "run_died"
    assert alert["where"] == "requests of unit 5b0c:1 from manga-fm-normal"


def test_a_resident_that_died_names_its_lane(lane: HealthLane) -> None:
    fake_run(lane, dg.DagsterRunStatus.FAILURE, **{RESIDENT_TAG: "urgent", RESIDENT_SLOT_TAG: "0:7"})
    lane.tick("alerts")
    assert [each["where"] for each in lane.alerts()] == ["resident 0:7 of urgent"]


def test_any_partner_run_that_works_ends_the_incident_of_the_partner_lane(lane: HealthLane) -> None:
    fake_run(lane, dg.DagsterRunStatus.FAILURE, **{UNIT_TAG: "a:1"})
    fake_run(lane, dg.DagsterRunStatus.FAILURE, **{UNIT_TAG: "b:1"})
    fake_run(lane, dg.DagsterRunStatus.SUCCESS, **{UNIT_TAG: "a:2"})
    lane.tick("alerts")
    assert [each["alert"] for each in lane.alerts()] == ["failed", "recovered"]


def test_a_run_that_dagster_tries_again_is_no_news_yet(lane: HealthLane) -> None:
    fake_run(lane, dg.DagsterRunStatus.FAILURE, **{"dagster/will_retry": "true"})
    lane.tick("alerts")
    assert lane.alerts() == []


def test_a_failed_backfill_names_its_assets_and_itself(lane: HealthLane) -> None:
    lane.world.base.model = ScriptedModel(lane.world.clock, otherwise=DENIED)
    assert night(lane, "0").run_id
    lane.tick("alerts")
    lane.notifier.published.clear()
    result = lane.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=lane.instance,
        asset_selection=[dg.AssetKey("reading_level")],
        tags={**range_tags("0", "0"), "dagster/backfill": "abcd"},
        raise_on_error=False,
    )
    assert not result.success
    lane.tick("alerts")
    (alert,) = lane.alerts()
    assert alert["what"] == "run of assets reading_level"
    assert alert["where"] == "partition 0, backfill abcd"


def test_an_alert_that_could_not_be_sent_is_sent_by_the_next_tick(lane: HealthLane) -> None:
    fake_run(lane, dg.DagsterRunStatus.FAILURE)
    lane.notifier.failures["publish"] = 1
    lane.tick("alerts")
    assert lane.alerts() == []
    lane.tick("alerts")
    lane.tick("alerts")
    assert [each["alert"] for each in lane.alerts()] == ["failed"]


def test_without_a_topic_alerts_are_still_to_be_seen_in_the_tick(tmp_path: Path) -> None:
    lane = HealthLane(tmp_path, alerts_topic_arn="")
    lane.tick("alerts")
    fake_run(lane, dg.DagsterRunStatus.FAILURE)
    said = lane.tick("alerts")
    assert said == "[manga] run of partner_batch_job failed: run_died; nobody is told: MANGA_ALERTS_TOPIC_ARN is empty"
    assert lane.notifier.published == []
    assert lane.tick("alerts") == "nothing new; 1 open incidents; nobody is told: MANGA_ALERTS_TOPIC_ARN is empty"


def test_links_go_to_the_url_in_the_settings(tmp_path: Path) -> None:
    lane = HealthLane(tmp_path, dagster_url="https://dagster.example.com/")
    lane.tick("alerts")
    run_id = fake_run(lane, dg.DagsterRunStatus.FAILURE)
    lane.tick("alerts")
    assert lane.alerts()[0]["link"] == f"https://dagster.example.com/runs/{run_id}"
