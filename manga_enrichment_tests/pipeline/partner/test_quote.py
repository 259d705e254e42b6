"""A quote: what a batch would come to. Nothing is asked, nothing is billed, nobody else is told."""

from typing import Any

import pytest

from manga_enrichment.domain.requests.policies import PartnerPolicy, Policies
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, route
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.domain.requests.usage import Usage, month_of
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.pipeline.partner.plan import UNKNOWN_TITLE
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import MODELS, bare_record, model_of, put_catalog
from manga_enrichment_tests.partner_world import PARTNER, TITLES, WAYS, PartnerWorld

CALLBACK = "https://partner.example/manga"
HIGH = HIGH_PRIORITY.name

pytestmark = pytest.mark.parametrize("way", WAYS)


def item(number: int, analysis: str = "reading_level", **more: str) -> dict[str, Any]:
    return {"manga_id": f"MNG-{number:08d}", "analysis_type": analysis, **more}


def quoted(world: PartnerWorld, *items: dict[str, Any], **body: Any) -> dict[str, Any]:
    """The quote, once its request has ended."""
    sent = {"items": list(items), **body}
    assert route(QUOTE, sent, partner_id=PARTNER, request_id="x").queue is HIGH_PRIORITY
    request_id = world.send_envelope(QUOTE, sent, queue=HIGH)
    world.work(HIGH)
    assert world.state(request_id) == "completed"
    document = world.result(request_id)
    assert (document["schema"], document["items"], document["cost_usd"]) == (QUOTE, [], 0)
    return dict(document["quote"])


def test_what_nobody_has_is_priced_and_not_asked(way: str) -> None:
    world = PartnerWorld(way=way)
    quote = quoted(world, item(1), item(2, reference="mine"), callback_url=CALLBACK)
    assert world.base.model.sent == []
    assert quote["counts"] == {"items": 2, "to_ask": 2}
    first, second = quote["items"]
    assert (first["position"], first["manga_id"], first["analysis_type"]) == (0, "MNG-00000001", "reading_level")
    assert first["model_id"] == model_of(ANALYSES["reading_level"]).model_id
    assert (second["reference"], first["error"]) == ("mine", None)
    assert quote["input_tokens"] == first["input_tokens"] + second["input_tokens"] > 0
    assert quote["output_tokens"] == 2 * ANALYSES["reading_level"].expected_output_tokens
    assert quote["cost_usd"] == pytest.approx(first["cost_usd"] + second["cost_usd"])
    assert 0 < quote["cost_usd"] < quote["at_most_usd"]


def test_the_first_of_a_kind_pays_for_the_prompt_cache(way: str) -> None:
    quote = quoted(PartnerWorld(way=way), *(item(number, "full_enrichment") for number in (1, 2, 3)))
    first, second, third = quote["items"]
    assert first["input_tokens"] == second["input_tokens"] == third["input_tokens"]
    assert first["cost_usd"] > second["cost_usd"] == third["cost_usd"]


def test_nothing_of_it_is_booked_logged_counted_or_told(way: str) -> None:
    world = PartnerWorld(way=way)
    quoted(world, item(1), callback_url=CALLBACK)
    assert world.outbox.deliveries == {}
    assert world.base.log() == []
    assert world.base.ledger.entries == {}
    [row] = world.requests.rows.values()
    assert (row.cost_micro_usd, row.callback_state) == (0, "")
    assert world.requests.usage(PARTNER, month_of(row)) == Usage()
    assert world.result_rows(row.request_id) == []
    assert world.queue.messages(HIGH) == []


def test_what_is_answered_already_is_free_and_the_rest_is_what_the_batch_then_asks(way: str) -> None:
    world = PartnerWorld(way=way)
    world.send([(1, "reading_level")])
    world.work()
    asked_before = len(world.base.model.sent)
    items = [item(1), item(2), item(2), item(TITLES + 5)]
    quote = quoted(world, *items)
    assert [each["status"] for each in quote["items"]] == ["known", "to_ask", "to_ask", "no_answer"]
    assert quote["items"][2]["cost_usd"] == 0  # a repetition
    assert quote["items"][3]["error"]["class"] == UNKNOWN_TITLE
    assert quote["cost_usd"] == quote["items"][1]["cost_usd"]
    batch = world.send_envelope("batch_analysis", {"items": items})
    world.work()
    assert len(world.base.model.sent) == asked_before + 1
    assert dict(world.row(batch).counts) == {"items": 4, "succeeded": 3, "failed": 1}
    again = quoted(world, *items)
    assert (again["cost_usd"], again["counts"]["known"], again["input_tokens"]) == (0, 3, 0)


def test_a_part_of_a_combined_answer_is_known_too(way: str) -> None:
    world = PartnerWorld(way=way)
    world.send([(1, "full_enrichment")])
    world.work()
    assert quoted(world, item(1, "reading_level"))["items"][0]["status"] == "known"


def test_a_title_with_too_little_text_is_never_asked(way: str) -> None:
    world = PartnerWorld(way=way)
    put_catalog(world.base.tables, [bare_record(1)])
    [told] = quoted(world, item(1, "content_summary"))["items"]
    assert (told["status"], told["cost_usd"]) == ("insufficient_input", 0)
    assert told["error"]["message"]


def test_a_batch_that_breaks_the_rules_is_told_all_its_faults_with_their_places(way: str) -> None:
    world = PartnerWorld(way=way)
    body = {"items": [item(1), {"manga_id": "x", "analysis_type": "no_such"}], "priority": "soon", "colour": 1}
    request_id = world.send_envelope(QUOTE, body, queue=HIGH)
    world.work(HIGH)
    row = world.row(request_id)
    assert row.state == "rejected"
    for place in ("items.1.manga_id", "items.1.analysis_type", "priority", "colour"):
        assert place in row.problems


def test_a_partner_chooses_the_model_of_a_batch_and_the_quote_is_of_that_model(way: str) -> None:
    world = PartnerWorld(way=way)
    own = ANALYSES["reading_level"].model_alias
    other = next(alias for alias in ("sonnet", "haiku") if alias != own)
    world.send([(1, "reading_level")])
    world.work()
    assert quoted(world, item(1), model=own)["counts"] == {"items": 1, "known": 1}  # the same question
    quote = quoted(world, item(1), model=other)
    assert quote["counts"] == {"items": 1, "to_ask": 1}
    assert quote["items"][0]["model_id"] == MODELS.resolve(other).model_id
    assert quote["cost_usd"] != quoted(world, item(2), model=own)["cost_usd"]
    batch = world.send([(1, "reading_level")], model=other)
    world.work()
    assert world.base.model.sent[-1].request.model == MODELS.resolve(other)
    [told] = world.result(batch)["items"]
    assert (told["model_id"], told["from_cache"]) == (MODELS.resolve(other).model_id, False)
    assert quoted(world, item(1), model=other)["counts"] == {"items": 1, "known": 1}


def test_a_model_that_the_policy_does_not_allow_is_refused_and_one_that_it_allows_opens_an_analysis(way: str) -> None:
    own = ANALYSES["reading_level"].model_alias
    other = next(alias for alias in ("sonnet", "haiku") if alias != own)
    policy = RequestPolicy(partners=Policies({PARTNER: PartnerPolicy(models=(other,))}))
    world = PartnerWorld(way=way, policy=policy)
    refused = [world.send([(1, "reading_level")]), world.send([(1, "reading_level")], model=own)]
    allowed = world.send([(1, "reading_level")], model=other)
    world.work()
    assert [world.state(each) for each in (*refused, allowed)] == ["rejected", "rejected", "completed"]
    assert "items.0.analysis_type" in world.row(refused[0]).problems
    assert world.row(refused[1]).reason.startswith("model: ")
