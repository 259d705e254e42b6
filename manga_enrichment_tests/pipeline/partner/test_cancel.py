"""A cancelled request: nothing more is asked for it, what is answered stays and is billed, its partner hears of it."""

import json
from uuid import UUID

import pytest

from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import NORMAL, SESSION
from manga_enrichment.gateways.model import ModelCall
from manga_enrichment.pipeline.engine.money.budget import day_counter
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import model_of, put_catalog, record
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel
from manga_enrichment_tests.partner_world import UNITS, WAYS, PartnerWorld

CALLBACK = "https://partner.example/manga"
CALL_SECONDS = 3.0
AT_ONCE = 8  # of the world's engines
PRICE = cost_micro_usd(DEFAULT_USAGE, model_of(ANALYSES["reading_level"]).price)

pytestmark = pytest.mark.parametrize("way", WAYS)


def big_world(way: str, titles: int) -> PartnerWorld:
    world = PartnerWorld(way=way)
    put_catalog(world.base.tables, [record(number) for number in range(titles)])
    return world


def cancelled_at_call(world: PartnerWorld, number: int, cancel: list[str]) -> None:
    """The model, which takes its time; with its `number`th call the requests of `cancel` are cancelled."""

    def latency(_call: ModelCall) -> float:
        if len(world.base.model.sent) == number:
            for request_id in cancel:
                world.requests.cancel(request_id)
        return CALL_SECONDS

    world.base.model = ScriptedModel(world.clock, latency_seconds=latency)


def told(world: PartnerWorld) -> dict[str, str]:
    """What was put down for whom."""
    return {each.target: json.loads(each.body)["type"] for each in world.outbox.deliveries.values()}


def test_of_a_hundred_titles_cancelled_in_mid_flight_counts_bill_and_books_agree(way: str) -> None:
    world = big_world(way, 100)
    wanted: list[str] = []
    cancelled_at_call(world, 20, wanted)
    request_id = world.send([(number, "reading_level") for number in range(100)], callback_url=CALLBACK)
    wanted.append(request_id)
    world.work()
    row, document, asked = world.row(request_id), world.result(request_id), len(world.base.model.sent)
    assert world.state(request_id) == "cancelled"
    assert 20 <= asked <= 20 + AT_ONCE  # what was at the model when its run noticed, and not one call more
    assert dict(row.counts) == {"items": 100, "succeeded": asked, "cancelled": 100 - asked}
    assert row.cost_micro_usd == asked * PRICE == sum(each["cost_micro_usd"] for each in document["items"])
    assert sum(each["cost_micro_usd"] for each in world.base.log()) == row.cost_micro_usd
    day = day_counter(world.clock.now().date().isoformat())
    world.clock.advance(3600)
    world.base.budget.close_abandoned([day], world.clock.now())
    assert world.base.budget.spent(day) == (row.cost_micro_usd, row.cost_micro_usd)
    world.assert_log_is_whole()
    world.assert_rows_are_whole(request_id)
    answered = [each for each in document["items"] if each["status"] == "succeeded"]
    assert len(answered) == asked
    assert all(each["answer"] for each in answered)
    rest = {(each["status"], each["error"]["class"]) for each in document["items"] if each not in answered}
    assert rest == {("cancelled", "cancelled")}
    assert told(world)[CALLBACK] == "request.cancelled"
    assert world.queue.messages(NORMAL.name) == []


def test_what_was_cancelled_before_a_worker_saw_it_is_not_asked_at_all(way: str) -> None:
    world = PartnerWorld(way=way)
    request_id = world.send(callback_url=CALLBACK)
    [message] = world.queue.messages(NORMAL.name)
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    world.work()
    assert world.state(request_id) == "deferred"
    attempts = len(world.base.model.sent)
    world.requests.cancel(request_id)
    world.drain()
    assert (world.state(request_id), len(world.base.model.sent)) == ("cancelled", attempts)
    assert dict(world.row(request_id).counts) == {"items": 1, "cancelled": 1}
    assert told(world)[CALLBACK] == "request.cancelled"
    world.queue.send(NORMAL.name, message.body, group_id=message.group_id)  # delivered once more
    world.drain()
    assert (world.state(request_id), world.row(request_id).generation) == ("cancelled", 2)


def test_what_is_known_is_given_to_a_cancelled_request_and_costs_nothing(way: str) -> None:
    world = PartnerWorld(way=way)
    world.send([(1, "reading_level")])
    world.work()
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    request_id = world.send([(1, "reading_level"), (2, "reading_level")])
    world.work()
    assert world.requests.cancel(request_id) is not None
    world.drain()
    assert dict(world.row(request_id).counts) == {"items": 2, "succeeded": 1, "cancelled": 1}
    assert world.row(request_id).cost_micro_usd == 0


def test_what_was_answered_before_it_could_be_cancelled_is_completed(way: str) -> None:
    world = PartnerWorld(way=way)
    wanted: list[str] = []
    cancelled_at_call(world, 2, wanted)
    request_id = world.send([(1, "reading_level"), (2, "reading_level")])
    wanted.append(request_id)
    world.work()
    assert world.state(request_id) == "completed"
    assert world.row(request_id).cancelled_ms > 0


def test_an_ended_request_cannot_be_cancelled(way: str) -> None:
    world = PartnerWorld(way=way)
    request_id = world.send()
    world.work()
    row = world.requests.cancel(request_id)
    assert row == world.row(request_id)
    assert (row.state, row.cancelled_ms) == ("completed", 0)


def test_requests_of_others_go_on_beside_a_cancelled_one(way: str) -> None:
    world = big_world(way, 60)
    wanted: list[str] = []
    cancelled_at_call(world, 10, wanted)
    cancelled = world.send([(number, "reading_level") for number in range(30)])
    other = world.send([(number, "reading_level") for number in range(30, 60)], partner_id="other")
    wanted.append(cancelled)
    world.work()
    assert (world.state(cancelled), world.state(other)) == ("cancelled", "completed")
    assert dict(world.row(other).counts) == {"items": 30, "succeeded": 30}
    assert world.row(other).cost_micro_usd == 30 * PRICE
    total = world.row(cancelled).cost_micro_usd + world.row(other).cost_micro_usd
    assert total == len(world.base.model.sent) * PRICE == sum(each["cost_micro_usd"] for each in world.base.log())


def test_a_conversation_that_waits_is_cancelled_and_the_next_turn_of_its_session_is_answered(way: str) -> None:
    world = PartnerWorld(way=way)
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    question = {"query": "Which manga has a lighthouse?", "conversation_id": str(UUID(int=7, version=4))}
    first = world.send_envelope("manga_query", question, queue=SESSION.name, group_id="acme:s-1")
    world.work(SESSION.name)
    assert world.state(first) == "deferred"
    world.requests.cancel(first)
    world.base.model = ScriptedModel(world.clock)
    second = world.send_envelope("manga_query", question, queue=SESSION.name, group_id="acme:s-1")
    world.drain(SESSION.name)
    assert (world.state(first), world.state(second)) == ("cancelled", "completed")
    assert len(world.base.model.sent) == 1


def test_a_store_that_is_away_for_a_while_only_delays_the_notice(way: str) -> None:
    world = big_world(way, 60)
    wanted: list[str] = []
    cancelled_at_call(world, 10, wanted)
    request_id = world.send([(number, "reading_level") for number in range(60)])
    wanted.append(request_id)
    world.requests.failures["cancelled"] = 3
    world.drain()
    assert world.state(request_id) == "cancelled"
    asked = len(world.base.model.sent)
    assert 10 <= asked < 60
    assert dict(world.row(request_id).counts) == {"items": 60, "succeeded": asked, "cancelled": 60 - asked}


def test_a_run_that_was_launched_before_learns_of_it_when_it_opens(way: str) -> None:
    if way != UNITS:
        pytest.skip("a run that stays claims what it works at itself")
    world = PartnerWorld(way=way)
    request_id = world.send()
    world.tick()
    world.requests.cancel(request_id)
    world.run(world.launched.pop())
    assert (world.state(request_id), world.base.model.sent) == ("cancelled", [])
