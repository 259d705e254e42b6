"""Job `redrive_dead_letters`, on fakes."""

import uuid
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.queues.redrive_job import redrive_dead_letters
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, LOW_PRIORITY, NORMAL, SESSION
from manga_enrichment_tests.pipeline.dead_letters.dead_letter_world import DeadLetterWorld, make_body

REQUEST_ID = str(uuid.uuid4())


@pytest.fixture
def world() -> DeadLetterWorld:
    """One dead letter in each queue."""
    world = DeadLetterWorld()
    world.fail_three_times(NORMAL.name, make_body(REQUEST_ID))
    world.fail_three_times(SESSION.name, make_body(), group_id="g", deduplication_id=str(uuid.uuid4()))
    return world


def run(world: DeadLetterWorld, **config: object) -> dg.ExecuteInProcessResult:
    return redrive_dead_letters.execute_in_process(
        run_config={"ops": {"redrive": {"config": config}}},
        resources={"queues": world.queues, "requests": world.requests, "clock": world.clock},
        raise_on_error=False,
    )


def test_without_configuration_both_queues_are_redriven(world: DeadLetterWorld) -> None:
    result = run(world)
    assert result.output_for_node("redrive") == 2
    assert len(world.drain(NORMAL.name)) == 1
    assert len(world.drain(SESSION.name)) == 1


def test_a_dry_run_reports_and_moves_nothing(world: DeadLetterWorld) -> None:
    result = run(world, dry_run=True, queue=DEAD_LETTERS, partners=["partner-1"])
    assert result.output_for_node("redrive") == 1
    (output,) = [each for each in result.all_events if each.event_type_value == "STEP_OUTPUT"]
    assert next(iter(output.step_output_data.metadata)) == "result"
    assert "1" in str(output.step_output_data.metadata["result"].value)
    assert len(world.dead()) == 1


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"reasons": ["too_many_receives"]}, 2),
        ({"reasons": ["throttled"]}, 0),
        ({"partners": ["partner-1"]}, 2),
        ({"partners": ["other"]}, 0),
        ({"request_ids": [REQUEST_ID]}, 1),
        ({"request_ids": [str(uuid.uuid4())]}, 0),
        ({"younger_than_seconds": 86_400.0}, 2),
        ({"older_than_seconds": 86_400.0}, 0),
        ({"queue": DEAD_LETTERS, "target": LOW_PRIORITY.name}, 1),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else str(value),  # the ids in it are random
)
def test_every_choice_of_the_launchpad_counts(world: DeadLetterWorld, config: dict[str, Any], count: int) -> None:
    assert run(world, **config).output_for_node("redrive") == count
    if "target" in config:
        assert len(world.drain(LOW_PRIORITY.name)) == 1


def test_the_limit_is_kept_and_must_make_sense(world: DeadLetterWorld) -> None:
    world.fail_three_times(NORMAL.name, make_body())
    assert run(world, queue=DEAD_LETTERS, limit=1).output_for_node("redrive") == 1
    assert not run(world, queue=DEAD_LETTERS, limit=0).success


def test_a_wrong_queue_fails_the_run_with_its_sentence(world: DeadLetterWorld) -> None:
    result = run(world, queue=NORMAL.name)
    assert not result.success
    failure = result.failure_data_for_node("redrive")
    assert failure is not None
    assert "manga-fm-normal is not one of the dead-letter queues" in str(failure.user_failure_data)
