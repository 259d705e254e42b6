"""One call, one answer: what a POST answers while a worker works, and that a repeated POST is the same request."""

import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from manga_enrichment.api.endpoints import ENDPOINTS
from manga_enrichment.api.workflow.answers import FIRST_GUESS_SECONDS
from manga_enrichment.api.workflow.machine import MAX_INPUT_BYTES, definition
from manga_enrichment.aws.dynamodb.pace import DynamoDBPace
from manga_enrichment.aws.dynamodb.requests import DynamoDBRequests
from manga_enrichment.domain.requests.claims import AlreadyLive, Claimed, RequestRow
from manga_enrichment.domain.requests.queues import BY_PRIORITY, LOW_PRIORITY, QUEUES
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.gateways.queue import Message
from manga_enrichment.local.api_client import ApiClient
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment_tests.end_to_end.front import AT_ONCE, LIMITS, Front, documented
from manga_enrichment_tests.request_bodies import valid_body
from manga_enrichment_tests.request_rows import make_row

BATCH, QUERY, CHAT = (ENDPOINTS[name].path for name in ("batch", "query", "chat"))
STATUS = "/v1/manga/status/"
PROBLEMS = [
    {"path": f"items.{n}.manga_id", "code": "SCHEMA_VIOLATION", "validator": "pattern", "message": "is 'none'"}
    for n in range(2)
]
PLAIN = {
    BATCH: {"items": [{"manga_id": f"MNG-0000000{n}", "analysis_type": "reading_level"} for n in range(3)]},
    QUERY: {"query": "a"},
}
T = TypeVar("T")
REPLY = 'One about a lighthouse: 灯台 "と" \\ 猫\n🐉'


class Worker:
    """What the request lane does to a request, without asking a model."""

    def __init__(self, stack: LocalStack, front: Front) -> None:
        table = stack.outputs["RequestStatusTableName"]
        self.store = DynamoDBRequests(stack.client("dynamodb"), SystemClock(), table=table)
        self._s3, self._bucket = stack.client("s3"), stack.outputs["ResultsBucketName"]
        self._front = front

    def take(self) -> Message:
        """The next message, wherever it comes, removed from its queue."""
        for queue in itertools.islice(itertools.cycle(QUEUES), 1000):
            for message in self._front.queues.receive(queue, max_messages=1, wait_seconds=0):
                self._front.queues.delete(queue, [message.receipt_handle])
                return message
        raise AssertionError("no message came")

    def end(self, state: RequestState, **fields: Any) -> RequestRow:
        """Take the next message and bring its request to this end."""
        message = self.take()
        envelope = json.loads(message.body)
        wanted = make_row(SystemClock(), request_id=envelope["request_id"], partner_id=envelope["partner_id"])
        if state is RequestState.REJECTED:
            wanted = replace(wanted, state=state, **fields)
        claimed = self.store.claim(replace(wanted, schema=envelope["schema"], queue=message.queue), SystemClock().now())
        assert isinstance(claimed, Claimed)
        row = claimed.row
        if state is RequestState.REJECTED:
            return row
        self.store.update(row.request_id, row.owner, row.generation, RequestState.PROCESSING)
        return self.store.update(row.request_id, row.owner, row.generation, state, **fields)

    def answer(self) -> RequestRow:
        """As `settle.py`: the result document before the status."""
        key = f"fm-results/{uuid.uuid4()}.json"
        item = {"answer": {"reply": REPLY}, "model_id": "the-model"}
        document = json.dumps({"items": [item], "warnings": []}).encode()
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=document)
        counts = {"items": 1, "succeeded": 1}
        return self.end(
            RequestState.COMPLETED,
            result_key=key,
            counts=counts,
            cost_micro_usd=1250,
            input_tokens=40,
            output_tokens=9,
        )


@pytest.fixture(scope="module")
def front(local_stack: LocalStack) -> Front:
    return Front(local_stack)


@pytest.fixture(scope="module")
def worker(local_stack: LocalStack, front: Front) -> Worker:
    return Worker(local_stack, front)


@pytest.fixture
def partner(front: Front) -> ApiClient:
    return front.partner(**LIMITS)[0]


@pytest.fixture(autouse=True)
def empty_queues(front: Front) -> Iterator[None]:
    front.take_all()
    yield
    front.take_all()


def while_waiting(call: Callable[[], T], work: Callable[[], Any]) -> tuple[T, Any]:
    """What the call answers, and what the work meanwhile gave."""
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(call)
        done = work()
        return waiting.result(), done


@pytest.mark.parametrize(("path", "schema"), [(QUERY, "manga_query"), (CHAT, "streaming_chat")])
def test_a_question_is_answered_by_the_one_call_that_asked_it(
    partner: ApiClient, worker: Worker, path: str, schema: str
) -> None:
    answer, row = while_waiting(lambda: partner.call("POST", path, valid_body(schema)), worker.answer)
    documented(path, "POST", answer.status, answer.document)
    data = answer.document["data"]
    assert answer.status == 200
    assert (data["request_id"], data["status"], data["result"]) == (row.request_id, "completed", row.result_key)
    assert (data["response"], data["model"]) == (REPLY, "the-model")
    assert data["usage"] == {"input_tokens": 40, "output_tokens": 9, "cost_usd": 0.00125}
    assert data["counts"] == {"items": 1, "succeeded": 1}
    assert 0 < answer.document["metadata"]["latency_ms"] < 60_000


def test_a_batch_is_waited_for_when_asked_and_its_answers_are_in_the_result(partner: ApiClient, worker: Worker) -> None:
    body = valid_body("batch_analysis")
    answer, row = while_waiting(lambda: partner.call("POST", BATCH, body, {"Prefer": "wait=20"}), worker.answer)
    documented(BATCH, "POST", answer.status, answer.document)
    data = answer.document["data"]
    assert (answer.status, answer.headers["Preference-Applied"]) == (200, "wait=20")
    assert (data["result"], data["response"], data["model"]) == (row.result_key, None, None)
    assert data["counts"] == {"items": 1, "succeeded": 1}


def test_what_only_the_worker_can_know_is_wrong_comes_with_every_place(partner: ApiClient, worker: Worker) -> None:
    def reject() -> RequestRow:
        reason = "query: holds 'text' that hides (and 1 more)"
        return worker.end(
            RequestState.REJECTED, error_class="invalid_body", reason=reason, problems=json.dumps(PROBLEMS)
        )

    answer, row = while_waiting(lambda: partner.call("POST", QUERY, {"query": "a"}), reject)
    documented(QUERY, "POST", answer.status, answer.document)
    error = answer.document["error"]
    assert (answer.status, error["code"], error["message"]) == (400, "VALIDATION_ERROR", row.reason)
    assert error["problems"] == PROBLEMS
    status = partner.call("GET", STATUS + row.request_id)
    documented(ENDPOINTS["status"].path, "GET", status.status, status.document)
    assert status.document["data"]["problems"] == PROBLEMS


def test_a_call_that_waits_in_vain_for_a_cap_is_told_at_once_when_it_goes_on(
    partner: ApiClient, worker: Worker
) -> None:
    day = "2031-01-02"
    answer, row = while_waiting(
        lambda: partner.call("POST", QUERY, {"query": "a"}, {"Prefer": "wait=25"}),
        lambda: worker.end(RequestState.DEFERRED, error_class="partner_day_cap", reason="capped", resumes_on=day),
    )
    documented(QUERY, "POST", answer.status, answer.document)
    data = answer.document["data"]
    assert (answer.status, data["status"], data["resumes_on"]) == (202, "deferred", day)
    assert data["estimated_completion"] == f"{day}T00:00:00Z"
    status = partner.call("GET", STATUS + row.request_id)
    assert status.document["data"]["resumes_on"] == day


def test_a_call_that_waits_for_what_was_put_off_for_another_reason_goes_on_waiting(
    partner: ApiClient, worker: Worker
) -> None:
    def put_off_and_answer() -> RequestRow:
        waiting = worker.end(RequestState.DEFERRED, error_class="throttled", reason="busy")
        again = make_row(SystemClock(), request_id=waiting.request_id, partner_id=waiting.partner_id)
        claimed = worker.store.claim(replace(again, schema=waiting.schema, queue=waiting.queue), SystemClock().now())
        assert isinstance(claimed, Claimed)
        row = claimed.row
        worker.store.update(row.request_id, row.owner, row.generation, RequestState.PROCESSING)
        return worker.store.update(row.request_id, row.owner, row.generation, RequestState.COMPLETED)

    answer, _ = while_waiting(lambda: partner.call("POST", QUERY, {"query": "a"}), put_off_and_answer)
    documented(QUERY, "POST", answer.status, answer.document)
    assert (answer.status, answer.document["data"]["status"]) == (200, "completed")


def test_the_estimate_follows_what_requests_of_the_queue_took(partner: ApiClient, local_stack: LocalStack) -> None:
    def seconds_told() -> float:
        answer = partner.call("POST", BATCH, {**PLAIN[BATCH], "priority": "low"}).document
        told = datetime.fromisoformat(answer["data"]["estimated_completion"])
        return told.timestamp() - answer["metadata"]["timestamp"] / 1000

    assert seconds_told() == pytest.approx(FIRST_GUESS_SECONDS[LOW_PRIORITY.name], abs=30)
    table = local_stack.outputs["RequestStatusTableName"]
    pace = DynamoDBPace(local_stack.client("dynamodb"), SystemClock(), table=table)
    pace.note(LOW_PRIORITY.name, 120.0)
    assert seconds_told() == pytest.approx(120, abs=30)
    local_stack.client("dynamodb").delete_item(TableName=table, Key={"request_id": {"S": f"pace:{LOW_PRIORITY.name}"}})


def test_a_question_without_an_answer_is_a_502_that_names_the_class(partner: ApiClient, worker: Worker) -> None:
    def fail() -> RequestRow:
        return worker.end(
            RequestState.FAILED, error_class="refusal", reason="role arn:aws:iam may not", result_key="fm-results/none"
        )

    answer, _ = while_waiting(lambda: partner.call("POST", QUERY, {"query": "a"}), fail)
    documented(QUERY, "POST", answer.status, answer.document)
    assert (answer.status, answer.document["error"]["code"]) == (502, "REQUEST_FAILED")
    assert answer.document["error"]["details"] == "refusal"
    assert "arn:aws" not in json.dumps(answer.document)


@pytest.mark.parametrize(("path", "items"), [(BATCH, 3), (QUERY, 1)])
def test_from_the_202_on_the_status_is_accepted(front: Front, partner: ApiClient, path: str, items: int) -> None:
    answer = partner.call("POST", path, PLAIN[path], AT_ONCE)
    documented(path, "POST", answer.status, answer.document)
    data = answer.document["data"]
    assert (answer.status, data["status"], data["item_count"], data["warnings"]) == (202, "accepted", items, [])
    assert data["message"].endswith("submitted for processing")
    status = partner.call("GET", data["status_path"])
    documented(ENDPOINTS["status"].path, "GET", status.status, status.document)
    assert (status.status, status.document["data"]["status"]) == (200, "accepted")
    assert data["status_path"] == STATUS + data["request_id"]
    assert partner.call("GET", STATUS + str(uuid.uuid4())).status == 404
    assert [json.loads(message.body)["request_id"] for message in front.take_all()] == [data["request_id"]]


def test_when_the_time_is_over_the_answer_says_how_far_it_came(partner: ApiClient, worker: Worker) -> None:
    answer, row = while_waiting(
        lambda: partner.call("POST", QUERY, {"query": "a"}, {"Prefer": "wait=2"}),
        lambda: worker.end(RequestState.DEFERRED, error_class="throttled"),
    )
    documented(QUERY, "POST", answer.status, answer.document)
    assert (answer.status, answer.document["data"]["status"]) == (202, "deferred")
    assert answer.document["data"]["request_id"] == row.request_id


def test_what_is_sent_and_has_no_effect_is_said_at_once(partner: ApiClient) -> None:
    body = {**valid_body("batch_analysis"), "notification": {"email": "manga@acme.example"}}
    answer = partner.call("POST", BATCH, body)
    documented(BATCH, "POST", answer.status, answer.document)
    assert [each["path"] for each in answer.document["data"]["warnings"]] == ["notification.email"]
    chat = partner.call("POST", CHAT, {**valid_body("streaming_chat"), "stream": True}, AT_ONCE)
    assert [each["code"] for each in chat.document["data"]["warnings"]] == ["NOT_STREAMED_WARNING"]
    assert (
        partner.call("POST", CHAT, {**valid_body("streaming_chat"), "stream": False}, AT_ONCE).document["data"][
            "warnings"
        ]
        == []
    )


def test_the_same_key_and_body_is_the_same_request_and_another_body_a_409(front: Front, partner: ApiClient) -> None:
    key = {**AT_ONCE, "Idempotency-Key": str(uuid.uuid4())}
    first, again = (partner.call("POST", QUERY, {"query": "灯台" * 4000}, key) for _ in range(2))
    assert first.document["data"]["request_id"] == again.document["data"]["request_id"]
    assert len(front.take_all()) == 1  # the same message within five minutes
    other = partner.call("POST", QUERY, {"query": "灯台" * 3999 + "灯火"}, key)
    documented(QUERY, "POST", other.status, other.document)
    assert (other.status, other.document["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert front.take_all() == []


def test_a_key_is_one_of_its_api_key_and_path(front: Front, partner: ApiClient) -> None:
    key = {**AT_ONCE, "Idempotency-Key": "1"}
    stranger, _ = front.partner(**LIMITS)
    calls = ((partner, QUERY), (partner, CHAT), (stranger, QUERY))
    bodies = {QUERY: valid_body("manga_query"), CHAT: valid_body("streaming_chat")}
    ids = {client.call("POST", path, bodies[path], key).document["data"]["request_id"] for client, path in calls}
    assert len(ids) == 3 == len(front.take_all())


def test_a_repeat_sends_a_message_again_that_was_lost(front: Front, partner: ApiClient, worker: Worker) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answer = partner.call("POST", BATCH, valid_body("batch_analysis"), key)
    assert len(front.take_all()) == 1  # lost
    accepted = worker.store.get(answer.document["data"]["request_id"])
    again, row = while_waiting(
        lambda: partner.call("POST", BATCH, valid_body("batch_analysis"), {**key, "Prefer": "wait=20"}), worker.answer
    )
    assert (again.status, again.document["data"]["request_id"]) == (200, answer.document["data"]["request_id"])
    once_more = partner.call("POST", BATCH, valid_body("batch_analysis"), key)
    assert once_more.document["data"] == again.document["data"]
    assert front.take_all() == []
    assert worker.store.get(row.request_id) == row
    assert accepted is not None
    assert row.submitted_at == accepted.submitted_at, "of the first call, not of its repeat"


def test_a_repeat_does_not_disturb_a_worker(front: Front, partner: ApiClient, worker: Worker) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    partner.call("POST", BATCH, valid_body("batch_analysis"), key)
    envelope = json.loads(worker.take().body)
    wanted = make_row(SystemClock(), request_id=envelope["request_id"], partner_id=envelope["partner_id"])
    assert isinstance(worker.store.claim(wanted, SystemClock().now()), Claimed)
    again = partner.call("POST", BATCH, valid_body("batch_analysis"), key)
    assert (again.status, again.document["data"]["status"]) == (202, "received")
    assert front.take_all() == []
    assert isinstance(worker.store.claim(wanted, SystemClock().now()), AlreadyLive)


def test_after_its_day_a_key_is_new(front: Front, partner: ApiClient, local_stack: LocalStack) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = partner.call("POST", BATCH, valid_body("batch_analysis"), key).document["data"]["request_id"]
    dynamodb, table = local_stack.client("dynamodb"), local_stack.outputs["RequestStatusTableName"]
    scanned = dynamodb.scan(
        TableName=table, FilterExpression="stands_for = :id", ExpressionAttributeValues={":id": {"S": first}}
    )
    (item,) = scanned["Items"]
    now = int(SystemClock().now().timestamp())
    assert 0 <= now + 86_400 - int(item["expires_at"]["N"]) < 60
    dynamodb.put_item(TableName=table, Item={**item, "expires_at": {"N": str(now - 1)}})
    second = partner.call("POST", BATCH, valid_body("batch_analysis"), key).document["data"]["request_id"]
    assert second != first
    assert len(front.take_all()) == 2


def test_two_at_once_with_one_key_are_one_request(front: Front, partner: ApiClient) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(partner.call, "POST", BATCH, valid_body("batch_analysis"), key) for _ in range(4)]
    assert {call.result().status for call in calls} == {202}
    ids = {call.result().document["data"]["request_id"] for call in calls}
    assert len(ids) == 1
    assert {json.loads(message.body)["request_id"] for message in front.take_all()} == ids


@pytest.mark.parametrize("key", ["with space", "k" * 256, "鍵".encode().decode("latin-1")])
def test_a_key_that_is_none_is_refused(front: Front, partner: ApiClient, key: str) -> None:
    answer = partner.call("POST", QUERY, {"query": "a"}, {"Idempotency-Key": key})
    documented(QUERY, "POST", answer.status, answer.document)
    assert (answer.status, answer.document["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert front.take_all() == []


class Machines:
    """State machines of the tests, and StartSyncExecution by boto3."""

    def __init__(self, stack: LocalStack) -> None:
        # boto3 would put sync- before the host.
        self._client: Any = boto3.client(
            "stepfunctions",
            endpoint_url=stack.endpoints.emulator_url,
            region_name="ap-northeast-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
        )

    def make(self, document: str, kind: str = "EXPRESS") -> str:
        role = "arn:aws:iam::123456789012:role/none"
        made = self._client.create_state_machine(name=str(uuid.uuid4()), definition=document, roleArn=role, type=kind)
        return str(made["stateMachineArn"])

    def run(self, machine: str, given: str) -> dict[str, Any]:
        return dict(self._client.start_sync_execution(stateMachineArn=machine, input=given))


def test_a_message_that_cannot_be_sent_is_a_503_and_leaves_no_request_behind(
    local_stack: LocalStack, worker: Worker
) -> None:
    substitutions = {
        "StatusTableName": local_stack.outputs["RequestStatusTableName"],
        "ResultsBucketName": local_stack.outputs["ResultsBucketName"],
        "QueuesUrl": "https://sqs.ap-northeast-1.amazonaws.com/123456789012/no-such-",
    }
    text = json.dumps(definition())
    for name, value in substitutions.items():
        text = text.replace(f"${{{name}}}", value)
    machines = Machines(local_stack)
    message = {"schema": "batch_analysis", "submitted_at": 1795866940274, "body": valid_body("batch_analysis")}
    given = {
        "queue": BY_PRIORITY["high"].name,
        "group": "acme",
        "partner_id": "acme",
        "api_key": "k",
        "idempotency_key": str(uuid.uuid4()),
        "prefer": "",
        "message": message,
    }
    ran = machines.run(machines.make(text), json.dumps(given))
    output = json.loads(ran["output"])
    document = json.loads(output["body"])
    assert (ran["status"], output["status"], output["retry_after"]) == ("SUCCEEDED", 503, "5")
    assert document["error"]["code"] == "UNAVAILABLE"
    assert worker.store.get(document["metadata"]["request_id"]) is None


@pytest.mark.parametrize(
    ("kind", "given", "error"),
    [
        ("EXPRESS", json.dumps("x" * (MAX_INPUT_BYTES - 2)), None),
        ("EXPRESS", json.dumps("x" * (MAX_INPUT_BYTES - 1)), "ValidationException"),
        ("EXPRESS", json.dumps("漢" * 87_381, ensure_ascii=False), "ValidationException"),
        ("EXPRESS", "no JSON", "InvalidExecutionInput"),
        ("STANDARD", "{}", "StateMachineTypeNotSupported"),
    ],
    ids=["whole", "long", "long in UTF-8", "no JSON", "standard"],
)
def test_the_local_stack_refuses_to_run_what_aws_refuses(
    local_stack: LocalStack, kind: str, given: str, error: str | None
) -> None:
    machines = Machines(local_stack)
    machine = machines.make(json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}), kind)
    if error is None:
        assert machines.run(machine, given)["status"] == "SUCCEEDED"
        return
    with pytest.raises(ClientError) as refused:
        machines.run(machine, given)
    assert refused.value.response["Error"]["Code"] == error
