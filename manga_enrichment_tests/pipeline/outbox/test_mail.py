"""Mail: to addresses that the policy allows, with values and without answers, tried again as callbacks are."""

import re
from dataclasses import replace
from typing import Any

import pytest

from manga_enrichment.domain.callbacks.deliveries import Channel, DeliveryState
from manga_enrichment.domain.callbacks.mail import COMPLETED, FAILED, TEMPLATE_OF, TEMPLATES, mail_values
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.domain.requests.policies import read_policies
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.errors import NotifierUnavailableError
from manga_enrichment.pipeline.outbox.announce import NotificationPolicy
from manga_enrichment_tests.outbox_fakes import REQUEST_ID, OutboxWorld, ended

ADDRESS = "ops@acme.example"
POLICY = NotificationPolicy(partners=read_policies({"acme": {"email_addresses": ["*@acme.example"]}}), sends_mail=True)


def world_of(policy: NotificationPolicy = POLICY, address: str = ADDRESS, **event: Any) -> OutboxWorld:
    world = OutboxWorld(policy=policy)
    told = replace(ended(), **event).with_answers({"items": [{"answer": "a secret answer"}]})
    world.outbox_writer.announce(told, email=address)
    return world


@pytest.mark.parametrize(
    ("state", "template"),
    [
        (RequestState.COMPLETED, COMPLETED),
        (RequestState.PARTIALLY_COMPLETED, COMPLETED),
        (RequestState.FAILED, FAILED),
    ],
)
def test_an_allowed_address_gets_the_mail_of_the_end(state: RequestState, template: Any) -> None:
    world = world_of(state=state, reference="import 7", counts={"succeeded": 2, "items": 2}, cost_micro_usd=225)
    world.deliver()
    [(address, name, values)] = world.mailer.sent
    assert (address, name, values["request_id"]) == (ADDRESS, template.name, REQUEST_ID)
    assert (values["reference"], values["counts"], values["cost_usd"]) == (
        "import 7",
        "2 items, 2 succeeded",
        "0.000225",
    )
    assert "secret" not in str(values)
    assert world.only.state is DeliveryState.DELIVERED
    world.deliver()
    assert len(world.mailer.sent) == 1


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_name_of_a_template_has_a_value_and_nothing_else_is_in_it(template: Any) -> None:
    text = template.subject + template.text
    names = set(re.findall(r"\{\{([a-z_]+)\}\}", text))
    assert names
    assert names <= mail_values(ended()).keys()
    assert all(mail_values(ended()).values()), "an empty value would look like a fault"
    assert re.sub(r"\{\{[a-z_]+\}\}", "", text).count("{") == 0
    assert set(re.findall(r"\{\{([a-z_]+)\}\}", template.subject)) == {"request_id", "status"}, (
        "nothing a partner wrote"
    )


def test_every_end_has_a_template() -> None:
    assert {f"request.{state.value}" for state in RequestState} == set(TEMPLATE_OF)


def test_where_no_mail_is_sent_nothing_is_put_down() -> None:
    assert world_of(replace(POLICY, sends_mail=False)).outbox.deliveries == {}


def test_an_address_that_is_not_allowed_any_more_ends_with_the_reason_and_gets_nothing() -> None:
    world = world_of(address="ops@rival.example")
    world.deliver()
    assert world.mailer.sent == []
    assert (world.only.state, world.only.problem) == (DeliveryState.FAILED, "the policy does not allow the address")


@pytest.mark.parametrize("refusal", [NotifierUnavailableError("SES is away"), ConfigurationError("no such template")])
def test_what_ses_does_not_take_is_tried_again(refusal: Exception) -> None:
    world = world_of()
    world.mailer.refuses = refusal
    world.deliver()
    assert (world.only.state, world.only.problem) == (DeliveryState.PENDING, str(refusal))
    world.mailer.refuses = None
    world.pass_time(hours=1)
    world.deliver()
    assert len(world.mailer.sent) == 1


def test_an_address_is_shown_by_its_domain_alone() -> None:
    delivery = world_of().only
    assert (delivery.channel, delivery.receiver) == (Channel.EMAIL, "*@acme.example")
