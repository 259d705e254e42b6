"""Pulling the brake: what is said, what is kept, and which jobs go on."""

import pytest

from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.health.brake import LONGEST_REASON, OFF, BrakeHandle
from manga_enrichment_tests.batch_world import BatchWorld


def handle(world: BatchWorld) -> BrakeHandle:
    base = world.world
    return BrakeHandle(base.budget, base.tables, world.batch, base.clock)


def test_on_says_why_and_since_when_and_status_says_the_same() -> None:
    world = BatchWorld()
    said = handle(world).on("  the bill\n looks wrong ").sentences()
    assert said == [
        f"the brake is on since {world.world.clock.now().isoformat(timespec='seconds')}: the bill looks wrong"
    ]
    assert handle(world).status().sentences() == said


def test_on_twice_keeps_the_first_reason_and_says_so() -> None:
    world = BatchWorld()
    handle(world).on("first")
    world.wait(hours=1)
    (said,) = handle(world).on("second").sentences()
    assert said.endswith("first (it was on before; that reason stays)")
    brake = world.world.budget.brake()
    assert brake is not None
    assert brake.because == "first"


def test_off_says_what_was_on_and_that_nothing_was() -> None:
    world = BatchWorld()
    handle(world).on("a test")
    assert handle(world).off().sentences()[0].startswith(f"{OFF}; it was on since ")
    assert handle(world).off().sentences() == [OFF]
    assert handle(world).status().sentences() == [OFF]


@pytest.mark.parametrize("because", ["", " \n", "x" * (LONGEST_REASON + 1)])
def test_a_brake_needs_a_reason(because: str) -> None:
    world = BatchWorld()
    with pytest.raises(ConfigurationError, match="needs a reason"):
        handle(world).on(because)
    assert world.world.budget.brake() is None


def test_jobs_that_go_on_are_named_with_their_cost_in_all() -> None:
    world = BatchWorld(titles=6)
    world.start()
    said = handle(world).on("a test").sentences()
    at_most = world.money()[0] / 1e6
    assert len(said) == 4
    assert said[-1] == f"2 batch jobs go on, for at most {at_most:.6f} USD; --stop-jobs stops them"


def test_jobs_that_are_stopped_are_named_as_such() -> None:
    world = BatchWorld(titles=6)
    world.start()
    said = handle(world).on("a test", stop_jobs=True).sentences()
    assert [", told to stop)" in each for each in said] == [False, True, True]
