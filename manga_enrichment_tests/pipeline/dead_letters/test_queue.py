"""Dead letters: every body can be looked at, looking hides nothing for long, a rejected message is never lost."""

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.queues import (
    DEAD_LETTERS,
    DEAD_LETTERS_FIFO,
    HIGH_PRIORITY,
    NORMAL,
    QUEUES,
    SESSION,
)
from manga_enrichment.domain.requests.reading.envelope import MAX_MESSAGE_BYTES
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.errors import QueueUnavailableError
from manga_enrichment.gateways.queue import QueueDepth
from manga_enrichment.pipeline.dead_letters.queue import TOO_MANY_RECEIVES, DeadLetters, models_asked
from manga_enrichment_tests.analyses import ANALYSES, FOR_PARTNERS
from manga_enrichment_tests.pipeline.dead_letters.dead_letter_world import (
    MALFORMED,
    DeadLetterWorld,
    make_body,
    world_with,
)
from manga_enrichment_tests.request_fakes import MemoryQueues


def rejected(world: DeadLetterWorld, queue: str, reason: str = "malformed_json") -> bool:
    [message] = world.receive(queue, 1)
    return world.letters.reject(message, reason, "the message is not JSON at line 1")


def test_depth_is_told_of_both_queues() -> None:
    world = world_with(2)
    world.fail_three_times(SESSION.name, "{}", group_id="g", deduplication_id="d")
    assert world.letters.depth() == {DEAD_LETTERS: QueueDepth(2, 0, 0), DEAD_LETTERS_FIFO: QueueDepth(1, 0, 0)}


def test_a_missing_dead_letter_queue_is_a_sentence() -> None:
    world = DeadLetterWorld()
    queues = MemoryQueues(world.clock, {name: queue for name, queue in QUEUES.items() if name != DEAD_LETTERS_FIFO})
    letters = DeadLetters(queues=queues, requests=world.requests, clock=world.clock)
    with pytest.raises(ConfigurationError, match=r"manga-fm-dlq\.fifo does not exist: deploy infra/queues\.yaml"):
        letters.depth()


def test_a_peek_tells_what_why_since_when_and_how_often() -> None:
    world, request_id = DeadLetterWorld(), str(uuid.uuid4())
    world.fail_three_times(NORMAL.name, make_body(request_id, partner_id="acme"), group_id="acme")
    world.fail_request(request_id, "model_timeout")
    world.clock.advance(90)
    [letter] = world.letters.peek(DEAD_LETTERS).letters
    assert (letter.request_id, letter.partner_id, letter.reason) == (request_id, "acme", "model_timeout")
    assert (letter.state, letter.original_queue, letter.age_seconds) == (RequestState.FAILED, NORMAL.name, 90.0)
    assert letter.message.receive_count == 4
    assert letter.preview.startswith('{"schema": "batch_analysis"')


def _urgent_have_opus(analysis: AnalysisType, priority: str) -> str:
    return "opus" if priority == "high" else analysis.model_alias


@pytest.mark.parametrize(
    ("body", "models"),
    [
        ({"model": "haiku", "query": "?"}, ("haiku",)),
        ({"items": [{"analysis_type": "reading_level"}]}, (ANALYSES["reading_level"].model_alias,)),
        ({"items": [{"analysis_type": "reading_level"}], "priority": "high"}, ("opus",)),
        (
            {"items": [{"analysis_type": "reading_level"}], "priority": ["high"]},
            (ANALYSES["reading_level"].model_alias,),
        ),
        ({"items": [{"analysis_type": ["reading_level"]}, 7, {"analysis_type": "no_such"}]}, ()),
        ({"items": "all"}, ()),
        ({"model": "\x1b[31m" + "x" * 500}, ("\\x1b[31m" + "x" * 75,)),
        ({"model": {"name": "haiku"}}, ()),
    ],
)
def test_a_peek_tells_the_models_that_are_asked_for_whatever_the_body_is(
    body: dict[str, Any], models: tuple[str, ...]
) -> None:
    world = DeadLetterWorld()
    world.fail_three_times(NORMAL.name, make_body(**body))
    [letter] = world.letters.peek(DEAD_LETTERS).letters
    assert models_asked(letter.message, FOR_PARTNERS, _urgent_have_opus) == models


def test_a_peek_tells_when_a_message_was_first_received_by_the_row_if_that_is_earlier() -> None:
    world, request_id = DeadLetterWorld(), str(uuid.uuid4())
    began = world.clock.now()
    world.fail_three_times(NORMAL.name, make_body(request_id))
    world.clock.advance(60)
    [letter] = world.letters.peek(DEAD_LETTERS).letters
    assert letter.first_received_at == began
    world.fail_request(request_id, "model_timeout")
    earlier = began - timedelta(days=1)
    world.requests.rows[request_id] = replace(world.requests.rows[request_id], claimed_at=earlier)
    [letter] = world.letters.peek(DEAD_LETTERS).letters
    assert letter.first_received_at == earlier


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_body_is_shown_like_any_other(body: str) -> None:
    world = DeadLetterWorld()
    world.fail_three_times(HIGH_PRIORITY.name, body, group_id="acme")
    [letter] = world.letters.peek(DEAD_LETTERS).letters
    assert (letter.request_id, letter.partner_id, letter.original_queue) == ("", "acme", HIGH_PRIORITY.name)
    assert letter.reason not in ("", TOO_MANY_RECEIVES)
    assert letter.preview
    assert letter.preview.isprintable()


@given(st.text(min_size=1, max_size=40).filter(lambda text: "\x00" not in text))
def test_no_body_whatever_makes_a_peek_fail(text: str) -> None:
    world = DeadLetterWorld()
    try:
        world.queues.send(DEAD_LETTERS, text)
    except ValueError:
        return  # SQS takes no such body
    [letter] = world.letters.peek(DEAD_LETTERS).letters
    assert letter.preview.translate({0x3000: " ", 0xA0: " "}).isprintable()


def test_a_peek_releases_at_once_what_it_looked_at() -> None:
    world = world_with(25)
    world.letters.peek(DEAD_LETTERS)
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(25, 0, 0)


def test_a_peek_that_dies_hides_messages_for_half_a_minute_only() -> None:
    world = world_with(3)
    world.queues.failures["extend"] = 1
    with pytest.raises(QueueUnavailableError):
        world.letters.peek(DEAD_LETTERS)
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(0, 3, 0)
    world.clock.advance(30)
    assert world.letters.depth()[DEAD_LETTERS] == QueueDepth(3, 0, 0)


def test_a_peek_counts_each_message_once_by_reason_and_says_how_many_it_did_not_see() -> None:
    world = world_with(4)
    for body in ("{", "["):
        world.queues.send(NORMAL.name, body)
        assert rejected(world, NORMAL.name)
    peeked = world.letters.peek(DEAD_LETTERS)
    assert peeked.reasons == {TOO_MANY_RECEIVES: 4, "malformed_json": 2}
    assert peeked.unseen == 0
    few = world.letters.peek(DEAD_LETTERS, limit=2)
    assert (len(few.letters), few.unseen) == (2, 4)


def test_a_rejected_message_is_dead_at_once_with_its_reason_and_origin() -> None:
    world = DeadLetterWorld()
    sent = world.queues.send(NORMAL.name, "{", attributes={"trace": "t-1"}, group_id="acme")
    assert rejected(world, NORMAL.name)
    assert world.queues.messages(NORMAL.name) == []
    [dead] = world.dead()
    assert (dead.body, dead.group_id) == ("{", "acme")
    assert dict(dead.attributes) == {
        "trace": "t-1",
        "dead_letter_reason": "malformed_json",
        "dead_letter_explanation": "the message is not JSON at line 1",
        "original_queue": NORMAL.name,
        "original_message_id": sent,
        "dead_lettered_at": "2026-01-15T03:00:00+00:00",
    }
    [letter] = world.letters.peek(DEAD_LETTERS).letters
    assert (letter.reason, letter.explanation) == ("malformed_json", "the message is not JSON at line 1")
    assert (letter.original_queue, letter.message.receive_count) == (NORMAL.name, 1)


def test_a_rejected_fifo_message_keeps_its_group_and_frees_its_session() -> None:
    world = DeadLetterWorld()
    for number in range(2):
        world.queues.send(SESSION.name, f"bad {number}", group_id="acme:s-1", deduplication_id=str(number))
    assert rejected(world, SESSION.name)
    assert [message.body for message in world.receive(SESSION.name)] == ["bad 1"]
    [dead] = world.dead(DEAD_LETTERS_FIFO)
    assert (dead.body, dead.group_id) == ("bad 0", "acme:s-1")


@pytest.mark.parametrize("queue", [NORMAL.name, SESSION.name])
def test_a_rejection_interrupted_before_the_delete_loses_nothing(queue: str) -> None:
    world = DeadLetterWorld()
    world.queues.send(queue, "{", group_id="g", deduplication_id="d")
    world.queues.failures["delete"] = 1
    with pytest.raises(QueueUnavailableError):
        rejected(world, queue)
    world.clock.advance(QUEUES[queue].visibility_seconds)
    assert rejected(world, queue)
    assert world.queues.messages(queue) == []
    copies = [message.body for message in world.dead(QUEUES[queue].dead_letters or "")]
    assert copies == (["{"] if QUEUES[queue].is_fifo else ["{", "{"])


def test_a_rejection_interrupted_before_the_send_leaves_the_message_where_it_is() -> None:
    world = DeadLetterWorld()
    world.queues.send(NORMAL.name, "{")
    world.queues.failures["send"] = 1
    with pytest.raises(QueueUnavailableError):
        rejected(world, NORMAL.name)
    assert [message.body for message in world.queues.messages(NORMAL.name)] == ["{"]
    assert world.dead() == []


def test_a_message_without_room_for_a_reason_is_left_to_sqs_whole() -> None:
    world, body = DeadLetterWorld(), "x" * MAX_MESSAGE_BYTES
    world.queues.send(NORMAL.name, body)
    for _ in range(3):
        assert not rejected(world, NORMAL.name, "too_large")
    assert world.receive(NORMAL.name) == []
    [dead] = world.dead()
    assert dead.body == body


def test_a_dead_letter_cannot_be_rejected_again() -> None:
    world = world_with(1)
    with pytest.raises(ValueError, match="is a dead-letter queue itself"):
        rejected(world, DEAD_LETTERS)


def test_a_forged_origin_is_not_believed() -> None:
    world = DeadLetterWorld()
    for forged in (SESSION.name, DEAD_LETTERS, "someone-elses-queue"):
        world.queues.send(DEAD_LETTERS, make_body(), attributes={"original_queue": forged})
    assert {letter.original_queue for letter in world.letters.peek(DEAD_LETTERS).letters} == {""}


def test_what_an_attacker_wrote_does_not_reach_the_terminal_as_control_codes() -> None:
    world = DeadLetterWorld()
    escape = "\x1b[2J".replace("\x1b", "\x9b")  # SQS lets C1 controls pass
    world.queues.send(DEAD_LETTERS, escape, group_id=escape, attributes={"dead_letter_reason": escape})
    [letter] = world.letters.peek(DEAD_LETTERS).letters
    shown = json.dumps([letter.preview, letter.reason, letter.partner_id], ensure_ascii=False)
    assert shown.isprintable()
