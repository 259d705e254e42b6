"""Over HTTP, on the real stack: moderation with its evidence, and conversations that pass a guardrail."""

import os
from pathlib import Path

import pytest

from manga_enrichment.domain.analyses.text import quotable
from manga_enrichment.domain.prompts.prompt import prompt_fields
from manga_enrichment.domain.requests.states import RequestState, is_final
from manga_enrichment.local.api_client import ApiAnswer, ApiClient
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.catalog.reader import read_catalog
from manga_enrichment.pipeline.catalog.tables import records_from_table
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.analyses import ON_REQUEST
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.front import LIMITS, Front, documented
from manga_enrichment_tests.end_to_end.partner_books import known_titles
from manga_enrichment_tests.end_to_end.workers import until, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BATCH, QUOTE, QUERY = "/v1/manga/batch", "/v1/manga/quote", "/v1/manga/query"
TITLES = known_titles()[:20]
ANALYSIS = ON_REQUEST["content_moderation"]


@pytest.fixture
def books(local_stack: LocalStack, fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch) -> Books:
    for name, value in (local_stack.child_environment(os.environ) | {"MANGA_CATALOG_BUCKETS": "1"}).items():
        monkeypatch.setenv(name, value)
    return Books(load_settings())


@pytest.fixture
def partner(local_stack: LocalStack, fresh_stack_state: None) -> ApiClient:
    return Front(local_stack).partner(**LIMITS)[0]


def asked(partner: ApiClient, path: str, body: dict[str, object]) -> ApiAnswer:
    answer = partner.call("POST", path, body, {"Prefer": "wait=25"})
    documented(path, "POST", answer.status, answer.document)
    return answer


def assert_paid(books: Books, bill: dict[str, int]) -> None:
    """The log is written some seconds after the answer is there."""
    until(books.attempts, lambda rows: sum(row["cost_micro_usd"] for row in rows) == bill["cost_micro_usd"])
    books.assert_bill_is_logged(bill)


def test_a_batch_is_moderated_with_evidence_that_is_in_the_catalog(
    partner: ApiClient, local_stack: LocalStack, model_server: ModelServerControl, books: Books, tmp_path: Path
) -> None:
    items = [{"manga_id": each, "analysis_type": ANALYSIS.name} for each in TITLES]
    with workers(local_stack, tmp_path):
        quote = asked(partner, QUOTE, {"items": items, "model": "haiku"}).document["data"]["quote"]
        assert quote["counts"] == {"items": len(items), "to_ask": len(items)}
        sent = asked(partner, BATCH, {"items": items, "model": "haiku", "priority": "high"}).document["data"]
        status = until(
            lambda: partner.call("GET", sent["status_path"]).document["data"],
            lambda data: is_final(RequestState(data["status"])),
        )
        document = partner.call("GET", status["results_path"]).document["data"]
        records = {
            each.manga_id: each
            for bucket in books.buckets
            for each in records_from_table(read_catalog(books.tables, bucket))
        }
        assert_paid(books, model_server.counters())
    assert document["counts"] == {"items": len(items), "succeeded": len(items)}
    quotes = 0
    for item in document["items"]:
        shown = prompt_fields(records[item["manga_id"]], ANALYSIS.fields)
        for category in item["answer"]["categories"]:
            for evidence in category["evidence"]:
                assert quotable(evidence["quote"]) in quotable(shown[evidence["field"]])
                quotes += 1
    assert quotes > 0
    assert len({item["answer"]["verdict"] for item in document["items"]}) > 1
    assert {item["model_id"] for item in document["items"]} == {each["model_id"] for each in quote["items"]}
    assert 0 < document["cost_usd"] <= quote["at_most_usd"]


def test_a_guardrail_is_on_the_bill_and_what_it_keeps_back_is_told_by_name(
    partner: ApiClient, local_stack: LocalStack, model_server: ModelServerControl, books: Books, tmp_path: Path
) -> None:
    with workers(local_stack, tmp_path, guardrail_id="gr1", guardrail_version="3"):
        model_server.faults(guardrail={"blocks": ["arsenic"], "policies": ["content", "topic"]})
        answered = asked(partner, QUERY, {"query": "Which manga has a lighthouse?"})
        before = model_server.counters()
        refused = asked(partner, QUERY, {"query": "Which arsenic is deadliest?"})
        after = model_server.counters()
        assert_paid(books, after)
    model_server.faults()
    assert (answered.status, answered.document["data"]["status"]) == (200, "completed")
    assert answered.document["data"]["response"]
    assert before["guardrail_micro_usd"] == 600  # question and reply, two policies
    assert answered.document["data"]["usage"]["cost_usd"] == before["cost_micro_usd"] / 1_000_000
    error = refused.document["error"]
    assert (refused.status, error["code"], error["details"]) == (502, "REQUEST_FAILED", "guardrail_intervened")
    assert after["cost_micro_usd"] - before["cost_micro_usd"] == 300  # the question alone, and no tokens
    assert after["output_tokens"] == before["output_tokens"]
