"""Resident runs in Dagster: who is started when, and what a run tells of itself."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.partner.resident_job import RESIDENT_JOB
from manga_enrichment.defs.partner.resident_sensor import RESIDENTS_SENSOR
from manga_enrichment.defs.shared.tags import RESIDENT_SLOT_TAG, RESIDENT_TAG
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, NORMAL, RESIDENT_LANES, SESSION
from manga_enrichment.settings import Settings
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.request_fakes import MemoryQueues

pytestmark = pytest.mark.slow

LIFE_SECONDS = 120.0
DRY_QUESTION = {"query": "Which manga has a lighthouse?", "conversation_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7"}


class Residents:
    """Definitions over a PartnerWorld; a run lives as long as a test says."""

    def __init__(self, folder: Path) -> None:
        self.world = world = PartnerWorld()
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        self.cursor: str | None = None
        resources = {
            **world.base.resources(),
            "queues": world.queue,
            "requests": world.requests,
            "residents": world.residents,
            "outbox": world.outbox,
            "open_model": lambda: world.base.model,
        }
        settings = Settings(catalog_buckets=1, deadline_seconds=60, resident_life_seconds=LIFE_SECONDS)
        self.definitions = build_definitions(settings, resources=resources)

    def tick(self) -> dict[str, dg.RunRequest]:
        """The runs that are asked for, by lane:slot."""
        resources = self.definitions.resources or {}
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            definitions=self.definitions,
            resources={name: resources[name] for name in ("queues", "residents", "clock")},
        ) as context:
            data = self.definitions.resolve_sensor_def(RESIDENTS_SENSOR).evaluate_tick(context)
        self.cursor = data.cursor
        return {str(each.run_key).rpartition(":")[0]: each for each in data.run_requests or []}

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(RESIDENT_JOB).execute_in_process(
            run_config=request.run_config, tags=dict(request.tags), instance=self.instance, raise_on_error=False
        )

    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)


@pytest.fixture
def residents(tmp_path: Path) -> Residents:
    return Residents(tmp_path)


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [event] = [each for each in result.all_events if each.event_type is dg.DagsterEventType.STEP_OUTPUT]
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_every_lane_gets_a_run_and_what_is_urgent_is_answered(residents: Residents) -> None:
    sent = residents.world.send([(1, "reading_level")], queue=HIGH_PRIORITY.name)
    asked = residents.world.send_envelope("manga_query", DRY_QUESTION, queue=SESSION.name, group_id="acme:c")
    launches = residents.tick()
    assert set(launches) == {"urgent:0", "conversations:0"}
    results = [residents.run(each) for each in launches.values()]
    assert all(result.success for result in results)
    assert (residents.world.state(sent), residents.world.state(asked)) == ("completed", "completed")
    numbers = metadata(results[0])
    assert (numbers["requests_completed"], numbers["messages_claimed"], numbers["calls"]) == (1, 1, 1)
    assert numbers["ended"] == "its time was over"


def test_what_is_normal_is_left_to_the_runs_for_units(residents: Residents) -> None:
    sent = residents.world.send(queue=NORMAL.name)
    for request in residents.tick().values():
        residents.run(request)
    assert sent not in residents.world.requests.rows
    sensor = residents.definitions.resolve_sensor_def("partner_requests")
    assert sensor.minimum_interval_seconds == 5


def test_the_event_log_grows_with_runs_and_not_with_requests(residents: Residents) -> None:
    def events(count: int) -> int:
        for number in range(count):
            residents.world.send([(number % 8, "reading_level")], queue=HIGH_PRIORITY.name)
        residents.wait(1)
        result = residents.run(residents.tick()["urgent:0"])
        assert metadata(result)["requests_completed"] == count
        return len(residents.instance.all_logs(result.run_id))

    assert events(2) == events(60)


def test_a_run_that_is_coming_is_not_asked_for_again(residents: Residents) -> None:
    request = residents.tick()["urgent:0"]
    residents.instance.create_run_for_job(
        residents.definitions.resolve_job_def(RESIDENT_JOB),
        run_config=request.run_config,
        tags=dict(request.tags),
        status=dg.DagsterRunStatus.NOT_STARTED,
    )
    for _ in range(20):
        residents.wait(5)
        assert "urgent:0" not in residents.tick()


def test_a_run_that_died_before_it_began_is_followed_by_one_of_another_key(residents: Residents) -> None:
    first = residents.tick()["urgent:0"]
    residents.wait(5)
    second = residents.tick()["urgent:0"]
    assert first.run_key != second.run_key
    assert int(second.tags[RESIDENT_SLOT_TAG].split(":")[1]) > int(first.tags[RESIDENT_SLOT_TAG].split(":")[1])
    assert second.tags[RESIDENT_TAG] == "urgent"


def test_an_idle_lane_costs_no_looks_at_its_queues(residents: Residents) -> None:
    looks: list[str] = []

    class Counted(MemoryQueues):
        def depth(self, queue: str) -> Any:
            looks.append(queue)
            return super().depth(queue)

    residents.world.queue.__class__ = Counted
    for _ in range(5):
        residents.tick()
        residents.wait(5)
    assert looks == []


def test_a_model_without_access_fails_the_run_early_and_defers_the_request(residents: Residents) -> None:
    residents.world.base.model = ScriptedModel(residents.world.clock, otherwise=ErrorClass.ACCESS_DENIED)
    sent = residents.world.send([(1, "reading_level")], queue=HIGH_PRIORITY.name)
    result = residents.run(residents.tick()["urgent:0"])
    assert not result.success
    assert residents.world.state(sent) == "deferred"
    failed = result.get_step_failure_events()[0].step_failure_data
    assert failed.user_failure_data is not None
    assert "access_denied" in str(failed.user_failure_data.description)


def test_every_lane_of_residents_has_queues_of_its_own() -> None:
    names = [queue.name for queues in RESIDENT_LANES.values() for queue in queues]
    assert len(names) == len(set(names)) == 3
