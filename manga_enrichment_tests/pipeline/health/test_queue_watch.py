"""Looking at the queues: nothing is received, ages are known or said to be unknown, looks are kept."""

from datetime import timedelta

import pytest

from manga_enrichment.domain.operations.queue_observations import (
    HIGH_PRIORITY_MESSAGES,
    AgeSource,
    QueueObservation,
    backlog_problems,
    blocked_session_problems,
    unknown_ages,
)
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, HIGH_PRIORITY, NORMAL, QUEUES, SESSION
from manga_enrichment.pipeline.health.metrics import depths_and_backlog
from manga_enrichment.pipeline.health.queue_watch import QueueWatch
from manga_enrichment.pipeline.health.stored_looks import SCHEMA, latest_looks, store_observations
from manga_enrichment_tests.fakes import START
from manga_enrichment_tests.health_fakes import MemoryAges
from manga_enrichment_tests.partner_world import PartnerWorld


@pytest.fixture
def world() -> PartnerWorld:
    return PartnerWorld()


def watch(world: PartnerWorld, ages: MemoryAges | None = None) -> QueueWatch:
    return QueueWatch(
        queues=world.queue,
        ages=ages or MemoryAges(),
        requests=world.requests,
        tables=world.tables,
        clock=world.clock,
    )


def look(world: PartnerWorld, ages: MemoryAges | None = None, **units: list[str]) -> dict[str, QueueObservation]:
    by_queue = {QUEUES["manga-fm-" + name.replace("_", "-")].name: keys for name, keys in units.items()}
    return {each.queue: each for each in watch(world, ages).look(by_queue)}


def test_every_queue_is_seen_and_an_empty_one_has_no_age(world: PartnerWorld) -> None:
    seen = look(world)
    assert set(seen) == set(QUEUES)
    assert {each.oldest_age_source for each in seen.values()} == {AgeSource.EMPTY}
    assert {each.oldest_age_seconds for each in seen.values()} == {None}
    assert seen[DEAD_LETTERS].runs_in_flight is None
    assert seen[NORMAL.name].backlog_per_run == 0


def test_looking_receives_nothing(world: PartnerWorld) -> None:
    world.send_text("anything")
    for _ in range(5):
        look(world)
    assert [message.receive_count for message in world.queue.messages(NORMAL.name)] == [0]


def test_the_age_of_what_nobody_has_received_is_unknown(world: PartnerWorld) -> None:
    world.send_text("anything")
    world.clock.advance(3600)
    seen = look(world)[NORMAL.name]
    assert (seen.oldest_age_seconds, seen.oldest_age_source) == (None, AgeSource.UNKNOWN)
    assert seen.age_words() == "unknown"
    assert unknown_ages([seen], {NORMAL.name}) == [NORMAL.name]
    assert unknown_ages([seen], {SESSION.name}) == []


def test_a_request_held_by_a_live_run_bounds_the_age_from_below(world: PartnerWorld) -> None:
    world.send()
    world.clock.advance(90)
    (unit,) = world.tick().units
    world.clock.advance(10)
    seen = look(world, normal=[unit.key])[NORMAL.name]
    assert (seen.oldest_age_seconds, seen.oldest_age_source) == (100, AgeSource.AT_LEAST)
    assert (seen.held, seen.runs_in_flight, seen.in_flight) == (1, 1, 1)


def test_an_answered_request_of_a_run_that_has_not_ended_bounds_nothing(world: PartnerWorld) -> None:
    world.send()
    (unit,) = world.tick().units
    world.run(unit.key)
    world.send_text("the next")
    seen = look(world, normal=[unit.key])[NORMAL.name]
    assert seen.oldest_age_source is AgeSource.UNKNOWN


def test_what_cloudwatch_says_comes_first(world: PartnerWorld) -> None:
    world.send_text("anything")
    seen = look(world, MemoryAges(**{NORMAL.name: 601.0}))[NORMAL.name]
    assert (seen.oldest_age_seconds, seen.oldest_age_source) == (601.0, AgeSource.CLOUDWATCH)
    assert "601 s" in backlog_problems([seen])[0]


def test_a_cloudwatch_that_is_down_makes_ages_unknown_and_nothing_else(world: PartnerWorld) -> None:
    ages = MemoryAges(**{NORMAL.name: 601.0})
    ages.is_down = True
    world.send_text("anything")
    seen = look(world, ages)[NORMAL.name]
    assert (seen.visible, seen.oldest_age_source) == (1, AgeSource.UNKNOWN)


def test_a_unit_whose_file_is_gone_holds_nothing(world: PartnerWorld) -> None:
    assert look(world, normal=["gone:1"])[NORMAL.name].held == 0


def observation(queue: str, **numbers: object) -> QueueObservation:
    return QueueObservation(
        **{
            "observed_at": START,
            "queue": queue,
            "visible": 0,
            "in_flight": 0,
            "delayed": 0,
            "oldest_age_source": AgeSource.EMPTY,
            "runs_in_flight": 0,
            "held": 0,
            **numbers,
        }  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(("visible", "problems"), [(HIGH_PRIORITY_MESSAGES, 0), (HIGH_PRIORITY_MESSAGES + 1, 1)])
def test_the_urgent_queue_may_hold_a_hundred_messages(visible: int, problems: int) -> None:
    assert len(backlog_problems([observation(HIGH_PRIORITY.name, visible=visible)])) == problems
    assert backlog_problems([observation(NORMAL.name, visible=visible)]) == []


@pytest.mark.parametrize(("age", "problems"), [(600.0, 0), (600.5, 1)])
def test_the_oldest_normal_message_may_be_ten_minutes_old(age: float, problems: int) -> None:
    assert len(backlog_problems([observation(NORMAL.name, oldest_age_seconds=age)])) == problems


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"in_flight": 2, "held": 1, "runs_in_flight": 1}, "1 messages are hidden and no run holds them"),
        ({"visible": 3}, "3 messages wait and no run is in flight"),
        ({"in_flight": 1, "held": 1, "runs_in_flight": 1, "oldest_age_seconds": 700.0}, "oldest message 700 s"),
    ],
)
def test_a_session_is_blocked_by_what_nobody_works_at_or_for_too_long(numbers: dict[str, object], said: str) -> None:
    numbers = {"oldest_age_source": AgeSource.CLOUDWATCH, **numbers}
    (problem,) = blocked_session_problems([observation(SESSION.name, **numbers)])
    assert said in problem
    assert blocked_session_problems([observation(NORMAL.name, **numbers)]) == []


def test_a_session_that_is_being_answered_is_not_blocked() -> None:
    busy = observation(SESSION.name, visible=4, in_flight=1, held=1, runs_in_flight=1)
    assert blocked_session_problems([busy]) == []


def test_looks_are_kept_by_day_once_each_and_read_back_newest_first(world: PartnerWorld) -> None:
    world.send_text("anything")
    first = watch(world).look({})
    store_observations(world.tables, first, "run-1")
    store_observations(world.tables, first, "run-1")
    world.clock.advance(86_400)
    second = watch(world).look({})
    key = store_observations(world.tables, second, "run-2")
    assert key == f"enrichment/queue_observations/date={second[0].observed_at.date()}/part.parquet"
    assert latest_looks(world.tables, world.clock.now(), 2) == [second, first]
    assert latest_looks(world.tables, world.clock.now() + timedelta(days=3), 2) == []
    stored = world.tables.read(key)
    assert stored is not None
    assert stored.table.schema.equals(SCHEMA)
    assert stored.table.num_rows == len(QUEUES)


def test_backlog_is_told_by_queue_and_over_all(world: PartnerWorld) -> None:
    for _ in range(6):
        world.send_text("anything")
        world.send_text("anything", queue=HIGH_PRIORITY.name)
    depths, backlog = depths_and_backlog(world.queue, {NORMAL.name: 2, HIGH_PRIORITY.name: 1, "": 3})
    assert depths[NORMAL.name].visible == 6
    assert (backlog[NORMAL.name], backlog[HIGH_PRIORITY.name], backlog[""]) == (3, 6, 4)
    assert DEAD_LETTERS not in backlog
