"""What is wrong with a request is told whole and with places: in the row, the callback and the dead letter."""

import json
from typing import Any

import pytest

from manga_enrichment.domain.callbacks.deliveries import Channel
from manga_enrichment.domain.callbacks.mail import FAILED, TEMPLATE_OF
from manga_enrichment.domain.requests.policies import read_policies
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, HIGH_PRIORITY
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.validation import MAX_ERRORS, RequestPolicy
from manga_enrichment.pipeline.dead_letters.queue import EXPLANATION
from manga_enrichment_tests.partner_world import UNITS, WAYS, PartnerWorld

HIGH = HIGH_PRIORITY.name
URL = "https://hooks.acme.example/"
SOUND = {"manga_id": "MNG-00000001", "analysis_type": "reading_level"}


def send(world: PartnerWorld, items: list[Any], **body: Any) -> str:
    return world.send_envelope("batch_analysis", {"items": items, **body}, queue=HIGH)


def callbacks(world: PartnerWorld) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in world.outbox.deliveries.values() if each.channel is Channel.CALLBACK]


@pytest.mark.parametrize("way", WAYS)
def test_every_fault_is_in_the_row_the_callback_and_the_dead_letter(way: str) -> None:
    world = PartnerWorld(way=way)
    wrong = [{**SOUND, "manga_id": "x"}, SOUND, {**SOUND, "analysis_type": "horoscope"}, {**SOUND, "note": 1}]
    sent = send(world, wrong, callback_url=URL, priority="urgent")
    world.work(HIGH)
    row = world.row(sent)
    places = ["items.0.manga_id", "items.2.analysis_type", "items.3", "priority"]
    assert [each["path"] for each in json.loads(row.problems)] == places
    [told] = callbacks(world)
    assert (told["type"], told["request_id"], told["problems"]) == ("request.rejected", sent, json.loads(row.problems))
    [letter] = world.queue.messages(DEAD_LETTERS)
    assert [each.split(": ")[0] for each in letter.attributes[EXPLANATION].split("; ")] == places
    assert row.callback_state == "callback_pending"


def test_more_faults_than_are_listed_are_counted() -> None:
    world = PartnerWorld()
    sent = send(world, [{**SOUND, "manga_id": "x", "analysis_type": "y"}] * 40)
    world.work(HIGH)
    *listed, last = json.loads(world.row(sent).problems)
    assert len(listed) == MAX_ERRORS
    assert (last["path"], last["message"]) == ("$", f"{80 - MAX_ERRORS} more problems are not listed")


@pytest.mark.parametrize(
    ("url", "policies"),
    [
        ("http://hooks.acme.example/", {}),
        ("https://10.0.0.1/", {}),
        (7, {}),
        (URL, {"acme": {"callback_hosts": ["other.example"]}}),
    ],
)
def test_a_url_that_is_itself_at_fault_is_never_called(url: Any, policies: dict[str, Any]) -> None:
    world = PartnerWorld(policy=RequestPolicy(partners=read_policies(policies)))
    sent = send(world, [SOUND], callback_url=url)
    world.work(HIGH)
    assert (world.row(sent).state, world.row(sent).callback_state) == (RequestState.REJECTED, "")
    assert callbacks(world) == []


def test_a_rejection_that_was_told_is_not_told_again_when_its_message_comes_again() -> None:
    world = PartnerWorld(way=UNITS)
    sent = send(world, [{}], callback_url=URL)
    [message] = world.queue.messages(HIGH)
    world.work(HIGH)
    world.requests.set_callback_state(sent, RequestState.REJECTED, "callback_delivered")
    world.outbox.deliveries.clear()
    world.send_text(message.body, queue=HIGH)
    world.work(HIGH)
    assert callbacks(world) == []
    assert world.row(sent).callback_state == "callback_delivered"


def test_a_body_that_leaves_no_room_for_all_faults_still_says_the_first_ones() -> None:
    world = PartnerWorld()
    padding = "x" * (1024 * 1024 - 3_000)
    send(world, [{**SOUND, "manga_id": "x", "analysis_type": "y", "additional_context": padding}] + [{}] * 80)
    world.work(HIGH)
    [letter] = world.queue.messages(DEAD_LETTERS)
    assert 900 < len(letter.attributes[EXPLANATION]) <= 1000


MAILED = RequestPolicy(partners=read_policies({"acme": {"email_addresses": ["*@acme.example"]}}), sends_mail=True)


def mails(world: PartnerWorld) -> list[str]:
    return [each.target for each in world.outbox.deliveries.values() if each.channel is Channel.EMAIL]


@pytest.mark.parametrize("way", WAYS)
def test_a_rejection_is_mailed_as_a_failure_is(way: str) -> None:
    world = PartnerWorld(way=way, policy=MAILED)
    sent = send(world, [{**SOUND, "manga_id": "x"}], notification={"email": "ops@acme.example"})
    world.work(HIGH)
    assert world.row(sent).state is RequestState.REJECTED
    [mail] = (each for each in world.outbox.deliveries.values() if each.channel is Channel.EMAIL)
    assert (mail.target, TEMPLATE_OF[mail.event_type]) == ("ops@acme.example", FAILED.name)


@pytest.mark.parametrize(
    ("notification", "policy"),
    [
        ({"email": "ops@other.example"}, MAILED),  # which is what is wrong with it
        ({"email": "no address"}, MAILED),
        ({"email": 7}, MAILED),
        ({"email": "ops@acme.example", "pager": 1}, MAILED),  # something is wrong beside it
        ("ops@acme.example", MAILED),
        ({"email": "ops@acme.example"}, RequestPolicy(partners=MAILED.partners)),  # where no mail is sent
    ],
)
def test_an_address_that_is_not_sound_gets_no_mail_of_a_rejection(notification: Any, policy: RequestPolicy) -> None:
    world = PartnerWorld(policy=policy)
    sent = send(world, [{**SOUND, "manga_id": "x"}], notification=notification)
    world.work(HIGH)
    assert world.row(sent).state is RequestState.REJECTED
    assert mails(world) == []


@pytest.mark.parametrize("way", WAYS)
def test_of_a_quote_with_faults_nobody_is_told_and_no_operator_has_a_dead_letter(way: str) -> None:
    world = PartnerWorld(way=way, policy=MAILED)
    body = {"items": [{}], "callback_url": URL, "notification": {"email": "ops@acme.example"}}
    sent = world.send_envelope(QUOTE, body, queue=HIGH)
    world.work(HIGH)
    assert [each["path"] for each in json.loads(world.row(sent).problems)] == ["items.0"]
    assert world.outbox.deliveries == {}
    assert world.queue.messages(HIGH) == world.queue.messages(DEAD_LETTERS) == []
