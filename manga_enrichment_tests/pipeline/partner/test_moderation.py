"""Content moderation in the lane: asked where a batch asks, by the model that it chooses, and by nobody else."""

from typing import Any

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.policies import PartnerPolicy, Policies
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment_tests.analyses import ON_REQUEST
from manga_enrichment_tests.builders import MODELS, record
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import PARTNER, WAYS, PartnerWorld

ANALYSIS = ON_REQUEST["content_moderation"]
NAME = ANALYSIS.name
OWN = ANALYSIS.model_alias
OTHER = next(alias for alias in ("sonnet", "haiku") if alias != OWN)
TITLE = record(1)

pytestmark = pytest.mark.parametrize("way", WAYS)


def moderation(quote: str, field: str = "synopsis") -> dict[str, Any]:
    return {
        "categories": [{"category": "violence", "severity": "mild", "evidence": [{"field": field, "quote": quote}]}],
        "age_gate": 0,
        "verdict": "allow",
        "reasons": ["Nothing of weight is shown."],
        "confidence": 0.7,
    }


def world_where_the_model_says(way: str, *steps: dict[str, Any], policy: PartnerPolicy | None = None) -> PartnerWorld:
    """Of the title; any other gets a valid answer."""
    policies = RequestPolicy(partners=Policies({PARTNER: policy} if policy else {}))
    world = PartnerWorld(way=way, policy=policies)
    world.base.model = ScriptedModel(world.clock, {TITLE.manga_id: list(steps)} if steps else None)
    return world


def test_a_batch_gets_it_with_its_evidence_and_its_rows(way: str) -> None:
    assert TITLE.synopsis
    answer = moderation(TITLE.synopsis[:30])
    world = world_where_the_model_says(way, answer)
    request_id = world.send([(1, NAME), (2, NAME), (2, "reading_level")])
    world.work()
    assert world.state(request_id) == "completed"
    first, *_ = world.result(request_id)["items"]
    assert (first["analysis_type"], first["answer"], first["prompt_version"]) == (NAME, answer, ANALYSIS.version)
    assert first["cost_micro_usd"] > 0
    world.assert_rows_are_whole(request_id)
    assert [row["analysis"] for row in world.result_rows(request_id)] == [NAME, NAME, "reading_level"]
    assert {row["analysis"] for row in world.base.log()} == {NAME, "reading_level"}
    world.assert_log_is_whole()


def test_nothing_that_runs_over_the_catalog_asks_it_or_has_a_table_of_it(way: str) -> None:
    world = world_where_the_model_says(way)
    world.base.run("night-before")
    asked = len(world.base.model.sent)
    request_id = world.send([(1, NAME)])
    world.work()
    assert world.state(request_id) == "completed"
    assert [each.analysis for each in world.base.model.sent[asked:]] == [NAME]
    world.base.run("night-after")  # all that there is, and nothing is outdated
    assert len(world.base.model.sent) == asked + 1
    assert not world.base.tables.list_keys(f"enrichment/{NAME}/")
    assert not world.base.tables.list_keys(f"enrichment/outcomes/analysis={NAME}/")


def test_the_full_enrichment_of_a_title_is_no_moderation_of_it(way: str) -> None:
    world = world_where_the_model_says(way)
    world.send([(1, "full_enrichment")])
    world.work()
    request_id = world.send([(1, NAME)])
    world.work()
    [item] = world.result(request_id)["items"]
    assert (item["from_cache"], item["via"]) == (False, NAME)
    again = world.send([(1, NAME)])
    world.work()
    assert world.result(again)["items"][0]["from_cache"]


def test_invented_evidence_is_sent_back_once_with_what_is_wrong(way: str) -> None:
    assert TITLE.synopsis
    good = moderation(TITLE.synopsis[:30])
    world = world_where_the_model_says(way, moderation("the hero eats his twin"), good)
    request_id = world.send([(1, NAME)])
    world.work()
    assert world.result(request_id)["items"][0]["answer"] == good
    first, second = world.base.model.sent
    assert first.request.repair is None
    assert second.request.repair is not None
    assert "categories.0.evidence.0.quote" in second.request.repair.problems[0]
    assert world.row(request_id).cost_micro_usd == sum(row["cost_micro_usd"] for row in world.base.log())


def test_evidence_that_stays_invented_fails_the_item_and_no_other(way: str) -> None:
    invented = moderation("the hero eats his twin")
    world = world_where_the_model_says(way, invented, invented)
    request_id = world.send([(1, NAME), (2, NAME)])
    world.work()
    failed, answered = world.result(request_id)["items"]
    assert world.state(request_id) == "partially_completed"
    assert failed["error"]["class"] == ErrorClass.INVALID_ANSWER
    assert "synopsis does not have these words" in failed["error"]["message"]
    assert failed["answer"] is None
    assert failed["cost_micro_usd"] > answered["cost_micro_usd"] > 0
    assert answered["answer"] is not None


def test_a_note_is_judged_too_and_is_a_question_of_its_own(way: str) -> None:
    note = "The third volume shows a duel to the death."
    world = world_where_the_model_says(
        way, moderation("a duel to the death", "additional_context"), moderation("a duel to the death")
    )
    request_id = world.send([(1, NAME, note)])
    world.work()
    assert world.state(request_id) == "completed"
    unnoted = world.send([(1, NAME)])  # what only the note says is no evidence without it
    world.work()
    assert len({sent.request.prompt.user for sent in world.base.model.sent}) == 2
    assert world.base.model.sent[-1].request.repair is not None
    assert world.state(unnoted) == "completed"


def test_the_model_is_the_partners_choice_and_the_quote_is_of_that_model(way: str) -> None:
    world = world_where_the_model_says(way, policy=PartnerPolicy(models=(OTHER,)))
    items = [{"manga_id": TITLE.manga_id, "analysis_type": NAME}]
    quotes = {}
    for alias in (OWN, OTHER):
        quotes[alias] = world.send_envelope(QUOTE, {"items": items, "model": alias}, queue=HIGH_PRIORITY.name)
    world.work(HIGH_PRIORITY.name)
    assert world.state(quotes[OWN]) == "rejected"
    told = world.result(quotes[OTHER])["quote"]
    assert told["items"][0]["model_id"] == MODELS.resolve(OTHER).model_id
    assert world.base.model.sent == []
    request_id = world.send([(1, NAME)], model=OTHER)
    refused = world.send([(1, NAME)])
    world.work()
    assert world.state(refused) == "rejected"
    [item] = world.result(request_id)["items"]
    assert item["model_id"] == told["items"][0]["model_id"]
    assert world.base.model.sent[-1].request.model == MODELS.resolve(OTHER)
    assert 0 < item["cost_micro_usd"] <= told["at_most_usd"] * 1_000_000


@pytest.mark.parametrize("allowed", [(NAME,), ("reading_level",)])
def test_a_policy_may_allow_it_alone_or_not_at_all(way: str, allowed: tuple[str, ...]) -> None:
    world = world_where_the_model_says(way, policy=PartnerPolicy(analyses=allowed))
    sent = {name: world.send([(1, name)]) for name in (NAME, "reading_level")}
    world.work()
    states = {name: world.state(request_id) for name, request_id in sent.items()}
    assert states == {name: "completed" if name in allowed else "rejected" for name in sent}
