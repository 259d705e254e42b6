"""A process that was frozen longer than its lease and wakes up: what it writes then is refused, or says the same."""

from typing import Any

import pytest

from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.gateways.model import ModelCall
from manga_enrichment.pipeline.partner.holding.requeue import INTERRUPTED_DELAY_SECONDS
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.frozen import Frozen, HandedClock, Stop
from manga_enrichment_tests.partner_world import WAYS, PartnerWorld

TITLES = 4
ASKING = Stop("model", "converse")
LATE = {
    "asking": ASKING,
    "about to save its answers": Stop("ledger", "put_many"),
    "about to settle": Stop("tables", "write_json", "fm-results/"),
    "between document and status": Stop("tables", "write_json", "fm-results/", after=True),
    "about to complete": Stop("requests", "update", "COMPLETED"),
}
"""Before its request was final: the next generation ends it."""
TOO_LATE = {
    "about to announce": Stop("outbox", "add_all"),
    "before its flush": Stop("tables", "write", "partner_results/"),
    "before its ack": Stop("queue", "delete"),
}
"""After it: only what follows is done twice."""


def frozen_at(stop: Stop, way: str) -> tuple[PartnerWorld, Frozen, str]:
    """A world, a process in it that has come to this call, and the request that it has."""
    clock = HandedClock()
    world = PartnerWorld(clock=clock, way=way)
    process = Frozen(clock, world.work)
    if stop is ASKING:
        world.base.model = ScriptedModel(clock, latency_seconds=_freezes(process))
    else:
        owner = world.base if stop.gateway in ("tables", "ledger") else world
        setattr(owner, stop.gateway, process.behind(getattr(owner, stop.gateway), stop))
    sent = world.send([(number, "reading_level") for number in range(TITLES)], callback_url="https://a.example/")
    process.start()
    return world, process, sent


def _freezes(process: Frozen) -> Any:
    calls: list[ModelCall] = []

    def latency(call: ModelCall) -> float:
        calls.append(call)
        if len(calls) == TITLES // 2:
            process.freeze()
        return 0.5

    return latency


def told(world: PartnerWorld) -> list[tuple[str, str]]:
    return sorted((each.event_id, each.channel.value) for each in world.outbox.deliveries.values())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", LATE)
def test_frozen_longer_than_its_lease_it_changes_nothing_that_the_next_generation_said(moment: str, way: str) -> None:
    world, zombie, sent = frozen_at(LATE[moment], way)
    world.clock.advance(2 * NORMAL.visibility_seconds)
    world.drain()
    before = world.row(sent), world.result(sent), world.result_rows(sent), told(world)
    assert (before[0].state, before[0].generation) == ("completed", 2)
    zombie.thaw()
    assert (world.row(sent), world.result(sent), world.result_rows(sent), told(world)) == before
    assert_books_are_whole(world, sent, at_most_again=TITLES if moment in list(LATE)[:2] else 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moment", TOO_LATE)
def test_frozen_when_its_request_was_final_it_only_repeats_what_was_said(moment: str, way: str) -> None:
    world, late, sent = frozen_at(TOO_LATE[moment], way)
    final = world.row(sent), world.result(sent)
    assert final[0].state == "completed"
    world.clock.advance(2 * NORMAL.visibility_seconds)
    world.drain()
    before = world.result_rows(sent), told(world)
    late.thaw()
    assert (world.row(sent), world.result(sent)) == final
    assert (world.result_rows(sent), told(world)) == before
    assert_books_are_whole(world, sent, at_most_again=0)


@pytest.mark.parametrize("way", WAYS)
def test_frozen_for_less_than_its_lease_it_goes_on_and_nobody_asks_again(way: str) -> None:
    world, process, sent = frozen_at(ASKING, way)
    world.clock.advance(NORMAL.visibility_seconds / 3)
    world.work()
    process.thaw()
    world.drain()
    assert (world.state(sent), world.row(sent).generation) == ("completed", 1)
    assert_books_are_whole(world, sent, at_most_again=0)


@pytest.mark.parametrize("way", WAYS)
def test_late_for_its_lease_and_claimed_by_nobody_what_is_left_is_taken_up_again_at_once(way: str) -> None:
    world, process, sent = frozen_at(ASKING, way)
    world.clock.advance(NORMAL.visibility_seconds)
    process.thaw()
    assert (world.state(sent), world.row(sent).error_class) == ("deferred", "stopped")
    world.clock.advance(INTERRUPTED_DELAY_SECONDS)
    world.work()
    assert world.state(sent) == "completed"
    assert_books_are_whole(world, sent, at_most_again=0)


def assert_books_are_whole(world: PartnerWorld, sent: str, *, at_most_again: int) -> None:
    """Nothing lost, nothing twice, one document, one event; paid once, but for what was in flight."""
    assert TITLES <= len(world.base.model.sent) <= TITLES + at_most_again
    world.assert_rows_are_whole(sent)
    world.assert_log_is_whole()
    assert {event for event, _ in told(world)} == {told(world)[0][0]}
    assert [world.queue.messages(each) for each in (NORMAL.name, DEAD_LETTERS)] == [[], []]
    spent = world.base.budget.spent(f"day:{world.clock.now().date()}")[1]
    assert spent == world.base.logged_cost_micro_usd()
