"""What a policy allows, over HTTP and under load: not a micro-dollar more, and nobody else has less for it."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from manga_enrichment.local.api_client import ApiClient, api_key
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.end_to_end.front import AT_ONCE, LIMITS, Front
from manga_enrichment_tests.end_to_end.partner_books import known_titles
from manga_enrichment_tests.end_to_end.workers import until, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BATCH = "/v1/manga/batch"
CAP_MICRO_USD = 400
"""Room for some seven titles."""
OWN = ANALYSES["reading_level"].model_alias
OTHER = next(alias for alias in ("sonnet", "haiku") if alias != OWN)
POLICY = {"keys": ["acme-1"], "micro_usd_per_day": CAP_MICRO_USD, "models": [OWN], "analyses": ["reading_level"]}


@pytest.fixture(scope="module")
def front(local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("workers")
    partners = folder / "partners.json"
    partners.write_text(json.dumps({"acme": POLICY}))
    with workers(local_stack, folder, partners_file=str(partners)):
        yield Front(local_stack)


def batch(titles: list[str], analysis: str = "reading_level", **more: Any) -> dict[str, Any]:
    return {"items": [{"manga_id": each, "analysis_type": analysis} for each in titles], "priority": "high", **more}


def status(partner: ApiClient, request_id: str) -> dict[str, Any]:
    return dict(partner.call("GET", f"/v1/manga/status/{request_id}").document["data"])


def spent_micro_usd(partner: ApiClient) -> int:
    return round(partner.call("GET", "/v1/manga/usage").document["data"]["cost_usd"] * 1_000_000)


def submitted(partner: ApiClient, titles: list[str]) -> str:
    return str(partner.call("POST", BATCH, batch(titles), AT_ONCE).document["data"]["request_id"])


def test_a_cap_holds_under_load_and_others_are_served_beside_it(front: Front, model_server: ModelServerControl) -> None:
    acme, (other, _) = ApiClient(front.url, api_key(front.apigateway, "acme-1")), front.partner(**LIMITS)
    titles = known_titles()
    theirs = [titles[at : at + 10] for at in (0, 10, 20)]
    with ThreadPoolExecutor(3) as threads:
        capped = list(threads.map(lambda asked: submitted(acme, asked), theirs))
    mine = submitted(other, titles[30:40])
    assert until(lambda: status(other, mine), lambda told: told["status"] == "completed")["counts"]["succeeded"] == 10
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    for request_id in capped:
        waits = until(lambda: status(acme, request_id), lambda told: bool(told.get("resumes_on")))  # noqa: B023
        assert waits["status"] == "deferred"
        assert waits["resumes_on"] in (tomorrow, (datetime.now(UTC) + timedelta(days=1)).date().isoformat())
    bill = model_server.counters()
    assert 10 < bill["billed"] < 20  # all of one partner's, and the few that the cap has room for
    assert 0 < until(lambda: spent_micro_usd(acme), bool) <= CAP_MICRO_USD
    assert sum(round(status(acme, each)["cost_usd"] * 1_000_000) for each in capped) <= CAP_MICRO_USD


@pytest.mark.parametrize(
    ("body", "places"),
    [
        (batch(known_titles()[:2], model=OTHER), ["model"]),
        (batch(known_titles()[:2], "content_summary"), ["items.0.analysis_type", "items.1.analysis_type"]),
    ],
    ids=["model", "analysis"],
)
def test_what_is_not_allowed_is_refused_with_its_places(front: Front, body: dict[str, Any], places: list[str]) -> None:
    acme = ApiClient(front.url, api_key(front.apigateway, "acme-1"))
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": "wait=25"}
    answer = until(lambda: acme.call("POST", BATCH, body, headers), lambda told: told.status != 202)
    assert (answer.status, answer.document["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [(each["path"], each["code"]) for each in answer.document["error"]["problems"]] == [
        (place, "NOT_ALLOWED") for place in places
    ]
