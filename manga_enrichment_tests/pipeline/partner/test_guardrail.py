"""A guardrail of conversations in the lane: what it costs is booked everywhere, what it keeps back is told by name."""

from dataclasses import replace
from typing import Any

import pytest

from manga_enrichment.domain.models.guardrails import Guarding, Guardrail
from manga_enrichment.domain.models.usage import NO_USAGE, cost_micro_usd
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.conversations import CONVERSATION
from manga_enrichment.domain.requests.policies import PartnerPolicy, Policies
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, SESSION
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.model import ModelReply
from manga_enrichment.pipeline.engine.money.billing import ESTIMATED
from manga_enrichment.pipeline.engine.money.estimates import estimate_call
from manga_enrichment.pipeline.health.service_books import logged_calls
from manga_enrichment.pipeline.health.untrue_usage import untrue_usage
from manga_enrichment_tests.builders import MODELS
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel, Step
from manga_enrichment_tests.partner_world import PARTNER, WAYS, PartnerWorld

GUARDRAIL = Guardrail("gr1", "7", {"content": 150_000, "topic": 150_000})
TOOK = 300
"""Micro-dollars for two text units of content."""

pytestmark = pytest.mark.parametrize("way", WAYS)


def guarded_world(way: str, step: Step = None, *, policy: PartnerPolicy | None = None) -> PartnerWorld:
    partners = Policies({PARTNER: policy} if policy else {})
    world = PartnerWorld(way=way, policy=RequestPolicy(partners=partners))
    world.base.settings = replace(world.base.settings, guardrail=GUARDRAIL)
    world.base.model = ScriptedModel(world.clock, otherwise=step)
    return world


def ask(world: PartnerWorld, text: str = "Which one has a lighthouse?", **more: Any) -> str:
    body = {"query": text, "conversation_id": "7c9e6679-7425-40de-944b-000000000001", **more}
    return world.send_envelope("manga_query", body, queue=SESSION.name, group_id="acme:1")


def kept_back(which: str, usage: Any = DEFAULT_USAGE) -> ModelReply:
    guarding = Guarding({"content": 1 if which == "question" else 2}, which)
    return ModelReply("guardrail_intervened", {"reply": "Secret wording."}, usage, "Secret wording.", guarding)


def counters(world: PartnerWorld) -> set[int]:
    """Of the day, and of the partner: all must say the same."""
    day = world.clock.now().date().isoformat()
    return {world.base.budget.spent(name)[1] for name in (f"day:{day}", f"partner:{PARTNER}:{day}")}


def token_cost(model_id: str) -> int:
    return cost_micro_usd(DEFAULT_USAGE, MODELS.by_id(model_id).price)


def test_what_it_takes_is_in_the_log_the_bill_and_every_counter(way: str) -> None:
    world = guarded_world(way)
    sent = ask(world)
    world.work(SESSION.name)
    assert world.state(sent) == "completed"
    [call] = world.base.model.sent
    assert call.request.guardrail == GUARDRAIL
    [row] = world.base.log()
    assert row["guardrail_micro_usd"] == TOOK
    assert row["cost_micro_usd"] == token_cost(row["model_id"]) + TOOK
    [item] = world.result(sent)["items"]
    assert item["cost_micro_usd"] == world.row(sent).cost_micro_usd == row["cost_micro_usd"]
    assert counters(world) == {row["cost_micro_usd"]}
    [entry] = world.base.ledger.entries.values()
    assert entry.attempts[0].guardrail_micro_usd == TOOK


def test_without_one_nothing_is_looked_at_and_the_answer_comes_through_the_tool(way: str) -> None:
    world = PartnerWorld(way=way)
    sent = ask(world)
    world.work(SESSION.name)
    assert world.state(sent) == "completed"
    assert [call.request.guardrail for call in world.base.model.sent] == [None]
    assert [row["guardrail_micro_usd"] for row in world.base.log()] == [0]


def test_batches_pass_none(way: str) -> None:
    world = guarded_world(way)
    sent = world.send([(1, "reading_level"), (2, "content_moderation")])
    world.work()
    assert world.state(sent) == "completed"
    assert {call.request.guardrail for call in world.base.model.sent} == {None}


@pytest.mark.parametrize(("which", "usage", "tokens"), [("question", NO_USAGE, False), ("reply", DEFAULT_USAGE, True)])
def test_what_it_keeps_back_is_told_by_name_billed_and_not_asked_again(
    way: str, which: str, usage: Any, tokens: bool
) -> None:
    world = guarded_world(way, kept_back(which, usage))
    sent = ask(world)
    world.work(SESSION.name)
    assert world.state(sent) == "failed"
    assert world.row(sent).error_class == ErrorClass.GUARDRAIL_INTERVENED
    document = world.result(sent)
    [item] = document["items"]
    assert item["error"] == {"class": "guardrail_intervened", "message": f"the guardrail kept back the {which}"}
    assert item["answer"] is None
    assert "Secret wording" not in str(document)
    [row] = world.base.log()
    assert (row["stop_reason"], row["error_class"]) == ("guardrail_intervened", "guardrail_intervened")
    took = GUARDRAIL.cost_micro_usd({"content": 2 if tokens else 1})
    assert row["cost_micro_usd"] == took + (token_cost(row["model_id"]) if tokens else 0)
    assert item["cost_micro_usd"] == row["cost_micro_usd"]
    assert counters(world) == {row["cost_micro_usd"]}
    assert len(world.base.model.sent) == 1


def test_the_next_question_of_the_session_goes_on_without_what_was_kept_back(way: str) -> None:
    world = guarded_world(way, kept_back("question", NO_USAGE))
    ask(world, "Something vile")
    world.work(SESSION.name)
    world.base.model = ScriptedModel(world.clock)
    following = ask(world, "And one about tea?")
    world.work(SESSION.name)
    assert world.state(following) == "completed"
    assert "Something vile" not in world.base.model.sent[0].request.prompt.user


def test_a_masked_reply_is_a_reply(way: str) -> None:
    guarding = Guarding({"content": 2}, is_masked=True)
    world = guarded_world(
        way, ModelReply("guardrail_intervened", {"reply": "Ask {NAME}."}, DEFAULT_USAGE, "", guarding)
    )
    sent = ask(world)
    world.work(SESSION.name)
    assert world.result(sent)["items"][0]["answer"] == {"reply": "Ask {NAME}."}
    assert [row["stop_reason"] for row in world.base.log()] == ["guardrail_intervened"]


@pytest.mark.parametrize("units", [None, {"content": 2, "automatedReasoningPolicyUnits": 1}])
def test_what_is_not_told_or_has_no_price_is_booked_at_the_estimate_and_seen(way: str, units: Any) -> None:
    reply = ModelReply("end_turn", {"reply": "Read Tea."}, DEFAULT_USAGE, "Read Tea.", Guarding(units))
    world = guarded_world(way, reply)
    sent = ask(world)
    world.work(SESSION.name)
    assert world.state(sent) == "completed"
    [row] = world.base.log()
    assert row["maybe_billed"]
    assert row["message"].startswith(ESTIMATED)
    assert len(untrue_usage(world.base.tables, [world.clock.now().date().isoformat()])) == 1
    [call] = world.base.model.sent
    estimate = GUARDRAIL.estimate_micro_usd(call.request.prompt.guarded, CONVERSATION.expected_output_tokens)
    assert row["guardrail_micro_usd"] == estimate > 0
    assert row["cost_micro_usd"] == token_cost(row["model_id"]) + estimate
    assert counters(world) == {row["cost_micro_usd"]}


def test_a_cap_that_the_tokens_alone_would_fit_into_defers(way: str) -> None:
    probe = guarded_world(way)
    ask(probe)
    probe.work(SESSION.name)
    [call] = probe.base.model.sent
    prompt, model = call.request.prompt, call.request.model
    tokens = estimate_call(CONVERSATION, model, prompt).writing_prefix().cost_micro_usd(model)
    guarded = GUARDRAIL.estimate_micro_usd(prompt.guarded, CONVERSATION.expected_output_tokens)
    assert guarded > 0
    for is_guarded, cap, state in (
        (False, tokens, "completed"),
        (True, tokens, "deferred"),
        (True, tokens + guarded, "completed"),
    ):
        world = guarded_world(way, policy=PartnerPolicy(micro_usd_per_day=cap))
        if not is_guarded:
            world.base.settings = replace(world.base.settings, guardrail=None)
        sent = ask(world)
        world.work(SESSION.name)
        assert world.state(sent) == state


def test_the_services_own_books_know_a_question_that_never_reached_the_model(way: str) -> None:
    world = guarded_world(way, kept_back("question", NO_USAGE))
    ask(world)
    world.work(SESSION.name)
    now = world.clock.now()
    [seen] = logged_calls(world.base.tables, now.replace(hour=0), now, MODELS.models)
    assert set(seen.at_least.values()) == {0}
    assert sum(seen.at_most.values()) == 1  # an invocation, if the service counts it as one


def test_an_urgent_batch_beside_it_costs_what_it_did(way: str) -> None:
    world, plain = guarded_world(way), PartnerWorld(way=way)
    costs = []
    for each in (world, plain):
        sent = each.send([(1, "reading_level")], queue=HIGH_PRIORITY.name)
        each.work(HIGH_PRIORITY.name)
        costs.append(each.row(sent).cost_micro_usd)
    assert costs[0] == costs[1] > 0
