"""A partner's own names: on the request and on items, they come back in row, document, callback and rows."""

import json

import pytest

from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, SESSION
from manga_enrichment_tests.builders import title_id
from manga_enrichment_tests.partner_world import WAYS, PartnerWorld

HIGH = HIGH_PRIORITY.name
URL = "https://a.example/"


def callback_of(world: PartnerWorld, request_id: str) -> dict[str, object]:
    [body] = [each.body for each in world.outbox.deliveries.values() if each.target == URL]
    read: dict[str, object] = json.loads(body)
    assert read["request_id"] == request_id
    return read


@pytest.mark.parametrize("way", WAYS)
def test_names_come_back_everywhere_also_of_items_that_repeat_another(way: str) -> None:
    world = PartnerWorld(way=way)
    item = {"manga_id": title_id(1), "analysis_type": "reading_level"}
    items = [{**item, "reference": "shelf 1"}, item, {**item, "reference": "棚 3"}]
    sent = world.send_envelope(
        "batch_analysis", {"items": items, "reference": "import 7", "callback_url": URL}, queue=HIGH
    )
    world.work(HIGH)
    document, told = world.result(sent), callback_of(world, sent)
    assert world.row(sent).reference == document["reference"] == told["reference"] == "import 7"
    assert told["answers"] == document
    assert [each["reference"] for each in document["items"]] == ["shelf 1", None, "棚 3"]
    rows = sorted(world.result_rows(sent), key=lambda row: row["position"])
    assert [row["reference"] for row in rows] == ["import 7"] * 3
    assert [row["item_reference"] for row in rows] == ["shelf 1", None, "棚 3"]
    assert len(world.base.model.sent) == 1, "a name makes no other question"
    first, *repeated = document["items"]
    assert first["cost_micro_usd"] > 0
    assert (first["input_tokens"], first["output_tokens"]) == (900, 150)
    assert {(each["cost_micro_usd"], each["input_tokens"], each["output_tokens"]) for each in repeated} == {(0, 0, 0)}
    assert sum(row["input_tokens"] for row in rows) == world.row(sent).input_tokens


@pytest.mark.parametrize("way", WAYS)
def test_a_question_has_a_callback_with_its_reply(way: str) -> None:
    world = PartnerWorld(way=way)
    body = {"query": "Which?", "reference": "question 8", "callback_url": URL}
    sent = world.send_envelope("manga_query", body, queue=SESSION.name, group_id="acme:one")
    world.work(SESSION.name)
    told = callback_of(world, sent)
    assert (told["reference"], told["answers"]) == ("question 8", world.result(sent))
    assert world.row(sent).callback_state == "callback_pending"
    assert world.row(sent).result_key == f"fm-results/acme/{sent}.json"


def test_a_name_of_a_request_stays_over_its_generations() -> None:
    world = PartnerWorld()
    sent = world.send([(1, "reading_level")], reference="import 7")
    world.tick()
    world.clock.advance(3600)
    world.launched.clear()
    world.work()
    assert (world.row(sent).generation, world.row(sent).reference, world.state(sent)) == (2, "import 7", "completed")
