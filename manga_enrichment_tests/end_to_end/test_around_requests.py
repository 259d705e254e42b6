"""What partners do about their own requests over HTTP: list them, cancel them, look at the bill."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from manga_enrichment.aws.dynamodb.budget import DynamoDBBudget
from manga_enrichment.aws.dynamodb.requests import DynamoDBRequests
from manga_enrichment.domain.requests.claims import Claimed, RequestRow
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY
from manga_enrichment.domain.requests.reading.envelope import AcceptedRequest, Rejection, read_request
from manga_enrichment.domain.requests.schemas import QUOTE
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.usage import Usage, month_of
from manga_enrichment.domain.requests.validation import ANY_TOPIC
from manga_enrichment.gateways.clock import MOST_CLOCK_SKEW
from manga_enrichment.gateways.queue import Message
from manga_enrichment.local.api_client import ApiAnswer, ApiClient
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.engine.money.budget import partner_counter
from manga_enrichment.pipeline.partner.intake_rows import closed_row, wanted_row
from manga_enrichment.pipeline.partner.price import price_of
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment_tests.end_to_end.front import AT_ONCE, LIMITS, Front, documented
from manga_enrichment_tests.end_to_end.test_request_front_waits import Worker, while_waiting
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.request_bodies import valid_body
from manga_enrichment_tests.request_rows import make_row

REQUESTS, BY_ID, USAGE = "/v1/manga/requests", "/v1/manga/requests/{request_id}", "/v1/manga/usage"
QUOTES = "/v1/manga/quote"
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def front(local_stack: LocalStack) -> Front:
    return Front(local_stack)


@pytest.fixture
def rows(local_stack: LocalStack) -> DynamoDBRequests:
    table = local_stack.outputs["RequestStatusTableName"]
    return DynamoDBRequests(local_stack.client("dynamodb"), CLOCK, table=table)


@pytest.fixture
def budget(local_stack: LocalStack) -> DynamoDBBudget:
    return DynamoDBBudget(local_stack.client("dynamodb"), table=local_stack.outputs["BudgetTableName"])


def submitted(partner: ApiClient) -> str:
    answer = partner.call("POST", "/v1/manga/batch", valid_body("batch_analysis"), AT_ONCE)
    assert answer.status == 202, answer
    return str(answer.document["data"]["request_id"])


def listed(partner: ApiClient, path: str = REQUESTS) -> ApiAnswer:
    answer = partner.call("GET", path)
    documented(REQUESTS, "GET", answer.status, answer.document)
    return answer


def cancelled(partner: ApiClient, request_id: str) -> ApiAnswer:
    answer = partner.call("DELETE", f"{REQUESTS}/{request_id}")
    documented(BY_ID, "DELETE", answer.status, answer.document)
    return answer


def used(partner: ApiClient, query: str = "") -> ApiAnswer:
    answer = partner.call("GET", USAGE + query)
    documented(USAGE, "GET", answer.status, answer.document)
    return answer


def worked_at(
    rows: DynamoDBRequests, request_id: str, partner_id: str, state: RequestState, **fields: Any
) -> RequestRow:
    decision = rows.claim(make_row(CLOCK, request_id=request_id, partner_id=partner_id), CLOCK.now())
    assert isinstance(decision, Claimed)
    rows.update(request_id, decision.row.owner, decision.row.generation, RequestState.PROCESSING)
    return rows.update(request_id, decision.row.owner, decision.row.generation, state, **fields)


def test_a_partner_pages_through_its_requests_newest_first_and_sees_no_others(
    front: Front, rows: DynamoDBRequests
) -> None:
    (partner, partner_id), (other, _) = front.partner(**LIMITS), front.partner(**LIMITS)
    assert listed(partner).document["data"] == {"requests": [], "next_path": None}
    sent = [submitted(partner) for _ in range(5)]
    theirs = submitted(other)
    worked_at(rows, sent[0], partner_id, RequestState.COMPLETED, counts={"items": 2, "succeeded": 2}, cost_micro_usd=5)
    found, path, pages = [], f"{REQUESTS}?limit=2", 0
    while path:
        data = listed(partner, path).document["data"]
        found += data["requests"]
        path, pages = data["next_path"], pages + 1
        assert len(data["requests"]) <= 2
    assert pages == 3
    assert sorted(each["request_id"] for each in found) == sorted(sent)
    times = [each["submitted_at"] for each in found]
    assert times == sorted(times, reverse=True)
    ended = next(each for each in found if each["request_id"] == sent[0])
    assert (ended["status"], ended["counts"], ended["cost_usd"]) == ("completed", {"items": 2, "succeeded": 2}, 5e-06)
    assert partner.call("GET", ended["status_path"]).status == 200
    assert [each["request_id"] for each in listed(other).document["data"]["requests"]] == [theirs]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "1e3", "%22", "2%3B"])
def test_a_page_of_another_size_is_refused_with_a_sentence(front: Front, limit: str) -> None:
    answer = listed(front.partner(**LIMITS)[0], f"{REQUESTS}?limit={limit}")
    assert (answer.status, answer.document["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert "limit is a number from 1 to 100" in answer.document["error"]["message"]


def test_where_a_list_goes_on_says_nothing_about_whose_it_is(front: Front) -> None:
    (partner, _), (other, _) = front.partner(**LIMITS), front.partner(**LIMITS)
    for _ in range(2):
        submitted(partner)
    next_path = listed(partner, f"{REQUESTS}?limit=1").document["data"]["next_path"]
    assert listed(other, next_path).document["data"]["requests"] == []


def test_an_open_request_is_cancelled_once_and_its_status_says_so(front: Front, rows: DynamoDBRequests) -> None:
    partner, partner_id = front.partner(**LIMITS)
    request_id = submitted(partner)
    for _ in range(2):
        answer = cancelled(partner, request_id)
        assert answer.status == 202
        assert answer.document["data"]["status"] == "accepted"
    status = partner.call("GET", answer.document["data"]["status_path"]).document["data"]
    assert (status["status"], status["cancel_requested"]) == ("accepted", True)
    assert rows.cancelled([request_id]) == {request_id}
    assert listed(partner).document["data"]["requests"][0]["cancel_requested"] is True
    worked_at(rows, request_id, partner_id, RequestState.CANCELLED)
    answer = cancelled(partner, request_id)
    assert (answer.status, answer.document["data"]["status"]) == (202, "cancelled")


def test_an_ended_request_cannot_be_cancelled(front: Front, rows: DynamoDBRequests) -> None:
    partner, partner_id = front.partner(**LIMITS)
    request_id = submitted(partner)
    row = worked_at(rows, request_id, partner_id, RequestState.COMPLETED)
    answer = cancelled(partner, request_id)
    assert (answer.status, answer.document["error"]["code"]) == (409, "ALREADY_ENDED")
    assert "completed" in answer.document["error"]["message"]
    assert rows.get(request_id) == row


@pytest.mark.parametrize(
    "request_id", ["9f1c1f6e-6f0c-4d0e-9a54-3f1f6f3f7a11", "not-a-uuid", "key:abc", "%22%7D", "pace:manga-fm-normal"]
)
def test_what_is_no_request_of_ones_own_is_the_same_404(front: Front, request_id: str) -> None:
    answer = cancelled(front.partner(**LIMITS)[0], request_id)
    assert (answer.status, answer.document["error"]["code"]) == (404, "NOT_FOUND")


def test_nobody_cancels_the_request_of_another(front: Front, rows: DynamoDBRequests) -> None:
    (partner, _), (other, _) = front.partner(**LIMITS), front.partner(**LIMITS)
    request_id = submitted(partner)
    answer = cancelled(other, request_id)
    assert (answer.status, answer.document["error"]["code"]) == (404, "NOT_FOUND")
    assert rows.cancelled([request_id]) == set()


def test_a_month_is_told_as_its_counters_have_it(front: Front, rows: DynamoDBRequests, budget: DynamoDBBudget) -> None:
    partner, partner_id = front.partner(**LIMITS)
    other, _ = front.partner(**LIMITS)
    nothing = {"requests": 0, "items": 0, "tokens": {"input": 0, "output": 0}, "days": [], "cost_usd": 0}
    assert used(partner).document["data"] == nothing
    now = CLOCK.now()
    for number in range(2):
        counts = {"items": 3, "succeeded": 3}
        row = worked_at(
            rows,
            submitted(partner),
            partner_id,
            RequestState.COMPLETED,
            counts=counts,
            input_tokens=1000 + number,
            output_tokens=7,
            completed_at=now,
        )
        rows.note_usage([row])
    assert rows.usage(partner_id, month_of(row)) == Usage(2, 6, 2001, 14)
    first = now.replace(day=1)
    days = [first + timedelta(days=each) for each in (0, 4)]
    for day, micro_usd in zip(days, (1_234_567, 1), strict=True):
        counter = partner_counter(partner_id, day.date().isoformat())
        budget.book_once(str(uuid.uuid4()), [counter], micro_usd, now)
    data = used(partner).document["data"]
    assert (data["requests"], data["items"], data["tokens"]) == (2, 6, {"input": 2001, "output": 14})
    assert {each["day"]: each["cost_usd"] for each in data["days"]} == {
        days[0].date().isoformat(): 1.234567,
        days[1].date().isoformat(): 1e-06,
    }
    assert data["cost_usd"] == 1.234568
    assert used(partner, f"?month={now:%Y-%m}").document["data"] == data
    assert used(partner, "?month=2021-01").document["data"] == nothing
    assert used(other).document["data"] == nothing


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "november", "%22", "2026-01-01", ":x"])
def test_what_is_no_month_is_refused_with_a_sentence(front: Front, month: str) -> None:
    answer = used(front.partner(**LIMITS)[0], f"?month={month}")
    assert (answer.status, answer.document["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert "month is written YYYY-MM" in answer.document["error"]["message"]


def ended_by_worker(stack: LocalStack, front: Front) -> dict[str, Any]:
    """The next message judged and priced as the request lane does it, with a catalog in memory; the quote, if any."""
    worker, world = Worker(stack, front), PartnerWorld()
    message = worker.take()
    assert message.queue == HIGH_PRIORITY.name
    read, now = read_request(message.body, ANY_TOPIC), CLOCK.now()
    row = closed_row(message, read, "w", now) if isinstance(read, Rejection) else wanted(message, read)
    decision = worker.store.claim(row, now)
    assert isinstance(decision, Claimed)
    if isinstance(read, Rejection):
        return {}
    assert read.envelope.schema == QUOTE
    quote = price_of(world.planning(), read.body, read.envelope.partner_id, now)
    key = f"fm-results/{read.envelope.partner_id}/{read.envelope.request_id}.json"
    document = json.dumps({"items": [], "warnings": [], "quote": quote}).encode()
    stack.client("s3").put_object(Bucket=stack.outputs["ResultsBucketName"], Key=key, Body=document)
    worker.store.update(row.request_id, "w", 1, RequestState.PROCESSING)
    worker.store.update(row.request_id, "w", 1, RequestState.COMPLETED, result_key=key, completed_at=now)
    return quote


def wanted(message: Message, read: AcceptedRequest) -> RequestRow:
    return wanted_row(message, read, "w", CLOCK.now(), CLOCK.now(), MOST_CLOCK_SKEW)


def test_a_quote_is_answered_by_the_one_call_that_asked_for_it(front: Front, local_stack: LocalStack) -> None:
    front.take_all()
    partner, _ = front.partner(**LIMITS)
    ids = ("MNG-00000001", "MNG-00000002", "MNG-00000001", "MNG-ZZZZZZZZ")
    body = {"items": [{"manga_id": each, "analysis_type": "reading_level"} for each in ids], "priority": "low"}
    answer, quote = while_waiting(
        lambda: partner.call("POST", QUOTES, body), lambda: ended_by_worker(local_stack, front)
    )
    documented(QUOTES, "POST", answer.status, answer.document)
    assert answer.status == 200
    told = answer.document["data"]["quote"]
    assert told == quote
    assert told["counts"] == {"items": 4, "no_answer": 1, "to_ask": 3}
    assert 0 < told["cost_usd"] < told["at_most_usd"]
    assert answer.document["data"]["usage"]["cost_usd"] == 0


def test_a_quote_is_listed_as_one_and_is_no_use_of_anything(front: Front, local_stack: LocalStack) -> None:
    front.take_all()
    partner, _ = front.partner(**LIMITS)
    body = {"items": [{"manga_id": "MNG-00000001", "analysis_type": "content_moderation"}]}
    answer, _ = while_waiting(lambda: partner.call("POST", QUOTES, body), lambda: ended_by_worker(local_stack, front))
    [found] = listed(partner).document["data"]["requests"]
    assert (found["request_id"], found["schema"]) == (answer.document["data"]["request_id"], QUOTE)
    status = partner.call("GET", found["status_path"]).document["data"]
    assert (status["schema"], status["cost_usd"]) == (QUOTE, 0)
    data = used(partner).document["data"]
    assert (data["requests"], data["items"], data["cost_usd"]) == (0, 0, 0)


def test_a_batch_that_cannot_be_priced_is_told_all_its_faults_with_their_places(
    front: Front, local_stack: LocalStack
) -> None:
    front.take_all()
    partner, _ = front.partner(**LIMITS)
    items = [{"manga_id": "none", "analysis_type": "no_such"}, {"manga_id": "MNG-00000001"}]
    body = {"items": items, "priority": "soon", "colour": 1}
    answer, _ = while_waiting(lambda: partner.call("POST", QUOTES, body), lambda: ended_by_worker(local_stack, front))
    documented(QUOTES, "POST", answer.status, answer.document)
    assert answer.status == 400
    places = {each["path"] for each in answer.document["error"]["problems"]}
    assert {"items.0.manga_id", "items.0.analysis_type", "items.1", "priority"} <= places


@pytest.mark.parametrize("body", [b"[]", b"7", b"no json", b""])
def test_what_is_no_object_is_no_batch(front: Front, body: bytes) -> None:
    answer = front.partner(**LIMITS)[0].call("POST", QUOTES, body)
    assert (answer.status, answer.document["error"]["code"]) == (400, "VALIDATION_ERROR")
