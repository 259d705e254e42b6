"""The partner lane in Dagster: sensor ticks and runs in this process, over gateways in memory."""

import signal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.partner.assets import PARTNER_JOB
from manga_enrichment.defs.partner.sensors import ORDERED, STANDARD
from manga_enrichment.defs.shared.tags import PROGRESS_TAG
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, HIGH_PRIORITY, NORMAL, REQUEST_QUEUES, SESSION
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.store.object_keys import unit_key
from manga_enrichment.settings import Settings
from manga_enrichment_tests.defs.project import failures
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel, valid_answer
from manga_enrichment_tests.partner_world import PartnerWorld

pytestmark = pytest.mark.slow

DRY_QUESTION = {"query": "Which manga has a lighthouse?", "conversation_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
ALWAYS = ("open_requests", "plan_requests", "collect_answers", "settle_requests")


class Lane:
    """Definitions over a PartnerWorld, in an instance of their own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.world = PartnerWorld()
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        self.cursor: str | None = None
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """The same lane after a deploy with other settings."""
        chosen = {"catalog_buckets": 1, "deadline_seconds": 60, "residents": False, **settings}
        world = self.world
        resources = {
            **world.base.resources(),
            "queues": world.queue,
            "requests": world.requests,
            "residents": world.residents,
            "outbox": world.outbox,
            "open_model": lambda: world.base.model,
        }
        self.definitions = build_definitions(Settings(**chosen), resources=resources)

    def tick(self, sensor: str = "partner_requests") -> list[dg.RunRequest]:
        found = self.definitions.resolve_sensor_def(sensor)
        resources = self.definitions.resources or {}
        names = ("queues", "requests", "tables", "ledger", "outbox", "clock")
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=self.definitions,
            resources={name: resources[name] for name in names},
        ) as context:
            data = found.evaluate_tick(context)
        self.cursor = data.cursor
        return list(data.run_requests or [])

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(PARTNER_JOB).execute_in_process(
            run_config=request.run_config,
            partition_key=request.partition_key,
            tags=dict(request.tags),
            instance=self.instance,
            raise_on_error=False,
        )

    def work(self, sensor: str = "partner_requests") -> list[dg.ExecuteInProcessResult]:
        return [self.run(request) for request in self.tick(sensor)]


def steps(result: dg.ExecuteInProcessResult) -> set[str]:
    started = (str(event.step_key) for event in result.all_events if event.event_type_value == "STEP_START")
    return {key.removeprefix("partner_results.") for key in started}


@pytest.fixture
def lane(tmp_path: Path) -> Lane:
    return Lane(tmp_path)


def test_one_run_answers_many_small_requests(lane: Lane) -> None:
    sent = [lane.world.send([(number, "reading_level")]) for number in range(8)]
    [result] = lane.work()
    assert result.success
    assert {lane.world.state(each) for each in sent} == {"completed"}
    assert steps(result) == {
        "open_requests",
        "plan_requests",
        "invoke_reading_level_for_partners",
        "collect_answers",
        "settle_requests",
    }
    [done] = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    metadata = {key: value.value for key, value in done.step_materialization_data.materialization.metadata.items()}
    assert (metadata["requests_completed"], metadata["items_succeeded"]) == (8, 8)


def test_the_tag_of_a_run_says_how_far_it_is_of_how_many_and_what_was_asked_in_the_end(lane: Lane) -> None:
    lane.world.base.model = ScriptedModel(lane.world.clock, latency_seconds=25.0)
    lane.world.send([(number, "reading_level") for number in range(3)])
    [result] = lane.work()
    run = lane.instance.get_run_by_id(result.run_id)
    said = [log.user_message for log in lane.instance.all_logs(result.run_id)]
    assert run is not None
    assert run.tags[PROGRESS_TAG].startswith("reading_level: 3 titles asked in ")
    assert "3 calls for 3 different items" in said
    assert any(line.startswith("reading_level: 0 of 3 titles") for line in said)


def test_a_request_that_needs_no_call_is_settled_without_an_invoke_op(lane: Lane) -> None:
    sent = lane.world.send([(99, "reading_level")])
    [result] = lane.work()
    assert steps(result) == set(ALWAYS)
    assert lane.world.state(sent) == "failed"


def test_the_run_key_is_request_and_generation(lane: Lane) -> None:
    sent = lane.world.send()
    [request] = lane.tick()
    assert request.run_key == f"{sent}:1"
    assert request.tags["manga/queue"] == NORMAL.name


def test_an_invalid_message_is_rejected_with_its_reason_and_holds_up_nobody(lane: Lane) -> None:
    bad = lane.world.send([(1, "no_such_analysis")])
    lane.world.send_text("{")
    good = lane.world.send()
    lane.work()
    assert (lane.world.state(bad), lane.world.row(bad).error_class) == ("rejected", "invalid_body")
    assert lane.world.state(good) == "completed"
    reasons = [letter.attributes["dead_letter_reason"] for letter in lane.world.queue.messages(DEAD_LETTERS)]
    assert sorted(reasons) == ["invalid_body", "malformed_json"]


def test_the_most_urgent_queue_is_looked_at_first(lane: Lane) -> None:
    normal = lane.world.send()
    urgent = lane.world.send(queue=HIGH_PRIORITY.name)
    assert [request.run_key for request in lane.tick()] == [f"{urgent}:1", f"{normal}:1"]


def test_no_more_is_pulled_than_can_start(tmp_path: Path) -> None:
    lane = Lane(tmp_path, queue_max_runs=2, coalesce_max_messages=3)
    for _ in range(10):
        lane.world.send()
    first = lane.tick()
    assert len(first) == 1  # ten messages are worth one run
    assert lane.world.queue.depth(NORMAL.name).visible == 7


def test_the_lease_of_a_request_whose_run_is_queued_is_renewed(lane: Lane) -> None:
    sent = lane.world.send()
    [request] = lane.tick()
    job = lane.definitions.resolve_job_def(PARTNER_JOB)
    lane.instance.create_run_for_job(
        job, run_config=request.run_config, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTING
    )
    for _ in range(6):
        lane.world.clock.advance(NORMAL.visibility_seconds / 2)
        assert lane.tick() == []
    assert lane.world.row(sent).generation == 1
    assert lane.run(request).success
    assert lane.world.state(sent) == "completed"


def test_a_queued_run_whose_unit_is_gone_does_not_stop_the_sensor(tmp_path: Path) -> None:
    lane = Lane(tmp_path, queue_min_runs=2)
    lane.world.send()
    [request] = lane.tick()
    job = lane.definitions.resolve_job_def(PARTNER_JOB)
    lane.instance.create_run_for_job(
        job, run_config=request.run_config, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTING
    )
    del lane.world.base.tables.objects[unit_key(request.tags["manga/unit"])]
    lane.world.clock.advance(NORMAL.visibility_seconds + 1)
    sent = lane.world.send()
    lane.tick()
    assert lane.world.state(sent) == "queued"


def test_the_sensors_of_the_lane_run_by_default_and_one_looks_after_each_family(lane: Lane) -> None:
    found = {
        sensor.name: sensor.default_status
        for sensor in lane.definitions.get_repository_def().sensor_defs
        if sensor.name.startswith("partner_")
    }
    assert found == dict.fromkeys(("partner_requests", "partner_conversations"), dg.DefaultSensorStatus.RUNNING)
    assert [*STANDARD, *ORDERED] == list(REQUEST_QUEUES)


def test_a_run_that_starts_too_late_finds_nothing_to_do(lane: Lane) -> None:
    sent = lane.world.send()
    [late] = lane.tick()
    lane.world.clock.advance(NORMAL.visibility_seconds + 1)
    lane.work()
    result = lane.run(late)
    assert result.success
    assert steps(result) == {"open_requests"}
    assert lane.world.row(sent).generation == 2


def test_without_a_catalog_requests_wait_and_the_run_says_what_to_do(lane: Lane) -> None:
    sent = lane.world.send()
    lane.world.base.tables.objects.clear()
    [result] = lane.work()
    assert "materialize manga_catalog first" in failures(result)["partner_results.plan_requests"]
    assert lane.world.state(sent) == "deferred"
    assert lane.world.queue.depth(NORMAL.name).delayed == 1


def test_a_model_without_access_fails_the_run_and_defers_the_requests(lane: Lane) -> None:
    lane.world.base.model = ScriptedModel(lane.world.clock, otherwise=ErrorClass.ACCESS_DENIED)
    sent = lane.world.send()
    [result] = lane.work()
    assert "access_denied" in failures(result)["partner_results.settle_requests"]
    assert lane.world.state(sent) == "deferred"


def test_after_an_unforeseen_error_the_receive_counts(lane: Lane, tmp_path: Path) -> None:
    """The request itself may be the reason: it must not come back for ever."""
    sent = lane.world.send()
    [request] = lane.tick()
    del lane.world.base.tables.objects[lane.world.row(sent).body_key]
    result = lane.run(request)
    assert not result.success
    assert lane.world.state(sent) == "processing"
    assert lane.world.queue.depth(NORMAL.name).delayed == 0


def test_sigterm_lets_calls_in_flight_finish_and_gives_the_rest_back(tmp_path: Path) -> None:
    lane = Lane(tmp_path, concurrency=1)

    def answer_and_be_told_to_end(request: ModelCall) -> ModelReply:
        signal.raise_signal(signal.SIGTERM)
        return ModelReply("tool_use", valid_answer(request.prompt), DEFAULT_USAGE)

    lane.world.base.model = ScriptedModel(lane.world.clock, otherwise=answer_and_be_told_to_end)
    sent = lane.world.send([(number, "reading_level") for number in range(4)])
    [request] = lane.tick()
    result = lane.run(request)
    assert result.success
    assert len(lane.world.base.ledger.entries) == 1
    assert lane.world.state(sent) == "deferred"
    lane.world.base.model = ScriptedModel(lane.world.clock)
    lane.world.clock.advance(30)
    lane.work()
    assert (lane.world.state(sent), len(lane.world.base.model.sent)) == ("completed", 3)
    assert lane.world.row(sent).generation == 2


def test_sigterm_before_anything_was_asked_gives_everything_back(lane: Lane) -> None:
    sent = lane.world.send()
    [request] = lane.tick()
    real_get_many = lane.world.base.ledger.get_many

    def told_to_end_while_planning(fingerprints: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return real_get_many(fingerprints)

    lane.world.base.ledger.get_many = told_to_end_while_planning  # type: ignore[method-assign]
    assert lane.run(request).success
    assert lane.world.state(sent) == "deferred"
    assert lane.world.base.model.sent == []


def test_questions_of_a_session_are_answered_in_order_and_know_what_was_said(lane: Lane) -> None:
    questions = [f"Question {number}?" for number in range(3)]
    sent = [
        lane.world.send_envelope("manga_query", {**DRY_QUESTION, "query": each}, queue=SESSION.name, group_id="acme:s")
        for each in questions
    ]
    for number, request_id in enumerate(sent):
        [result] = lane.work("partner_conversations")
        assert steps(result) == {
            "open_requests",
            "plan_requests",
            "invoke_conversation_for_partners",
            "collect_answers",
            "settle_requests",
        }
        assert lane.world.state(request_id) == "completed"
        said = lane.world.base.model.sent[-1].request.prompt.user
        assert [each in said for each in questions] == [place <= number for place in range(3)]


def test_a_deferred_question_gets_its_next_run_from_the_sensor_without_a_receive(tmp_path: Path) -> None:
    """Its message stays in flight, and no other waits: the sensor looks all the same."""
    lane = Lane(tmp_path, budget_usd_per_day=0.0)
    sent = lane.world.send_envelope("manga_query", DRY_QUESTION, queue=SESSION.name, group_id="acme:s")
    lane.work("partner_conversations")
    assert lane.world.state(sent) == "deferred"
    assert lane.tick("partner_conversations") == []
    lane.world.clock.advance(301)
    lane.configure()
    [result] = lane.work("partner_conversations")
    assert result.success
    assert (lane.world.state(sent), lane.world.row(sent).generation) == ("completed", 2)
    assert lane.world.queue.messages(SESSION.name) == []
