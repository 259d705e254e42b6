"""A partner's whole job with a client that a public generator made from docs/openapi.json, and an API key."""

import importlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.front import AT_ONCE, LIMITS, Front
from manga_enrichment_tests.end_to_end.partner_books import known_titles
from manga_enrichment_tests.end_to_end.workers import until, workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
PACKAGE = "manga_client"
TITLES = known_titles()[:5]
NOT_AT_ONCE, LONG = AT_ONCE["Prefer"], "wait=25"
ENDED = ("completed", "partially_completed", "cancelled", "failed", "rejected")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the client's package, which can be imported."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yaml").write_text("post_hooks: []\n")  # nobody reads it: no need for its layout
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none"]
    where = ["--path", DOCUMENT, "--output-path", folder / PACKAGE, "--config", folder / "config.yaml"]
    subprocess.run([*command, *where], check=True, timeout=120)
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        yield folder / PACKAGE


class Partner:
    """One partner, by the generated code alone."""

    def __init__(self, url: str, key: str) -> None:
        module = importlib.import_module(f"{PACKAGE}.client")
        self.models: Any = importlib.import_module(f"{PACKAGE}.models")
        self._client = module.AuthenticatedClient(
            base_url=url,
            token=key,
            prefix="",
            auth_header_name="x-api-key",
            timeout=60,
            raise_on_unexpected_status=True,
        )

    def call(self, tag: str, operation: str, *path: Any, **parameters: Any) -> Any:
        """The answer, of which `parsed` is a model of the document."""
        module = importlib.import_module(f"{PACKAGE}.api.{tag}.{operation}")
        answer = module.sync_detailed(*path, client=self._client, **parameters)
        assert answer.parsed is not None
        return answer

    def close(self) -> None:
        self._client.get_httpx_client().close()

    def requests(self, operation: str, *path: Any, **parameters: Any) -> Any:
        return self.call("requests", operation, *path, **parameters)

    def batch(self, titles: list[str], reference: str = "import 7") -> Any:
        models = self.models
        analysis = models.BatchAnalysisRequestItemsItemAnalysisType.READING_LEVEL
        items = [models.BatchAnalysisRequestItemsItem(each, analysis, reference=f"of {each}") for each in titles]
        return models.BatchAnalysisRequest(
            items, reference=reference, priority=models.BatchAnalysisRequestPriority.HIGH
        )

    def ended(self, request_id: uuid.UUID) -> Any:
        """Its status, once it has ended."""
        return until(
            lambda: self.requests("status", request_id).parsed.data, lambda status: status.status.value in ENDED
        )


@pytest.fixture
def stage(
    local_stack: LocalStack, fresh_stack_state: None, model_server: ModelServerControl, generated: Path, tmp_path: Path
) -> Iterator[SimpleNamespace]:
    front = Front(local_stack)
    with workers(local_stack, tmp_path):
        key, other_key = (front.key(**LIMITS)["value"] for _ in range(2))
        keys = {"partner": key, "other": other_key, "stranger": "none"}
        partners = {who: Partner(front.url, value) for who, value in keys.items()}
        yield SimpleNamespace(**partners)
        for each in partners.values():
            each.close()


def test_every_operation_is_made(generated: Path) -> None:
    made = {file.stem.strip("_") for file in (generated / "api").glob("*/*.py")} - {"init"}
    assert made == set(ENDPOINTS)


def test_it_does_the_whole_job(stage: SimpleNamespace, model_server: ModelServerControl) -> None:
    partner = stage.partner
    price = quoted(partner)
    request_id = submitted_once(partner)
    status = partner.ended(request_id)
    answered(partner, status, price)
    assert quoted(partner).counts.additional_properties == {"items": len(TITLES), "known": len(TITLES)}
    questions = asked(partner)
    gone = cancelled(partner, model_server)
    listed(partner, [request_id, *questions, gone])
    billed(partner, status.cost_usd + sum(partner.ended(each).cost_usd for each in questions))
    nobody_elses(stage.other, status)
    faults_are_told(stage)


def quoted(partner: Partner) -> Any:
    answer = partner.requests("quote", body=partner.batch(TITLES), prefer=LONG)
    assert (answer.status_code, answer.parsed.data.usage.cost_usd) == (200, 0)
    return answer.parsed.data.quote


def submitted_once(partner: Partner) -> uuid.UUID:
    """Under one key, however often it is sent."""
    key = str(uuid.uuid4())
    sent = [
        partner.requests("batch", body=partner.batch(TITLES), idempotency_key=key, prefer=wait)
        for wait in (NOT_AT_ONCE, NOT_AT_ONCE, LONG)
    ]
    assert [answer.status_code for answer in sent[:2]] == [202, 202]
    first, again, waited = (answer.parsed.data for answer in sent)
    assert (first.request_id, first.item_count) == (again.request_id, len(TITLES))
    assert waited.request_id == first.request_id
    other = partner.requests("batch", body=partner.batch(TITLES[:1]), idempotency_key=key, prefer=NOT_AT_ONCE)
    assert (other.status_code, other.parsed.error.code.value) == (409, "IDEMPOTENCY_KEY_REUSED")
    request_id: uuid.UUID = first.request_id
    return request_id


def answered(partner: Partner, status: Any, price: Any) -> None:
    assert (status.status.value, status.reference, status.results_path is None) == ("completed", "import 7", False)
    document = partner.requests("results", status.request_id).parsed.data
    assert [each.manga_id for each in document.items] == TITLES
    assert [each.reference for each in document.items] == [f"of {each}" for each in TITLES]
    assert {each.status.value for each in document.items} == {"succeeded"}
    assert {type(each.answer) for each in document.items} == {partner.models.ReadingLevelAnswer}
    assert sum(each.cost_micro_usd for each in document.items) / 1_000_000 == pytest.approx(status.cost_usd)
    assert 0 < status.cost_usd <= price.at_most_usd


def asked(partner: Partner) -> list[uuid.UUID]:
    """A question, answered by the call that asks it, and a chat."""
    models = partner.models
    answer = partner.call("conversations", "query", body=models.MangaQueryRequest("灯台の漫画は？"), prefer=LONG)
    assert answer.status_code == 200
    assert answer.parsed.data.response
    message = models.StreamingChatRequestMessagesItem(models.StreamingChatRequestMessagesItemRole.USER, "And at sea?")
    chat = partner.call("conversations", "chat", body=models.StreamingChatRequest([message]), prefer=NOT_AT_ONCE)
    assert chat.status_code == 202
    assert partner.ended(chat.parsed.data.request_id).status.value == "completed"
    return [answer.parsed.data.request_id, chat.parsed.data.request_id]


def cancelled(partner: Partner, model_server: ModelServerControl) -> uuid.UUID:
    """A batch for which the model has no room."""
    model_server.faults(throttle_probability=1.0)
    sent = partner.requests("batch", body=partner.batch(known_titles()[5:15]), prefer=NOT_AT_ONCE)
    request_id: uuid.UUID = sent.parsed.data.request_id
    for _ in range(2):
        answer = partner.requests("cancel", request_id)
        assert (answer.status_code, answer.parsed.data.cancel_requested) == (202, True)
    status = partner.ended(request_id)
    assert (status.status.value, status.counts.additional_properties) == ("cancelled", {"items": 10, "cancelled": 10})
    model_server.faults()
    return request_id


def listed(partner: Partner, expected: list[uuid.UUID]) -> None:
    """Page by page."""
    found, page = [], {"limit": 1}
    while page:
        data = partner.requests("list_", **page).parsed.data
        found += [each.request_id for each in data.requests]
        page = {name: value for name, [value] in parse_qs(urlsplit(data.next_path or "").query).items()}
    assert len(found) == len(set(found))
    assert set(expected) <= set(found)
    assert found.index(expected[-1]) < found.index(expected[0])


def billed(partner: Partner, cost_usd: float) -> None:
    """What the month comes to, some time later."""
    assert cost_usd > 0
    usage = until(
        lambda: partner.call("account", "usage").parsed.data,
        lambda usage: usage.requests >= 4 and usage.cost_usd >= cost_usd - 1e-9,
    )
    assert (usage.requests, usage.items) == (4, len(TITLES) + 10 + 2)
    assert usage.cost_usd == pytest.approx(cost_usd)


def nobody_elses(other: Partner, status: Any) -> None:
    for operation in ("status", "results", "cancel"):
        answer = other.requests(operation, status.request_id)
        assert (answer.status_code, answer.parsed.error.code.value) == (404, "NOT_FOUND")
    assert other.requests("list_").parsed.data.requests == []


def faults_are_told(stage: SimpleNamespace) -> None:
    partner = stage.partner
    body = partner.batch(["none", "MNG-1"])
    for operation in ("quote", "batch"):
        answer = partner.requests(operation, body=body, prefer=LONG)
        assert (answer.status_code, answer.parsed.error.code.value) == (400, "VALIDATION_ERROR")
    priced = partner.requests("quote", body=body, prefer=LONG).parsed.error
    assert [each.path for each in priced.problems] == ["items.0.manga_id", "items.1.manga_id"]
    ended = partner.requests("cancel", partner.requests("list_").parsed.data.requests[-1].request_id)
    assert (ended.status_code, ended.parsed.error.code.value) == (409, "ALREADY_ENDED")
    refused = stage.stranger.requests("list_")
    assert (refused.status_code, refused.parsed.error.code.value) == (403, "FORBIDDEN")
    wrong = partner.call("account", "usage", month="november")
    assert (wrong.status_code, wrong.parsed.error.code.value) == (400, "VALIDATION_ERROR")
