"""Which model a batch is asked of: its own word, then its lane's, then the analysis's."""

from typing import Any

import pytest

from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import cost_micro_usd
from manga_enrichment.domain.operations.quota_lanes import LANE_OF_QUEUE, batch_models
from manga_enrichment.domain.requests.policies import read_policies
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, LOW_PRIORITY, NORMAL
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import model_of
from manga_enrichment_tests.fakes import DEFAULT_USAGE
from manga_enrichment_tests.partner_world import WAYS, PartnerWorld

LANE_MODELS = {"low": {"reading_level": "sonnet", "*": "nova-lite"}}
MODELS = load_models(by_lane=LANE_MODELS)
USUAL = model_of(ANALYSES["reading_level"]).model_id
SONNET, NOVA = (MODELS.resolve(alias).model_id for alias in ("sonnet", "nova-lite"))
PRO = "amazon.nova-pro-v1:0"
QUEUES = {"high": HIGH_PRIORITY.name, "normal": NORMAL.name, "low": LOW_PRIORITY.name}

pytestmark = pytest.mark.parametrize("way", WAYS)


@pytest.mark.parametrize(
    ("priority", "analysis", "more", "asked"),
    [
        ("low", "reading_level", {}, SONNET),
        ("low", "genre_classification", {}, NOVA),
        ("low", "reading_level", {"model": "haiku"}, USUAL),
        ("normal", "reading_level", {}, USUAL),
        ("normal", "reading_level", {"model": "sonnet"}, SONNET),
        ("high", "reading_level", {}, USUAL),
    ],
)
def test_a_batch_is_asked_of_its_lanes_model(
    way: str, priority: str, analysis: str, more: dict[str, Any], asked: str
) -> None:
    world = PartnerWorld(way=way, models=MODELS)
    queue = QUEUES[priority]
    request_id = world.send([(1, analysis)], queue=queue, priority=priority, **more)
    world.work(queue)
    assert world.state(request_id) == "completed"
    assert {sent.request.model.model_id for sent in world.base.model.sent} == {asked}
    assert {row["model_id"] for row in world.base.log() if row["attempt"]} == {asked}


@pytest.mark.parametrize(("priority", "asked"), [("low", SONNET), ("normal", USUAL)])
def test_a_quote_is_of_the_model_that_the_batch_would_ask(way: str, priority: str, asked: str) -> None:
    world = PartnerWorld(way=way, models=MODELS)
    body = {"items": [{"manga_id": "MNG-00000001", "analysis_type": "reading_level"}], "priority": priority}
    request_id = world.send_envelope(QUOTE, body, queue=HIGH_PRIORITY.name)
    world.work(HIGH_PRIORITY.name)
    (item,) = world.result(request_id)["quote"]["items"]
    assert item["model_id"] == asked


@pytest.mark.parametrize(("priority", "state"), [("low", "rejected"), ("normal", "completed")])
def test_a_lanes_model_that_was_not_agreed_on_is_not_asked(way: str, priority: str, state: str) -> None:
    partners = read_policies({"*": {"models": [ANALYSES["reading_level"].model_alias]}})
    world = PartnerWorld(way=way, models=MODELS, policy=RequestPolicy(partners=partners, alias_of=batch_models(MODELS)))
    request_id = world.send([(1, "reading_level")], queue=QUEUES[priority], priority=priority)
    world.work(QUEUES[priority])
    assert world.state(request_id) == state
    assert len(world.base.model.sent) == (state == "completed")


@pytest.mark.parametrize(("priority", "tier"), [("low", "flex"), ("normal", ""), ("high", "priority")])
def test_a_batch_is_asked_in_its_lanes_tier_and_booked_at_its_price(way: str, priority: str, tier: str) -> None:
    models = load_models({"haiku": PRO}, tiers={"low": "flex", "urgent": "priority", "normal": "default"})
    world = PartnerWorld(way=way, models=models, lane=LANE_OF_QUEUE[QUEUES[priority]])
    request_id = world.send([(1, "reading_level")], queue=QUEUES[priority], priority=priority)
    world.work(QUEUES[priority])
    assert world.state(request_id) == "completed"
    (sent,) = world.base.model.sent
    assert (sent.request.model.model_id, sent.request.model.service_tier) == (PRO, tier)
    price = MODELS.models[PRO].price
    expected = cost_micro_usd(DEFAULT_USAGE, price.tiers.get(tier, price))
    (row,) = (row for row in world.base.log() if row["attempt"])
    assert (row["cost_micro_usd"], row["service_tier"]) == (expected, tier or "default")


def test_a_model_without_a_price_for_the_tier_is_asked_in_the_default_one(way: str) -> None:
    world = PartnerWorld(way=way, models=load_models(tiers={"low": "flex"}), lane="low")
    world.send([(1, "reading_level")], queue=LOW_PRIORITY.name, priority="low")
    world.work(LOW_PRIORITY.name)
    assert [sent.request.model.service_tier for sent in world.base.model.sent] == [""]
