"""The log as a run writes it, held against a service that counted exactly what it was asked."""

from datetime import datetime, timedelta

import pytest

from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.operations.service_books import HOUR, Difference, ServiceMetric
from manga_enrichment.domain.outcomes.answers import Attempt, Provenance
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.pipeline.health.service_books import hold_against_service, logged_calls
from manga_enrichment.pipeline.log.append import log_rows
from manga_enrichment.pipeline.log.rows import attempt_row, row_identity
from manga_enrichment.pipeline.store.object_keys import requests_prefix
from manga_enrichment_tests.batch_world import BatchWorld
from manga_enrichment_tests.builders import MODELS, World, put_catalog, record, title_id
from manga_enrichment_tests.fakes import DEFAULT_USAGE, START, ScriptedModel, Step
from manga_enrichment_tests.health_fakes import MemoryServiceUsage

TITLES = 6
BEGIN = START.replace(minute=0, second=0, microsecond=0)
HOURS = [BEGIN + number * HOUR for number in range(-1, 3)]


def night(*steps: Step) -> World:
    """A run in which title 1 meets these steps and the others are answered."""
    world = World()
    world.clock.advance(600)  # away from the edge of the hour
    put_catalog(world.tables, [record(number) for number in range(1, TITLES + 1)])
    world.model = ScriptedModel(world.clock, {title_id(1): list(steps)})
    world.run()
    return world


def service_of(world: World, *uncounted: ErrorClass, lost: bool = True) -> MemoryServiceUsage:
    """Counts what the log says was sent, except for these error classes; lost: also what had no answer."""
    usage = MemoryServiceUsage()
    for row in world.log():
        if row["attempt"] and row["error_class"] not in uncounted and (lost or not row["maybe_billed"]):
            usage.count(
                row["model_id"], row["started_at"], _usage(row["stop_reason"], maybe_billed=row["maybe_billed"])
            )
    return usage


def _usage(stop_reason: str | None, *, maybe_billed: bool) -> Usage:
    return DEFAULT_USAGE if stop_reason or maybe_billed else Usage()


def look(world: World, usage: MemoryServiceUsage) -> tuple[list[Difference], int]:
    return hold_against_service(world.tables, usage, HOURS, MODELS.models, ())


def test_a_night_and_a_service_that_counts_right_agree() -> None:
    world = night()
    found, calls = look(world, service_of(world))
    assert (found, calls) == ([], len(world.model.sent))
    assert calls >= TITLES


def test_a_service_that_counts_nothing_disagrees() -> None:
    found, _calls = look(night(), MemoryServiceUsage())
    assert {each.metric for each in found} >= {ServiceMetric.INVOCATIONS, ServiceMetric.INPUT, ServiceMetric.OUTPUT}
    assert all(each.is_error for each in found)


def test_a_call_of_somebody_else_is_seen() -> None:
    world = night()
    usage = service_of(world)
    usage.count(world.log()[0]["model_id"], world.clock.now(), Usage(1, 1))
    found, _calls = look(world, usage)
    assert {each.metric for each in found} == {ServiceMetric.INVOCATIONS, ServiceMetric.INPUT, ServiceMetric.OUTPUT}
    assert not any(each.is_error for each in found)


def test_throttled_calls_are_not_expected_to_count() -> None:
    world = night(ErrorClass.THROTTLED, ErrorClass.THROTTLED, None)
    throttled = [row for row in world.log() if row["error_class"] == "throttled"]
    assert len(throttled) == 2
    assert look(world, service_of(world, ErrorClass.THROTTLED))[0] == []
    found, _calls = look(world, service_of(world))
    assert {each.metric for each in found} == {ServiceMetric.INVOCATIONS}


@pytest.mark.parametrize("is_counted", [True, False])
def test_a_lost_answer_may_have_been_counted_with_all_its_tokens(is_counted: bool) -> None:
    world = night(ErrorClass.READ_TIMEOUT, ErrorClass.READ_TIMEOUT)
    assert [row["maybe_billed"] for row in world.log() if row["error_class"] == "read_timeout"] == [True, True]
    assert look(world, service_of(world, lost=is_counted))[0] == []


NOVA = MODELS.resolve("nova-pro")
COST_MICRO_USD = 10_000


def most_output_of_lost_call(tier: str, *, is_old: bool = False) -> int:
    """is_old: its object in the log is of a release that had no tiers."""
    world = World()
    paid = Provenance("run-1", START.date().isoformat(), "schedule")
    lost = Attempt(1, START, 0, cost_micro_usd=COST_MICRO_USD, maybe_billed=True, service_tier=tier)
    about = row_identity(
        manga_id=title_id(1), analysis="genre_classification", bucket="0", provenance=paid, model_id=NOVA.model_id
    )
    log_rows(world.tables, paid, [attempt_row(lost, [lost], identity=about, status="deferred")])
    if is_old:
        (key,) = world.tables.list_keys(requests_prefix(paid.run_date))
        stored = world.tables.read(key)
        assert stored is not None
        world.tables.write(key, stored.table.drop_columns(["service_tier"]))
    (call,) = logged_calls(world.tables, BEGIN, BEGIN + HOUR, MODELS.models)
    return call.at_most[ServiceMetric.OUTPUT]


def test_a_lost_call_is_as_large_as_its_tier_sells_for_its_cost() -> None:
    tiers = NOVA.price.tiers
    bought = {
        tier: -(-COST_MICRO_USD * 1_000_000 // tiers.get(tier, NOVA.price).output_micro_usd)
        for tier in ("default", "flex", "priority")
    }
    assert bought["priority"] < bought["default"] < bought["flex"]
    assert {tier: most_output_of_lost_call(tier) for tier in bought} == bought
    assert most_output_of_lost_call("") == most_output_of_lost_call("", is_old=True) == bought["flex"]


def test_rows_of_the_batch_lane_are_left_out() -> None:
    world = BatchWorld()
    world.start()
    world.follow()
    world.publish()
    lanes = {row["lane"] for row in world.world.log() if row["attempt"]}
    assert lanes == {"batch"}
    hours: list[datetime] = [BEGIN + number * HOUR for number in range(timedelta(days=2) // HOUR)]
    found = hold_against_service(world.world.tables, MemoryServiceUsage(), hours, MODELS.models, ())
    assert found == ([], 0)
