"""The request front over HTTP: what is let in, what is kept out, and what a partner sees of it."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manga_enrichment.api.checking import HOSTILE_TEXTS
from manga_enrichment.api.cloudformation import template_yaml
from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.aws.dynamodb.requests import DynamoDBRequests
from manga_enrichment.domain.requests.queues import BY_PRIORITY, SESSION
from manga_enrichment.domain.requests.reading.envelope import Envelope, parse_envelope
from manga_enrichment.local.api_client import ApiClient, api_key, api_url
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.provision import deploy_stack
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment_tests.end_to_end.front import AT_ONCE, LIMITS, Front, documented
from manga_enrichment_tests.request_bodies import nearly_valid, valid_body
from manga_enrichment_tests.request_rows import make_row

BATCH, QUERY, CHAT = (ENDPOINTS[name].path for name in ("batch", "query", "chat"))
STATUS = "/v1/manga/status/"
PATHS = {ENDPOINTS[name].schema: ENDPOINTS[name].path for name in ("batch", "query", "chat")}


@pytest.fixture(scope="module")
def front(local_stack: LocalStack) -> Front:
    return Front(local_stack)


@pytest.fixture(scope="module")
def partner(front: Front) -> ApiClient:
    """One whose plan never stands in the way."""
    return front.partner(**LIMITS)[0]


@pytest.fixture(autouse=True)
def empty_queues(front: Front) -> Iterator[None]:
    front.take_all()
    yield
    front.take_all()


@pytest.mark.parametrize("priority", BY_PRIORITY)
def test_a_batch_goes_to_the_queue_of_its_priority_under_the_name_of_its_partner(front: Front, priority: str) -> None:
    acme = ApiClient(front.url, api_key(front.apigateway, "acme-1"))
    answer = acme.call("POST", BATCH, {**valid_body("batch_analysis"), "priority": priority})
    assert answer.status == 202
    [message] = front.take_all()
    envelope = parse_envelope(message.body)
    assert isinstance(envelope, Envelope)
    assert (message.queue, message.group_id) == (BY_PRIORITY[priority].name, "acme")
    assert (envelope.partner_id, envelope.request_id) == ("acme", answer.document["data"]["request_id"])


def test_questions_of_a_conversation_arrive_in_order_in_one_group(front: Front, partner: ApiClient) -> None:
    conversation = str(uuid.uuid4())
    sent = [
        partner.call("POST", QUERY, {"query": f"question {number}", "conversation_id": spelled}, AT_ONCE)
        for number, spelled in enumerate((conversation, conversation.upper(), conversation))
    ]
    messages = front.take_all()
    assert {message.queue for message in messages} == {SESSION.name}
    assert len({message.group_id for message in messages}) == 1
    ids = [json.loads(message.body)["request_id"] for message in messages]
    assert ids == [answer.document["data"]["request_id"] for answer in sent]


@pytest.mark.parametrize(
    "body",
    [b"no JSON", b"", b"[]", b'{"items": []}', b'{"items": [{}]}', b'"\xff"', b'{"partner_id": "rival"}'],
)
def test_an_invalid_body_is_a_400_with_the_reason_and_nothing_is_queued(
    front: Front, partner: ApiClient, body: bytes
) -> None:
    answer = partner.call("POST", BATCH, body)
    error = answer.document["error"]
    assert (answer.status, error["code"], error["message"]) == (400, "VALIDATION_ERROR", "Invalid request body")
    assert error["details"]
    assert front.take_all() == []


def test_another_content_type_does_not_get_around_the_validator(front: Front, partner: ApiClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        answer = partner.call("POST", BATCH, b"Action=SendMessage", {"Content-Type": kind})
        assert answer.status in (400, 415), kind
    assert front.take_all() == []


@pytest.mark.parametrize("key", ["", "not-a-key-of-anybody-0000", "'; --"])
def test_without_a_valid_key_there_is_nothing_but_a_403(front: Front, key: str) -> None:
    client = ApiClient(front.url, key)
    for endpoint in ENDPOINTS.values():
        body = valid_body(endpoint.schema) if endpoint.schema else None
        answer = client.call(endpoint.method, endpoint.path.replace("{request_id}", str(uuid.uuid4())), body)
        assert (answer.status, answer.document["error"]["code"]) == (403, "FORBIDDEN")
    assert front.take_all() == []


@pytest.mark.parametrize(
    ("limits", "code", "seconds"),
    [
        ({"throttle": {"rateLimit": 0.001, "burstLimit": 2}}, "RATE_LIMITED", 1),
        ({"quota": {"limit": 2, "period": "DAY"}}, "QUOTA_EXCEEDED", 3600),
    ],
)
def test_over_the_plan_is_a_429_that_says_when_to_come_again(
    front: Front, partner: ApiClient, limits: dict[str, Any], code: str, seconds: int
) -> None:
    client, _ = front.partner(**limits)
    answers = [client.call("POST", QUERY, {"query": "a"}, AT_ONCE) for _ in range(3)]
    assert [answer.status for answer in answers] == [202, 202, 429]
    error = answers[-1].document["error"]
    assert (error["code"], error["retry_after_seconds"]) == (code, seconds)
    assert answers[-1].headers["Retry-After"] == str(seconds)
    assert len(front.take_all()) == 2
    # The plan of one is not that of another.
    assert partner.call("POST", QUERY, {"query": "a"}, AT_ONCE).status == 202


@pytest.mark.parametrize(("messages", "status"), [(5, 202), (6, 413), (50, 413)])
def test_a_request_may_have_256_kilobytes_of_utf_8(
    front: Front, partner: ApiClient, messages: int, status: int
) -> None:
    """240 KB, which are 480 KB with everything escaped; 288 KB; 2.4 MB."""
    body = {"messages": [{"role": "user", "content": "漢" * 16_000}] * messages}
    answer = partner.call("POST", CHAT, body, AT_ONCE)
    assert answer.status == status
    documented(CHAT, "POST", answer.status, answer.document)
    assert [json.loads(message.body)["body"] for message in front.take_all()] == ([body] if status == 202 else [])


@pytest.mark.parametrize("text", ["\ufffe", "a\uffff", "\\\\\uffff"])
def test_text_that_no_queue_can_carry_is_a_400(front: Front, partner: ApiClient, text: str) -> None:
    answer = partner.call("POST", QUERY, {"query": text}, AT_ONCE)
    assert (answer.status, answer.document["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert front.take_all() == []


def test_a_path_that_there_is_not_is_a_404(partner: ApiClient) -> None:
    for method, path in (("GET", "/v1/manga/nothing"), ("GET", BATCH), ("DELETE", f"{STATUS}x"), ("POST", "/")):
        answer = partner.call(method, path)
        assert (answer.status, answer.document["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: repr(text)[:24])
def test_hostile_text_anywhere_in_a_request_stays_in_its_place(front: Front, partner: ApiClient, text: str) -> None:
    body = {"query": text, "context": {"previous_manga": [text, json.dumps({"nested": text})]}}
    header = quote(text)
    path = f"{QUERY}?request_id={quote(text)}&{quote(text)}=1"
    answer = partner.call("POST", path, body, {"User-Agent": header, "X-Partner": header, **AT_ONCE})
    assert answer.status == 202
    [message] = front.take_all()
    envelope = parse_envelope(message.body)
    assert isinstance(envelope, Envelope)  # exactly its keys, and each of them sound
    assert envelope.body == body
    seen = partner.call("GET", STATUS + quote(text, safe=""))
    assert (seen.status, seen.document["error"]["code"]) == (404, "NOT_FOUND")


def test_a_partner_sees_its_own_requests_only(front: Front, local_stack: LocalStack) -> None:
    table = local_stack.outputs["RequestStatusTableName"]
    store = DynamoDBRequests(local_stack.client("dynamodb"), SystemClock(), table=table)
    (mine, my_id), (other, _) = front.partner(**LIMITS), front.partner(**LIMITS)
    acme = ApiClient(front.url, api_key(front.apigateway, "acme-1"))
    rows = {owner: make_row(SystemClock(), partner_id=owner) for owner in (my_id, "acme")}
    for row in rows.values():
        store.claim(row, row.updated_at)

    answer = mine.call("GET", STATUS + rows[my_id].request_id)
    assert (answer.status, answer.document["data"]["status"]) == (200, "received")
    assert "handle-1" not in json.dumps(answer.document)
    assert acme.call("GET", STATUS + rows["acme"].request_id).status == 200
    nobody = other.call("GET", STATUS + str(uuid.uuid4()))
    for client, owner in ((other, my_id), (mine, "acme"), (acme, my_id)):
        refused = client.call("GET", STATUS + rows[owner].request_id)
        assert (refused.status, refused.document["error"]) == (404, nobody.document["error"])


def test_a_key_is_replaced_without_its_partner_becoming_another(
    front: Front, local_stack: LocalStack, tmp_path: Path
) -> None:
    """An update in place: the second key is let in, and both are the same partner."""
    cloudformation, template = local_stack.client("cloudformation"), tmp_path / "api.yaml"

    def deploy(*keys: str) -> str:
        template.write_text(template_yaml({"globex": list(keys)}), "utf-8")
        outputs = deploy_stack(cloudformation, "another-api", template, {"AccessLog": "false"})
        return api_url(local_stack.endpoints.emulator_url, outputs)

    url = deploy("globex-1")
    first = api_key(front.apigateway, "globex-1")
    assert ApiClient(url, first).call("POST", QUERY, {"query": "a"}, AT_ONCE).status == 202
    assert deploy("globex-1", "globex-2") == url
    second = api_key(front.apigateway, "globex-2")
    for key in (first, second):
        assert ApiClient(url, key).call("POST", QUERY, {"query": "a"}, AT_ONCE).status == 202
        assert ApiClient(url, key).call("POST", QUERY, {"question": "a"}).status == 400
    assert {json.loads(message.body)["partner_id"] for message in front.take_all()} == {"globex"}
    assert deploy("globex-2") == url
    assert ApiClient(url, first).call("POST", QUERY, {"query": "a"}).status == 403
    assert ApiClient(url, second).call("POST", QUERY, {"query": "a"}, AT_ONCE).status == 202
    assert ApiClient(front.url, second).call("POST", QUERY, {"query": "a"}).status == 403  # a key of another API


@given(drawn=nearly_valid())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_request_gets_an_answer_that_is_not_documented_or_a_5xx(partner: ApiClient, drawn: tuple[str, Any]) -> None:
    schema, body = drawn
    answer = partner.call("POST", PATHS[schema], body, AT_ONCE)
    assert answer.status in (202, 400)
    documented(PATHS[schema], "POST", answer.status, answer.document)


ASKED = {
    "status": "{}",
    "results": "{}",
    "cancel": "{}",
    "list": "?after={}&submitted_at={}&limit=5",
    "usage": "?month={}",
}
"""By endpoint without a body: where a text of a client goes."""


@pytest.mark.parametrize("name", [name for name, each in ENDPOINTS.items() if each.schema is None])
@given(text=st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip("/.")))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_gets_an_answer_that_is_not_documented_or_a_5xx(partner: ApiClient, name: str, text: str) -> None:
    endpoint = ENDPOINTS[name]
    given = quote(text, safe="")
    path = endpoint.path.replace("{request_id}", "") + ASKED[name].format(given, given)
    answer = partner.call(endpoint.method, path)
    assert answer.status in ((404,) if "{request_id}" in endpoint.path else (200, 400))
    documented(endpoint.path, endpoint.method, answer.status, answer.document)
