"""Failed deliveries: found by partner and request, opened again, sent by the next tick."""

from datetime import timedelta

import pytest

from manga_enrichment.domain.callbacks.deliveries import DeliveryState
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.notify import CallbackAnswer
from manga_enrichment.pipeline.outbox.redelivery import FailedFilter, failed_deliveries, retry
from manga_enrichment_tests.outbox_fakes import PARTNER, REQUEST_ID, TAKEN, URL, OutboxWorld, ended

EVERYTHING = FailedFilter()
GONE = CallbackAnswer(410, "the receiver answered with status 410")


@pytest.fixture
def world() -> OutboxWorld:
    """One callback that failed for good, as its status row says."""
    world = OutboxWorld()
    world.settle()
    world.receiver.answers[URL] = [GONE]
    world.outbox_writer.announce(ended(), callback_url=URL)
    world.deliver()
    assert world.callback_state() == "callback_failed"
    return world


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (EVERYTHING, 1),
        (FailedFilter(partners=frozenset({PARTNER})), 1),
        (FailedFilter(partners=frozenset({"other"})), 0),
        (FailedFilter(partners=frozenset({PARTNER}), request_ids=frozenset({REQUEST_ID})), 1),
        (FailedFilter(partners=frozenset({PARTNER}), request_ids=frozenset({"another"})), 0),
    ],
)
def test_what_is_given_must_all_fit(world: OutboxWorld, wanted: FailedFilter, count: int) -> None:
    assert len(failed_deliveries(world.outbox, wanted, limit=10)) == count


def test_the_limit_takes_the_latest() -> None:
    world = OutboxWorld()
    world.receiver.answers[URL] = [GONE]
    ids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(3)]
    for request_id in ids:
        world.outbox_writer.announce(ended(request_id), callback_url=URL)
        world.deliver()
        world.clock.advance(60)
    found = failed_deliveries(world.outbox, EVERYTHING, limit=2)
    assert [each.request_id for each in found] == [ids[2], ids[1]]


def test_a_retried_callback_is_delivered_with_the_same_event_id(world: OutboxWorld) -> None:
    world.receiver.answers[URL] = [TAKEN]
    failed = failed_deliveries(world.outbox, EVERYTHING, limit=10)
    opened = retry(failed, outbox=world.outbox, requests=world.requests, clock=world.clock)
    assert opened == failed
    assert world.callback_state() == "callback_pending"
    world.deliver()
    assert world.callback_state() == "callback_delivered"
    first, second = world.receiver.posted
    assert first.body == second.body
    assert failed_deliveries(world.outbox, EVERYTHING, limit=10) == []


def test_a_retried_callback_has_all_its_tries_again(world: OutboxWorld) -> None:
    world.receiver.answers[URL] = [CallbackAnswer(503, "busy")]
    [failed] = failed_deliveries(world.outbox, EVERYTHING, limit=10)
    retry([failed], outbox=world.outbox, requests=world.requests, clock=world.clock)
    world.deliver()
    delivery = world.outbox.get(failed.delivery_id)
    assert delivery is not None
    assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, 1)
    assert delivery.due_at - world.clock.now() < timedelta(minutes=1)


def test_what_another_person_retried_meanwhile_is_left_alone(world: OutboxWorld) -> None:
    seen = failed_deliveries(world.outbox, EVERYTHING, limit=10)
    retry(seen, outbox=world.outbox, requests=world.requests, clock=world.clock)
    assert retry(seen, outbox=world.outbox, requests=world.requests, clock=world.clock) == []
    assert len(world.outbox.due(world.clock.now(), 10)) == 1


def test_a_retry_cut_in_the_middle_is_repeated(world: OutboxWorld) -> None:
    """The row was set to pending and nothing more happened."""
    world.requests.set_callback_state(REQUEST_ID, RequestState.COMPLETED, "callback_pending")
    world.receiver.answers[URL] = [TAKEN]
    failed = failed_deliveries(world.outbox, EVERYTHING, limit=10)
    assert len(retry(failed, outbox=world.outbox, requests=world.requests, clock=world.clock)) == 1
    world.deliver()
    assert world.callback_state() == "callback_delivered"
