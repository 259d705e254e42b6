"""What a quote said, and what the same batch was billed then: over HTTP, by workers that know nothing of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from manga_enrichment.local.api_client import ApiClient
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.front import AT_ONCE, LIMITS, Front
from manga_enrichment_tests.end_to_end.partner_books import known_titles
from manga_enrichment_tests.end_to_end.workers import until, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BATCH, QUOTE, STATUS, RESULTS = (f"/v1/manga/{each}" for each in ("batch", "quote", "status/", "results/"))
KNOWN, NEW = known_titles()[:3], known_titles()[3:9]
ANALYSES = ("reading_level", "content_summary", "full_enrichment")
UNKNOWN = "MNG-ZZZZZZZZ"
MOST_ABOVE = 1.25
"""An estimate of tokens leans to the high side, within a quarter (`domain/prompts/tokens.py`)."""

MOST_OFF = 1 / 3
"""Of the bill: input is within a quarter, and what the stand-in says is shorter than a typical answer or longer."""


@pytest.fixture(scope="module")
def partner(local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    with workers(local_stack, tmp_path_factory.mktemp("workers")):
        yield Front(local_stack).partner(**LIMITS)[0]


def batch(*items: tuple[str, str]) -> dict[str, Any]:
    return {"items": [{"manga_id": title, "analysis_type": name} for title, name in items], "priority": "high"}


def quoted(partner: ApiClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = until(lambda: partner.call("POST", QUOTE, body, {"Prefer": "wait=25"}), lambda told: told.status != 202)
    assert answer.status == 200, answer
    quote: dict[str, Any] = answer.document["data"]["quote"]
    return quote


def billed(partner: ApiClient, body: dict[str, Any]) -> dict[str, Any]:
    """The result document of the batch, once it has ended."""
    sent = partner.call("POST", BATCH, body, AT_ONCE).document["data"]["request_id"]
    until(
        lambda: partner.call("GET", STATUS + sent).document["data"]["status"],
        lambda status: status in ("completed", "partially_completed"),
    )
    document: dict[str, Any] = partner.call("GET", RESULTS + sent).document["data"]
    return document


def test_a_batch_costs_what_its_quote_said_within_its_bounds(
    partner: ApiClient, model_server: ModelServerControl
) -> None:
    billed(partner, batch(*((title, "reading_level") for title in KNOWN)))
    before = model_server.counters()["billed"]
    new = [(title, name) for title in NEW for name in ANALYSES[:2]] + [(NEW[0], "full_enrichment")]
    body = batch(*((title, "reading_level") for title in KNOWN), *new, new[0], (UNKNOWN, "reading_level"))

    quote = quoted(partner, body)
    assert model_server.counters()["billed"] == before
    document = billed(partner, body)
    asked = [pair for pair in zip(quote["items"], document["items"], strict=True) if pair[0]["status"] == "to_ask"]
    assert len(asked) == len(new) + 1  # one of them twice
    for told, item in asked[:-1]:
        assert item["input_tokens"] <= told["input_tokens"] <= MOST_ABOVE * item["input_tokens"]
    assert asked[-1][0]["cost_usd"] == asked[-1][1]["cost_micro_usd"] == 0
    sent = {name: sum(item[name] for item in document["items"]) for name in ("input_tokens", "output_tokens")}
    assert sent["input_tokens"] <= quote["input_tokens"] <= MOST_ABOVE * sent["input_tokens"]
    assert model_server.counters()["billed"] == before + len(new)
    assert 0 < document["cost_usd"] <= quote["at_most_usd"]
    assert abs(quote["cost_usd"] - document["cost_usd"]) <= MOST_OFF * document["cost_usd"]

    free = [pair for pair in zip(quote["items"], document["items"], strict=True) if pair[0]["status"] == "known"]
    assert [(told["cost_usd"], item["cost_micro_usd"], item["from_cache"]) for told, item in free] == [(0, 0, True)] * 3
    assert quote["items"][-1]["error"]["class"] == document["items"][-1]["error"]["class"] == "unknown_title"


def test_what_is_answered_costs_nothing_in_quote_and_bill(partner: ApiClient, model_server: ModelServerControl) -> None:
    body = batch(*((title, name) for title in KNOWN for name in ANALYSES[:2]))
    first = billed(partner, body)
    before = model_server.counters()["billed"]
    quote, again = quoted(partner, body), billed(partner, body)
    assert quote["counts"] == {"items": len(body["items"]), "known": len(body["items"])}
    nothing = {"input_tokens": 0, "output_tokens": 0, "cost_usd": 0}
    assert {name: quote[name] for name in nothing} == nothing
    assert (quote["at_most_usd"], again["cost_usd"], model_server.counters()["billed"]) == (0, 0, before)
    assert {item["from_cache"] for item in again["items"]} == {True}
    assert [item["answer"] for item in again["items"]] == [item["answer"] for item in first["items"]]
