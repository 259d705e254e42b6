"""A document of one's own, asked for by a partner: answered, paid once, in the result and its rows, like any other."""

from pathlib import Path

import pytest

from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.settings.own_analyses import analyses_of
from manga_enrichment_tests.builders import record
from manga_enrichment_tests.fakes import ScriptedModel
from manga_enrichment_tests.partner_world import WAYS, PartnerWorld

OWN = analyses_of(Path(__file__).parents[3] / "data" / "analyses")
ANSWER = {"mood": "tense", "intensity": 4, "pitch": "It keeps one awake."}


@pytest.mark.parametrize("way", WAYS)
def test_a_partner_asks_for_what_a_document_adds(way: str) -> None:
    world = PartnerWorld(way=way, policy=RequestPolicy(analyses=OWN))
    world.base.model = ScriptedModel(world.clock, {record(1).manga_id: [{**ANSWER, "intensity": 9}, ANSWER]})
    first = world.send([(1, "mood")])
    world.work()
    again = world.send([(1, "mood")])
    world.work()
    assert [world.state(each) for each in (first, again)] == ["completed", "completed"]
    (asked,), (known,) = (world.result(each)["items"] for each in (first, again))
    assert asked["answer"] == known["answer"] == ANSWER  # the first was out of its bounds, and mended
    assert asked["prompt_version"] == OWN.get("mood").version
    assert (asked["from_cache"], known["from_cache"], known["cost_micro_usd"]) == (False, True, 0)
    world.assert_rows_are_whole(first)
    assert [row["analysis"] for row in world.result_rows(first)] == ["mood"]
