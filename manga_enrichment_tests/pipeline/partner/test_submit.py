"""A submitted request is a message that intake accepts, in the queue and group that its body asks for."""

import json

import pytest

from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, NORMAL, SESSION
from manga_enrichment.domain.requests.schemas import SCHEMA_VERSION
from manga_enrichment.pipeline.partner.submit import InvalidRequestError, submit
from manga_enrichment_tests.fakes import START
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.request_bodies import REQUEST_ID, SESSION_ID, valid_body

BATCH = "batch_analysis"


def test_a_batch_goes_to_the_queue_of_its_priority_and_is_taken_in() -> None:
    world = PartnerWorld()
    body = {**valid_body(BATCH), "priority": "high"}
    where = submit(world.queue, BATCH, body, partner_id="acme", request_id=REQUEST_ID, now=START).route
    (message,) = world.queue.messages(HIGH_PRIORITY.name)
    assert (where.queue, where.message_group_id) == (HIGH_PRIORITY, "acme")
    envelope = json.loads(message.body)
    assert envelope["schema_version"] == SCHEMA_VERSION
    assert envelope["submitted_at"] == "2026-01-15T03:00:00.000Z"
    assert [request.request_id for unit in world.tick(HIGH_PRIORITY.name).units for request in unit.requests] == [
        REQUEST_ID
    ]


def test_a_chat_goes_to_the_queue_of_sessions_in_its_sessions_group() -> None:
    world = PartnerWorld()
    body = {**valid_body("streaming_chat"), "session_id": SESSION_ID}
    submit(world.queue, "streaming_chat", body, partner_id="acme", request_id=REQUEST_ID, now=START)
    (message,) = world.queue.messages(SESSION.name)
    assert (message.group_id, message.deduplication_id) == (f"acme:{SESSION_ID}", REQUEST_ID)


def test_what_breaks_the_rules_is_told_and_not_sent() -> None:
    world = PartnerWorld()
    with pytest.raises(InvalidRequestError, match="items") as refused:
        submit(world.queue, BATCH, {"items": []}, partner_id="acme", request_id=REQUEST_ID, now=START)
    assert refused.value.result.errors
    assert world.queue.messages(NORMAL.name) == []


def test_unchecked_it_goes_where_nothing_in_it_need_be_trusted() -> None:
    world = PartnerWorld()
    body = {"items": [], "priority": "high"}
    sent = submit(world.queue, BATCH, body, partner_id="acme", request_id=REQUEST_ID, now=START, check=False)
    assert sent.route.queue is NORMAL
    assert len(world.queue.messages(NORMAL.name)) == 1
