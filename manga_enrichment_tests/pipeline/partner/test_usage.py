"""A partner's month: what its requests came to, by the counters that caps are held by."""

import pytest

from manga_enrichment.domain.requests.usage import Usage, usage_counter
from manga_enrichment.pipeline.engine.money.budget import partner_counter
from manga_enrichment.pipeline.partner.usage import month_document
from manga_enrichment_tests.partner_world import WAYS, PartnerWorld


@pytest.mark.parametrize("way", WAYS)
def test_what_ended_in_a_month_is_counted_once_and_its_money_agrees_with_the_bill(way: str) -> None:
    world = PartnerWorld(way=way)
    sent = [world.send([(number, "reading_level"), (number + 1, "reading_level")]) for number in (1, 3)]
    world.send([(5, "reading_level")], partner_id="other")
    world.drain()
    world.clock.advance(3600)
    now = world.clock.now()
    world.base.budget.close_abandoned([partner_counter("acme", now.date().isoformat())], now)
    told = month_document(world.requests, world.base.budget, "acme", now.year, now.month)
    rows = [world.row(each) for each in sent]
    assert told["requests"] == 2
    assert told["items"] == 4
    assert told["tokens"]["input"] == sum(row.input_tokens for row in rows) > 0
    assert told["tokens"]["output"] == sum(row.output_tokens for row in rows) > 0
    assert told["cost_usd"] == sum(row.cost_micro_usd for row in rows) / 1_000_000 > 0
    assert [each["cost_usd"] for each in told["days"]] == [told["cost_usd"]]
    assert world.requests.usage("nobody", told["month"]) == Usage()


def test_a_month_without_anything_is_zeros() -> None:
    world = PartnerWorld()
    told = month_document(world.requests, world.base.budget, "acme", 2024, 2)
    assert told == {
        "month": "2024-02",
        "requests": 0,
        "items": 0,
        "tokens": {"input": 0, "output": 0},
        "days": [],
        "cost_usd": 0.0,
    }


def test_a_counter_is_no_request_id() -> None:
    assert usage_counter("acme", "2026-01") == "usage:acme:2026-01"
