"""How long the few calls of a night take in which little changed: near what the model alone takes, in virtual time."""

from datetime import timedelta
from typing import Any

from manga_enrichment.gateways.senders import Learned
from manga_enrichment.pipeline.engine.calls import EngineSettings
from manga_enrichment.pipeline.engine.invocation import InvokeSettings
from manga_enrichment_tests.builders import SINGLES, World, model_of, put_catalog, record, report_of
from manga_enrichment_tests.fakes import ScriptedModel

PLACES, LATENCY_SECONDS, TITLES = 64, 0.5, 56
CALLS = TITLES * len(SINGLES)
FIRST_SECONDS = LATENCY_SECONDS
"""The first call of each analysis goes alone, all of them together, so that one pays for the prompt cache."""
MODEL_SECONDS = CALLS * LATENCY_SECONDS / PLACES
BESIDE_SECONDS = LATENCY_SECONDS + 0.25
"""The last round is not full, and places fill within a moment, not at once."""


def world_of(**told: Any) -> World:
    engine = EngineSettings(concurrency=PLACES, deadline_seconds=3600, claim_seconds=60)
    world = World(settings=InvokeSettings(engine, **told))
    world.model = ScriptedModel(world.clock, latency_seconds=LATENCY_SECONDS)
    return world


def night(world: World, number: int) -> float:
    """Seconds that it takes to ask about all titles, none of which were asked about before."""
    put_catalog(world.tables, [record(number * TITLES + each) for each in range(1, TITLES + 1)])
    run_id, before = f"run-{number}", world.clock.monotonic_seconds()
    world.plan(run_id, SINGLES)
    reports = world.invoke_all(SINGLES, run_id)
    assert sum(report_of(each).outcomes["succeeded"] for each in reports.values()) == CALLS
    return world.clock.monotonic_seconds() - before


def learned(world: World) -> Learned | None:
    models = {model_of(world.analyses[name]).model_id for name in SINGLES}
    assert len(models) == 1
    return world.senders.learned.get(models.pop())


def test_a_told_quota_that_is_wide_enough_holds_nothing_up() -> None:
    assert night(world_of(requests_per_minute=60_000), 1) <= FIRST_SECONDS + MODEL_SECONDS + BESIDE_SECONDS


def test_an_untold_quota_is_searched_for_once() -> None:
    world = world_of()
    assert night(world, 1) > 2 * (FIRST_SECONDS + MODEL_SECONDS)
    for number in range(2, 6):
        assert night(world, number) <= FIRST_SECONDS + MODEL_SECONDS + BESIDE_SECONDS


def test_nights_an_hour_apart_learn_no_more_than_the_places_send_in_a_second() -> None:
    world = world_of()
    for number in range(1, 9):
        night(world, number)
        world.clock.advance(timedelta(hours=1).total_seconds())
    known = learned(world)
    assert known is not None
    assert PLACES <= known.rate <= PLACES / LATENCY_SECONDS + PLACES
    assert not known.is_limit


def test_nights_a_day_apart_stay_fast() -> None:
    world = world_of()
    night(world, 1)
    took = []
    for number in range(2, 7):
        world.clock.advance(timedelta(days=1).total_seconds())
        took.append(night(world, number))
    assert max(took) <= FIRST_SECONDS + MODEL_SECONDS + 2 * BESIDE_SECONDS


def test_what_a_short_night_uses_of_a_known_limit_does_not_make_it_smaller() -> None:
    world = world_of()
    night(world, 1)
    limit = Learned(1_000.0, world.clock.now())
    world.senders.learned = dict.fromkeys(world.senders.learned, limit)
    for number in (2, 3):
        assert night(world, number) <= FIRST_SECONDS + MODEL_SECONDS + BESIDE_SECONDS
    assert learned(world) == limit
