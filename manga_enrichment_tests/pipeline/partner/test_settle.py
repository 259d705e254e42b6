"""Settling and completing: what row, document, event and dead letter say, and an order that may be cut and repeated."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from manga_enrichment.domain.callbacks.deliveries import CallbackState
from manga_enrichment.domain.callbacks.events import Event
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.usage import Usage
from manga_enrichment.gateways.errors import QueueUnavailableError
from manga_enrichment.pipeline.engine.money.budget import Caps
from manga_enrichment.pipeline.partner.ending.complete import event_of
from manga_enrichment.pipeline.partner.ending.settle import SettleLimits
from manga_enrichment.pipeline.partner.stored.requests import read_stored_request
from manga_enrichment_tests.fakes import DEFAULT_USAGE, START, FakeClock, ScriptedModel
from manga_enrichment_tests.partner_run import RunInMemory
from manga_enrichment_tests.partner_world import PARTNER, WAYS, PartnerWorld, patient_queues
from manga_enrichment_tests.request_fakes import MemoryQueues
from manga_enrichment_tests.request_rows import make_row


class NoDeletes(MemoryQueues):
    """Queues that delete nothing for as long as `deletes_fail`."""

    deletes_fail = True

    def delete(self, queue: str, receipt_handles: Sequence[str]) -> None:
        if self.deletes_fail:
            raise QueueUnavailableError("SQS is away")
        super().delete(queue, receipt_handles)


def test_row_and_document_say_what_was_asked_and_what_it_took() -> None:
    world = PartnerWorld()
    sent = world.send([(1, "reading_level"), (2, "reading_level")])
    world.work()
    row, document = world.row(sent), world.result(sent)
    assert (row.input_tokens, row.output_tokens) == (2 * DEFAULT_USAGE.input_tokens, 2 * DEFAULT_USAGE.output_tokens)
    assert (document["schema"], document["generation"], document["partner_id"]) == ("batch_analysis", 1, PARTNER)


def test_how_long_a_request_took_is_noted_for_its_queue() -> None:
    world = PartnerWorld()
    world.send()
    world.tick()
    world.clock.advance(40)
    world.run(world.launched.pop(0))
    [seconds] = world.requests.paces.pop(NORMAL.name)
    assert seconds == pytest.approx(40, abs=5)
    assert world.requests.paces == {}


@pytest.mark.parametrize("way", WAYS)
def test_what_partners_used_is_counted_once_also_when_a_message_comes_again(way: str) -> None:
    world = PartnerWorld(way=way)
    world.queue = queues = NoDeletes(world.clock, patient_queues(3))
    for partner, titles in (("acme", [1, 2]), ("acme", [3]), ("zeta", [4])):
        world.send([(number, "reading_level") for number in titles], partner_id=partner)
    world.work()
    queues.deletes_fail = False
    world.drain()
    month = f"{world.clock.now():%Y-%m}"
    tokens = DEFAULT_USAGE.input_tokens, DEFAULT_USAGE.output_tokens
    assert world.requests.usage("acme", month) == Usage(2, 3, 3 * tokens[0], 3 * tokens[1])
    assert world.requests.usage("zeta", month) == Usage(1, 1, *tokens)


def test_who_wants_no_callback_has_none_pending_and_may_name_a_topic() -> None:
    world = PartnerWorld()
    topic = "arn:aws:sns:ap-northeast-1:123456789012:acme-results"
    sent = world.send(notification={"sns_topic_arn": topic})
    world.work()
    assert (world.row(sent).state, world.row(sent).callback_state) == (RequestState.COMPLETED, "")
    assert {delivery.target for delivery in world.outbox.deliveries.values()} == {"arn:results", topic}


@pytest.mark.parametrize("told", [CallbackState.DELIVERED, CallbackState.FAILED])
def test_a_partner_that_was_told_is_not_told_again(told: CallbackState) -> None:
    world = PartnerWorld()
    sent = world.send(callback_url="https://a.example/")
    world.work()
    world.outbox.deliveries.clear()
    world.endings().finish_again(replace(world.row(sent), callback_state=told.value), NORMAL.name, "no such handle")
    assert world.outbox.deliveries == {}


def test_the_row_of_a_request_that_waits_says_why() -> None:
    world = PartnerWorld(caps=Caps(per_partner_per_day_micro_usd=0))
    sent = world.send()
    world.work()
    row = world.row(sent)
    assert (row.reason, row.counts) == (
        "1 of 1 items without an answer: 1 partner_day_cap",
        {"items": 1, "deferred": 1},
    )


def test_settling_that_could_not_ack_announces_once_and_acks_when_it_is_repeated() -> None:
    world = PartnerWorld()
    world.queue = queue = NoDeletes(world.clock, patient_queues(3))
    sent = world.send(callback_url="https://a.example/")
    world.tick()
    run = RunInMemory(world, world.launched.pop(), "run-1")
    opened = run.open()
    _, by_analysis = run.plan(opened)
    collected = run.collect(opened, [run.ask(name, opened) for name in by_analysis])
    assert list(run.settle(collected).left) == [sent]
    done = world.row(sent)
    assert (done.state, len(world.queue.messages(NORMAL.name))) == (RequestState.COMPLETED, 1)
    queue.deletes_fail = False
    assert dict(run.settle(collected).left) == {}
    assert world.queue.messages(NORMAL.name) == []
    assert world.row(sent) == done
    assert len({delivery.event_id for delivery in world.outbox.deliveries.values()}) == 1


def test_what_may_do_better_another_time_is_dead_lettered_as_it_came() -> None:
    world = PartnerWorld(settle_limits=SettleLimits(max_age=timedelta(minutes=15)))
    world.base.model = ScriptedModel(world.clock, otherwise=ErrorClass.THROTTLED)
    sent = world.send()
    [message] = world.queue.messages(NORMAL.name)
    world.drain()
    row, [letter] = world.row(sent), world.queue.messages(DEAD_LETTERS)
    assert json.loads(letter.body)["request_id"] == json.loads(message.body)["request_id"] == sent
    assert letter.group_id == row.group_id == message.group_id != ""
    told = {name: letter.attributes[name] for name in ("original_message_id", "original_queue")}
    assert told == {"original_message_id": row.message_id, "original_queue": NORMAL.name}
    assert letter.attributes["dead_letter_explanation"] == row.reason != ""
    assert world.row(sent).message_id != ""


def test_a_message_that_is_no_request_is_dead_lettered_with_what_is_wrong_with_it() -> None:
    world = PartnerWorld()
    world.send_text("{")
    [message] = world.queue.receive(NORMAL.name, max_messages=1, wait_seconds=0, visibility_seconds=30)
    world.endings().reject(message, None, reason="malformed_json", explanation="it ends too soon")
    [letter] = world.queue.messages(DEAD_LETTERS)
    told = letter.attributes["dead_letter_reason"], letter.attributes["dead_letter_explanation"]
    assert told == ("malformed_json", "it ends too soon")
    assert world.outbox.deliveries == {}


def test_attributes_of_its_own_stay_with_a_dead_letter() -> None:
    world = PartnerWorld()
    sent = world.send()
    world.work()
    row = replace(world.row(sent), state=RequestState.FAILED, error_class=ErrorClass.THROTTLED.value)
    stored = replace(read_stored_request(world.tables, row.body_key), attributes={"trace": "t-1"})
    world.endings().ack([(row, stored)])
    [letter] = world.queue.messages(DEAD_LETTERS)
    assert letter.attributes["trace"] == "t-1"


@pytest.mark.parametrize("state", [RequestState.COMPLETED, RequestState.FAILED])
def test_an_event_says_all_that_a_final_row_knows(state: RequestState) -> None:
    row = make_row(
        FakeClock(),
        state=state,
        updated_at=START + timedelta(minutes=3),
        result_key="fm-results/1.json",
        counts={"items": 2, "failed": 1},
        cost_micro_usd=77,
        input_tokens=900,
        output_tokens=150,
        error_class="refusal",
        reason="1 of 2 items without an answer: 1 refusal",
    )
    assert event_of(row) == Event(
        request_id=row.request_id,
        partner_id="partner-1",
        schema="batch_analysis",
        state=state,
        occurred_at=START + timedelta(minutes=3),
        result="fm-results/1.json",
        counts={"items": 2, "failed": 1},
        cost_micro_usd=77,
        input_tokens=900,
        output_tokens=150,
        error_class="refusal",
        reason="1 of 2 items without an answer: 1 refusal",
        message_id="m-1",
    )
