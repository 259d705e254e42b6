"""Queues in the UI: assets with numbers, checks that grade them, and what is told of it."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.queues.checks import SAMPLE
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, DEAD_LETTERS_FIFO, HIGH_PRIORITY, NORMAL, SESSION
from manga_enrichment.pipeline.health.stored_looks import latest_looks
from manga_enrichment_tests.defs.health_lane import HealthLane
from manga_enrichment_tests.defs.project import materialized
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.pipeline.dead_letters.dead_letter_world import make_body

pytestmark = pytest.mark.slow


@pytest.fixture
def lane(tmp_path: Path) -> HealthLane:
    return HealthLane(tmp_path)


def fill_dead_letters(lane: HealthLane, count: int, queue: str = DEAD_LETTERS) -> None:
    for number in range(count):
        fifo = {"group_id": f"g{number}", "deduplication_id": str(number)} if queue == DEAD_LETTERS_FIFO else {}
        lane.world.queue.send(queue, make_body(), **fifo)


def grade(evaluation: dg.AssetCheckEvaluation) -> str:
    return "PASS" if evaluation.passed else evaluation.severity.value


def value_of(evaluation: dg.AssetCheckEvaluation, name: str) -> Any:
    return evaluation.metadata[name].value


def test_an_observation_has_numbers_the_ui_plots_and_a_table(lane: HealthLane) -> None:
    for _ in range(3):
        lane.world.send_text("x")
    fill_dead_letters(lane, 2)
    lane.ages.seconds[NORMAL.name] = 42.0
    seen = materialized(lane.run("observe_queues"))
    requests, dead = seen["request_queues"]["None"], seen["dead_letter_queues"]["None"]
    assert (requests["messages"], requests["normal_visible"], requests["normal_oldest_age_seconds"]) == (3, 3, 42.0)
    assert requests["normal_backlog_per_run"] == 3
    assert "session_fifo_oldest_age_seconds" not in requests
    assert (dead["messages"], dead["dlq_visible"], dead["dlq_fifo_visible"]) == (2, 2, 0)
    assert "| `manga-fm-dlq` | 2 | 0 | 0 | `-` | `unknown` | `unknown` |" in dead["queues"]


def test_the_assets_are_labelled_and_looked_at_every_five_minutes_by_default(lane: HealthLane) -> None:
    specs = {spec.key.to_user_string(): spec for spec in lane.definitions.resolve_all_asset_specs()}
    for name in ("request_queues", "dead_letter_queues"):
        assert (specs[name].group_name, specs[name].kinds) == ("health", {"sqs"})
        assert specs[name].owners == ["team:catalog-data"]
    schedule = lane.definitions.resolve_schedule_def("observe_queues")
    assert (schedule.cron_schedule, schedule.default_status) == ("*/5 * * * *", dg.DefaultScheduleStatus.RUNNING)
    for name in ("alerts", "metrics"):
        assert lane.definitions.resolve_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING


def test_every_observation_is_kept(lane: HealthLane) -> None:
    lane.observe()
    lane.world.clock.advance(300)
    lane.observe()
    first, second = latest_looks(lane.world.tables, lane.world.clock.now(), 5)
    assert (first[0].observed_at - second[0].observed_at).total_seconds() == 300


@pytest.mark.parametrize(("count", "expected"), [(0, "PASS"), (1, "WARN"), (50, "WARN"), (51, "ERROR")])
def test_dead_letters_are_a_warning_and_many_are_an_error(lane: HealthLane, count: int, expected: str) -> None:
    fill_dead_letters(lane, count)
    evaluation = lane.observe()["dead_letter_queue_empty"]
    assert (grade(evaluation), value_of(evaluation, "count")) == (expected, count)


def test_both_dead_letter_queues_count(lane: HealthLane) -> None:
    fill_dead_letters(lane, 26)
    fill_dead_letters(lane, 25, DEAD_LETTERS_FIFO)
    evaluation = lane.observe()["dead_letter_queue_empty"]
    assert grade(evaluation) == "ERROR"
    assert (value_of(evaluation, DEAD_LETTERS), value_of(evaluation, DEAD_LETTERS_FIFO)) == (26, 25)


def test_the_sample_is_capped_has_reasons_and_says_how_to_recover(lane: HealthLane) -> None:
    fill_dead_letters(lane, 20)
    evaluation = lane.observe()["dead_letter_queue_empty"]
    assert value_of(evaluation, "sampled") == SAMPLE
    assert value_of(evaluation, "reasons") == {"too_many_receives": SAMPLE}
    assert len(value_of(evaluation, "sample").splitlines()) == SAMPLE + 2
    assert "manga-enrichment dlq redrive" in value_of(evaluation, "recovery")
    assert "redrive_dead_letters" in value_of(evaluation, "recovery")


def test_what_a_partner_wrote_is_shown_as_code_and_never_in_whole(lane: HealthLane) -> None:
    attributes = {"dead_letter_reason": "![x](https://evil.example/`p`) | <b>" + "y" * 500}
    lane.world.queue.send(DEAD_LETTERS, "a secret prompt", attributes=attributes)
    evaluation = lane.observe()["dead_letter_queue_empty"]
    sample = value_of(evaluation, "sample")
    assert [len(reason) for reason in value_of(evaluation, "reasons")] == [70]
    (row,) = sample.splitlines()[2:]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) > 1
    assert all(cell.startswith("`") and cell.endswith("`") and cell.count("`") == 2 for cell in cells)
    assert "evil.example" in row
    assert "secret prompt" not in row
    assert len(row) < 400


def test_the_sample_leaves_the_dead_letters_where_they_are(lane: HealthLane) -> None:
    fill_dead_letters(lane, 3)
    lane.observe()
    assert lane.world.queue.depth(DEAD_LETTERS).visible == 3


def test_partners_that_wait_too_long_are_a_warning_at_first_and_an_error_when_it_lasts(lane: HealthLane) -> None:
    world, grades = lane.world, []
    world.base.model = ScriptedModel(world.clock, latency_seconds=70)
    for number in range(5):
        world.send([(number, "reading_level")], queue=HIGH_PRIORITY.name)
        world.work(HIGH_PRIORITY.name)
        evaluation = lane.observe()["partner_latency"]
        grades.append(grade(evaluation))
        world.clock.advance(230)
    assert grades == ["WARN", "WARN", "WARN", "ERROR", "ERROR"]
    assert evaluation.description == (
        f"{HIGH_PRIORITY.name}: 95 % of 3 requests within 70 s, more than 60; most of it at the model"
    )
    assert "at the model: throttles" in value_of(evaluation, "next_step")
    world.clock.advance(1500)
    quiet = lane.observe()["partner_latency"]
    assert (grade(quiet), quiet.description) == ("PASS", "nobody was answered lately")


def test_latency_has_numbers_the_ui_plots_and_a_table(lane: HealthLane) -> None:
    lane.world.base.model = ScriptedModel(lane.world.clock, latency_seconds=4)
    lane.world.send()
    lane.world.work()
    seen = materialized(lane.run("observe_queues"))["partner_latency"]["None"]
    assert (seen["requests"], seen["normal_p50_seconds"], seen["normal_p95_seconds"]) == (1, 4, 4)
    assert "| `manga-fm-normal` | 1 | `4.0 / 4.0` | `0.0 / 0.0` | `4.0 / 4.0` | `0.0 / 0.0` |" in seen["latency"]


def test_a_backlog_is_a_warning_at_first_and_an_error_when_it_stays(lane: HealthLane) -> None:
    for _ in range(101):
        lane.world.send_text("x", queue=HIGH_PRIORITY.name)
    lane.ages.seconds[HIGH_PRIORITY.name] = lane.ages.seconds[NORMAL.name] = 5.0
    assert grade(lane.observe()["backlog_keeps_up"]) == "WARN"
    lane.world.clock.advance(300)
    later = lane.observe()["backlog_keeps_up"]
    assert grade(later) == "ERROR"
    assert "101 messages wait" in str(later.description)


def test_old_messages_are_a_backlog_and_an_unknown_age_is_no_good_one(lane: HealthLane) -> None:
    lane.world.send_text("x")
    unknown = lane.observe()["backlog_keeps_up"]
    assert grade(unknown) == "WARN"
    assert "not known: manga-fm-normal" in str(unknown.description)
    lane.world.clock.advance(300)
    lane.ages.seconds[NORMAL.name] = 599.0
    assert grade(lane.observe()["backlog_keeps_up"]) == "PASS"
    lane.world.clock.advance(300)
    lane.ages.seconds[NORMAL.name] = 601.0
    assert grade(lane.observe()["backlog_keeps_up"]) == "WARN"


def test_checks_of_an_old_look_say_that_it_is_old(lane: HealthLane) -> None:
    lane.observe()
    lane.world.clock.advance(3600)
    result = lane.run(
        "observe_queues", asset_selection=[dg.AssetKey("dead_letter_queues"), dg.AssetKey("request_queues")]
    )
    assert result.success
    lane.world.clock.advance(3600)
    only_checks = dg.define_asset_job(
        "only_checks", selection=dg.AssetSelection.checks_for_assets(dg.AssetKey("request_queues"))
    )
    merged = dg.Definitions.merge(lane.definitions, dg.Definitions(jobs=[only_checks]))
    checked = merged.resolve_job_def("only_checks").execute_in_process(instance=lane.instance)
    evaluations = checked.get_asset_check_evaluations()
    assert {grade(each) for each in evaluations} == {"WARN"}
    assert all("not looked at" in str(each.description) for each in evaluations)


def test_a_session_whose_message_nobody_holds_is_blocked(lane: HealthLane) -> None:
    lane.world.send_text("x", queue=SESSION.name, group_id="acme:1", name="one")
    lane.ages.seconds[SESSION.name] = 5.0
    lane.world.queue.receive(SESSION.name, max_messages=1, wait_seconds=0, visibility_seconds=900)
    assert grade(lane.observe()["fifo_sessions_not_blocked"]) == "WARN"
    lane.world.clock.advance(300)
    blocked = lane.observe()["fifo_sessions_not_blocked"]
    assert grade(blocked) == "ERROR"
    assert "no run holds them" in str(blocked.description)


def test_one_alert_goes_out_for_many_dead_letters_and_one_when_they_are_gone(lane: HealthLane) -> None:
    lane.tick("alerts")
    for count in (0, 1, 50):  # 0, then 1, then 51 in the queue
        fill_dead_letters(lane, count)
        grades = grade(lane.observe()["dead_letter_queue_empty"])
        lane.tick("alerts")
        assert (grades, len(lane.alerts())) == {0: ("PASS", 0), 1: ("WARN", 0), 50: ("ERROR", 1)}[count]
    lane.observe()
    lane.tick("alerts")
    (alert,) = lane.alerts()
    assert alert["what"] == "check dead_letter_queue_empty of dead_letter_queues"
    assert alert["numbers"]["count"] == 51
    assert lane.redrive() == 51
    assert grade(lane.observe()["dead_letter_queue_empty"]) == "PASS"
    lane.tick("alerts")
    assert [each["alert"] for each in lane.alerts()] == ["failed", "recovered"]


def test_a_conversation_whose_runs_never_came_is_sent_again_then_ends_as_failed_and_stays_a_dead_letter(
    lane: HealthLane,
) -> None:
    body = {"query": "Which?", "conversation_id": "7c9e6679-7425-40de-944b-000000000001"}
    sent = lane.world.send_envelope("manga_query", body, queue=SESSION.name, group_id="acme:1")
    for fate in ("sent_again", "closed"):
        for _ in range(4):
            lane.world.tick(SESSION.name)
            lane.world.clock.advance(SESSION.visibility_seconds + 60)
        assert (lane.world.state(sent), len(lane.world.queue.messages(DEAD_LETTERS_FIFO))) == ("queued", 1)
        lane.world.clock.advance(1000)
        ended = materialized(lane.run("observe_queues"))["dead_requests"]["None"]
        assert {name: count for name, count in ended.items() if count} == {fate: 1}
    assert (lane.world.state(sent), lane.world.row(sent).error_class) == ("failed", "run_ended")
    assert len(lane.world.queue.messages(DEAD_LETTERS_FIFO)) == 1
    assert materialized(lane.run("observe_queues"))["dead_requests"]["None"]["closed"] == 0
