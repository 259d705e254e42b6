"""A hundred titles, cancelled over HTTP while a worker asks: what partner, model and books say of it is one."""

from collections import Counter
from pathlib import Path

import pytest

from manga_enrichment.domain.models.usage import usd
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.front import AT_ONCE, LIMITS, Front
from manga_enrichment_tests.end_to_end.partner_books import known_titles
from manga_enrichment_tests.end_to_end.workers import until, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TITLES = known_titles()[:100]
BEGUN = 10


def test_counts_bill_and_books_agree(
    local_stack: LocalStack,
    aws_environment: dict[str, str],
    model_server: ModelServerControl,
    tmp_path: Path,
) -> None:
    partner, _ = Front(local_stack).partner(**LIMITS)
    items = [{"manga_id": each, "analysis_type": "reading_level"} for each in TITLES]
    with workers(local_stack, tmp_path):
        model_server.faults(latency={"fixed_ms": 500})
        sent = partner.call("POST", "/v1/manga/batch", {"items": items, "priority": "high"}, AT_ONCE)
        request_id = sent.document["data"]["request_id"]
        until(model_server.counters, lambda counted: counted["billed"] >= BEGUN)
        assert partner.call("DELETE", f"/v1/manga/requests/{request_id}").status == 202
        status = until(
            lambda: partner.call("GET", f"/v1/manga/status/{request_id}").document["data"],
            lambda told: told["status"] not in ("accepted", "received", "processing"),
        )
        document = partner.call("GET", f"/v1/manga/results/{request_id}").document["data"]
        month = until(lambda: partner.call("GET", "/v1/manga/usage").document["data"], lambda used: used["requests"])
    bill = model_server.counters()
    assert (status["status"], BEGUN <= bill["billed"] < len(TITLES)) == ("cancelled", True)
    counts = {"items": len(TITLES), "succeeded": bill["billed"], "cancelled": len(TITLES) - bill["billed"]}
    assert status["counts"] == document["counts"] == counts
    assert Counter(item["status"] for item in document["items"]) == {
        name: number for name, number in counts.items() if name != "items"
    }
    assert sum(item["cost_micro_usd"] for item in document["items"]) == bill["cost_micro_usd"]
    assert status["cost_usd"] == document["cost_usd"] == usd(bill["cost_micro_usd"])
    assert (month["items"], partner.call("GET", "/v1/manga/usage").document["data"]["cost_usd"]) == (
        len(TITLES),
        status["cost_usd"],
    )
    Books(load_settings()).assert_bill_is_logged(bill)
