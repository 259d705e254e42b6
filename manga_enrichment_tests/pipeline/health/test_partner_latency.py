"""What partners' requests took, found in their results; looks at it, kept and read back."""

from datetime import timedelta

import pyarrow as pa

from manga_enrichment.domain.operations.partner_latency import Spread
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, NORMAL
from manga_enrichment.pipeline.health.metrics import latency_metrics
from manga_enrichment.pipeline.health.partner_latency import (
    FRESH,
    LOOK_BACK,
    answered_requests,
    latency_looks,
    look_at_latency,
    store_latency,
)
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld

DAY = timedelta(days=1)


def world_with_answers() -> PartnerWorld:
    """One normal request that waited 30 s and was 4 s at the model, one urgent one, at the model for 4 s."""
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, latency_seconds=4)
    world.send([(1, "reading_level"), (1, "genre_classification")])
    world.clock.advance(30)
    world.work()
    world.send([(2, "reading_level")], queue=HIGH_PRIORITY.name)
    world.work(HIGH_PRIORITY.name)
    return world


def test_a_look_says_by_queue_what_requests_took_and_where() -> None:
    world = world_with_answers()
    urgent, normal = look_at_latency(world.base.tables, world.clock.now())
    assert (urgent.queue, urgent.requests, normal.queue, normal.requests) == (HIGH_PRIORITY.name, 1, NORMAL.name, 1)
    assert (urgent.waiting, urgent.model, urgent.ours) == (Spread(0, 0), Spread(4, 4), Spread(0, 0))
    assert (normal.waiting, normal.total.p95_seconds) == (Spread(30, 30), 30 + normal.model.p95_seconds)
    assert normal.model.p95_seconds >= 4


def test_only_what_was_answered_in_the_window_counts_and_was_submitted_not_long_before() -> None:
    world = world_with_answers()
    tables, now = world.base.tables, world.clock.now()
    assert len(list(answered_requests(tables, now - DAY, now))) == 2
    [last] = answered_requests(tables, now - timedelta(seconds=1), now)
    assert (last.queue, last.completed_at) == (HIGH_PRIORITY.name, now)
    assert list(answered_requests(tables, now, now + DAY)) == []
    soon = now + LOOK_BACK
    assert [each.queue for each in answered_requests(tables, now - timedelta(seconds=1), soon)] == [HIGH_PRIORITY.name]


def test_what_was_submitted_long_before_the_window_is_not_looked_for() -> None:
    world = PartnerWorld()
    world.send()
    world.clock.advance(LOOK_BACK.total_seconds() + 7200)
    world.work()
    now = world.clock.now()
    assert list(answered_requests(world.base.tables, now - timedelta(minutes=1), now)) == []
    assert len(list(answered_requests(world.base.tables, now - timedelta(hours=2), now))) == 1


def test_a_request_counts_once_with_its_latest_result() -> None:
    world = world_with_answers()
    tables, now = world.base.tables, world.clock.now()
    [key] = [
        key for key in tables.list_keys("enrichment/partner_results/") if HIGH_PRIORITY.name in str(rows_at(world, key))
    ]
    later = [{**row, "generation": 2, "model_seconds": 0.5} for row in rows_at(world, key)]
    tables.write(
        key.replace(".parquet", "-2.parquet"), pa.Table.from_pylist(later, schema=tables.read(key).table.schema)
    )
    found = {each.queue: each.model_seconds for each in answered_requests(tables, now - DAY, now)}
    assert (len(found), found[HIGH_PRIORITY.name]) == (2, 0.5)


def test_results_of_a_release_that_noted_no_times_are_left_out() -> None:
    world = world_with_answers()
    tables, now = world.base.tables, world.clock.now()
    for key in tables.list_keys("enrichment/partner_results/"):
        stored = tables.read(key)
        tables.write(key, stored.table.drop_columns(["queue", "accepted_at", "claimed_at", "model_seconds"]))
    assert look_at_latency(tables, now) == []


def test_looks_are_kept_by_day_once_and_read_back_newest_first() -> None:
    world = world_with_answers()
    tables, first = world.base.tables, world.clock.now()
    seen = look_at_latency(tables, first)
    for _ in range(2):
        store_latency(tables, seen, first, "look-1")
    world.clock.advance(300)
    again = look_at_latency(tables, world.clock.now())
    store_latency(tables, again, world.clock.now(), "look-2")
    store_latency(tables, [], world.clock.now(), "look-3")
    assert latency_looks(tables, world.clock.now(), DAY) == [again, seen]
    assert latency_looks(tables, world.clock.now(), timedelta(seconds=300)) == [again]


def test_a_fresh_look_is_told_as_metrics_of_now_and_an_old_one_is_not() -> None:
    world = world_with_answers()
    tables, seen_at = world.base.tables, world.clock.now()
    store_latency(tables, look_at_latency(tables, seen_at), seen_at, "look-1")
    now = seen_at + timedelta(minutes=3)
    told = {(each.name, dict(each.dimensions)["QueueName"]): each for each in latency_metrics(tables, now)}
    assert told["LatencyP95", HIGH_PRIORITY.name].value == told["ModelP95", HIGH_PRIORITY.name].value == 4
    assert told["WaitingP95", NORMAL.name].value == 30
    assert {(each.at, each.unit, each.namespace) for each in told.values()} == {
        (now, "Seconds", "MangaAssist/Partners")
    }
    assert len(told) == 10
    assert latency_metrics(tables, seen_at + FRESH) == []


def rows_at(world: PartnerWorld, key: str) -> list[dict[str, object]]:
    stored = world.base.tables.read(key)
    return [] if stored is None else list(stored.table.to_pylist())
