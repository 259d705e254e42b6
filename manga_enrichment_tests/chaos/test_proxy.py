"""The fault proxies do to real SDK clients what their names say, and nothing when they are at rest."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from manga_enrichment.local.stack.endpoints import REGION
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.chaos.faults import Fault, Service, Stroke, error_answer, is_document
from manga_enrichment_tests.chaos.moments import Moment, MomentName
from manga_enrichment_tests.chaos.proxies import FaultProxies

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=1, connect_timeout=1)
LONG = 60.0
ITEM = {"counter": {"S": "chaos"}}
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
SDK_NAMES = {
    Service.DYNAMODB: "dynamodb",
    Service.S3: "s3",
    Service.SQS: "sqs",
    Service.BEDROCK: "bedrock-runtime",
}


Ask = Callable[[Service], Any]


@pytest.fixture(scope="module")
def shared_proxies(local_stack: LocalStack) -> Iterator[FaultProxies]:
    with FaultProxies(local_stack.endpoints) as proxies:
        yield proxies


@pytest.fixture(scope="module")
def clients(local_stack: LocalStack, shared_proxies: FaultProxies) -> dict[Service, Any]:
    """Of the SDK, each through its service's proxy, with a single try."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in (local_stack.environment() | shared_proxies.environment()).items():
            environment.setenv(name, value)
        session: Any = boto3.Session()
        return {service: session.client(name, config=ONCE) for service, name in SDK_NAMES.items()}


@pytest.fixture
def proxies(shared_proxies: FaultProxies, model_server: ModelServerControl) -> Iterator[FaultProxies]:
    """At rest before and after, as the model server is."""
    model_server.reset()
    yield shared_proxies
    shared_proxies.end()
    model_server.reset()


@pytest.fixture
def ask(proxies: FaultProxies, clients: dict[Service, Any], local_stack: LocalStack) -> Ask:
    """One request of each service."""
    bucket, table = local_stack.endpoints.bucket, local_stack.outputs["BudgetTableName"]
    messages = [{"role": "user", "content": [{"text": "Is anybody there?"}]}]
    requests: dict[Service, Callable[[], Any]] = {
        Service.DYNAMODB: lambda: clients[Service.DYNAMODB].put_item(TableName=table, Item=ITEM),
        Service.S3: lambda: clients[Service.S3].put_object(Bucket=bucket, Key="chaos", Body=b"x" * 1_000),
        Service.SQS: lambda: clients[Service.SQS].get_queue_url(QueueName="manga-fm-normal"),
        Service.BEDROCK: lambda: clients[Service.BEDROCK].converse(modelId=MODEL, messages=messages),
    }
    return lambda service: requests[service]()


@pytest.fixture
def struck(proxies: FaultProxies) -> Callable[[], Counter[Fault]]:
    """What was hit since the test began."""
    before = proxies.struck()
    return lambda: proxies.struck() - before


@pytest.mark.parametrize("service", Service)
def test_at_rest_everything_passes_and_is_recognised(
    service: Service, proxies: FaultProxies, ask: Ask, struck: Callable[[], Counter[Fault]]
) -> None:
    before = len(proxies.seen())
    assert ask(service)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert {seen.service for seen in proxies.seen()[before:]} == {service}
    assert not struck()


@pytest.mark.parametrize(
    ("service", "fault"), [(service, fault) for service in Service for fault in Fault if is_document(service, fault)]
)
def test_an_error_document_is_what_the_sdk_takes_for_that_error(
    service: Service, fault: Fault, proxies: FaultProxies, ask: Ask
) -> None:
    proxies.begin(service, Stroke(fault, LONG))
    with pytest.raises(ClientError) as caught:
        ask(service)
    code = caught.value.response["Error"]["Code"]
    answer = error_answer(service, fault)
    assert code in answer.body.decode() or code == answer.headers["x-amzn-ErrorType"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == answer.status
    assert caught.value.response["Error"]["Message"]
    proxies.end()
    assert ask(service)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("service", Service)
def test_a_service_that_refuses_cuts_its_connections_and_takes_none_until_it_is_back(
    service: Service, proxies: FaultProxies, ask: Ask, struck: Callable[[], Counter[Fault]]
) -> None:
    ask(service)
    proxies.begin(service, Stroke(Fault.REFUSED, LONG))
    for _ in range(2):
        with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
            ask(service)
    others = [other for other in Service if other is not service]
    for other in others:
        assert ask(other)["ResponseMetadata"]["HTTPStatusCode"] == 200
    proxies.end()
    assert ask(service)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert struck() == {Fault.REFUSED: 2}  # that it began, and the connection that it cut


def test_a_black_hole_takes_the_request_and_says_nothing(
    proxies: FaultProxies, ask: Ask, model_server: ModelServerControl
) -> None:
    proxies.begin(Service.BEDROCK, Stroke(Fault.BLACK_HOLE, LONG))
    with pytest.raises(ReadTimeoutError):
        ask(Service.BEDROCK)
    assert model_server.counters()["requests"] == 0


def test_latency_is_added_to_an_answer(proxies: FaultProxies, ask: Ask) -> None:
    proxies.begin(Service.S3, Stroke(Fault.LATENCY, LONG, latency_seconds=0.3))
    started = time.monotonic()
    ask(Service.S3)
    assert time.monotonic() - started >= 0.3


def test_after_a_reset_the_service_has_done_what_was_asked(
    proxies: FaultProxies, ask: Ask, model_server: ModelServerControl, local_stack: LocalStack
) -> None:
    for service in Service:
        proxies.begin(service, Stroke(Fault.RESET_AFTER, LONG))
        with pytest.raises(ConnectionClosedError):
            ask(service)
    assert model_server.counters()["billed"] == 1
    s3 = local_stack.client("s3")
    assert s3.head_object(Bucket=local_stack.endpoints.bucket, Key="chaos")["ContentLength"] == 1_000


def test_a_reset_midway_leaves_the_client_with_half_an_answer(
    proxies: FaultProxies, clients: dict[Service, Any], local_stack: LocalStack
) -> None:
    bucket, client = local_stack.endpoints.bucket, clients[Service.S3]
    client.put_object(Bucket=bucket, Key="half", Body=b"x" * 1_000)
    proxies.begin(Service.S3, Stroke(Fault.RESET_MIDWAY, LONG))
    answer = client.get_object(Bucket=bucket, Key="half")
    assert answer["ContentLength"] == 1_000
    with pytest.raises((ResponseStreamingError, IncompleteReadError, HTTPClientError)):
        answer["Body"].read()


def test_an_answer_with_forged_usage_is_the_answer_but_for_its_usage(
    proxies: FaultProxies, ask: Ask, model_server: ModelServerControl, struck: Callable[[], Counter[Fault]]
) -> None:
    true = ask(Service.BEDROCK)
    proxies.begin(Service.BEDROCK, Stroke(Fault.FORGED_USAGE, LONG))
    forged = ask(Service.BEDROCK)
    assert forged["output"] == true["output"]
    told = {name: count for name, count in forged["usage"].items() if count != true["usage"][name]}
    assert told in ({"outputTokens": 2**64 - 1}, {"inputTokens": 2**63 - 1})
    assert struck() == {Fault.FORGED_USAGE: 1}
    assert model_server.counters()["output_tokens"] == 2 * true["usage"]["outputTokens"]


def test_something_else_can_be_done_when_a_moment_comes(proxies: FaultProxies, ask: Ask) -> None:
    done = threading.Event()
    proxies.when(Moment(MomentName.WRITE, Service.S3, "PUT", where="/chaos", count=2), done.set)
    ask(Service.S3)
    assert not done.is_set()
    ask(Service.S3)
    assert done.wait(10)


def test_the_share_of_requests_is_struck_that_the_seed_draws(proxies: FaultProxies, ask: Ask) -> None:
    def fates(seed: int) -> list[bool]:
        proxies.begin(Service.SQS, Stroke(Fault.SERVER_ERROR, LONG, share=0.5, seed=seed))
        return [_succeeds(ask) for _ in range(20)]

    first, again, other = fates(1), fates(1), fates(2)
    assert first == again != other
    assert set(first) == {True, False}


def _succeeds(ask: Ask) -> bool:
    try:
        ask(Service.SQS)
    except ClientError:
        return False
    return True


def test_several_strokes_share_the_requests_and_each_meets_one_at_most(
    proxies: FaultProxies, ask: Ask, struck: Callable[[], Counter[Fault]]
) -> None:
    kinds = (Fault.THROTTLED, Fault.SERVER_ERROR)
    proxies.begin(Service.SQS, *(Stroke(fault, LONG, share=0.4, seed=2) for fault in kinds))
    passed = sum(_succeeds(ask) for _ in range(40))
    assert set(struck()) == set(kinds)
    assert 0 < passed == 40 - struck().total() < 20


@pytest.mark.parametrize("shorten", [True, False])
def test_how_long_a_queue_holds_a_message_back_is_passed_on_as_the_test_wants_it(
    shorten: bool, local_stack: LocalStack
) -> None:
    with FaultProxies(local_stack.endpoints, shorten_delays=shorten) as proxies:
        direct = local_stack.client("sqs")
        sqs = boto3.Session().client(
            "sqs",
            endpoint_url=proxies.environment()["AWS_ENDPOINT_URL_SQS"],
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        url = direct.create_queue(QueueName=f"chaos-delays-{shorten}")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=60)
        found = direct.receive_message(QueueUrl=url, WaitTimeSeconds=3).get("Messages", [])
        direct.delete_queue(QueueUrl=url)
    assert len(found) == shorten


def test_a_stroke_is_over_by_itself(proxies: FaultProxies, ask: Ask) -> None:
    proxies.begin(Service.SQS, Stroke(Fault.REFUSED, 0.2))
    with pytest.raises(EndpointConnectionError):
        ask(Service.SQS)
    deadline = time.monotonic() + 10
    while proxies.is_struck():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ask(Service.SQS)


def test_an_armed_stroke_waits_for_its_moment(proxies: FaultProxies, ask: Ask) -> None:
    second_write = Moment(MomentName.WRITE, Service.S3, "PUT", where="/chaos", count=2)
    proxies.arm(second_write, Service.S3, Stroke(Fault.DENIED, LONG))
    ask(Service.S3)
    ask(Service.SQS)
    with pytest.raises(ClientError, match="AccessDenied"):
        ask(Service.S3)


def test_the_port_stays_ours_while_nobody_listens(proxies: FaultProxies) -> None:
    proxies.begin(Service.S3, Stroke(Fault.REFUSED, LONG))
    port = int(proxies.environment()["AWS_ENDPOINT_URL_S3"].rpartition(":")[2])
    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind(("127.0.0.1", port))


def test_a_share_of_refused_connections_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="share must be 1"):
        Stroke(Fault.REFUSED, 1, share=0.5)
