"""Ways to ask for titles until a window is over: the engine, an HTTP client alone or signing, boto3 in threads."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import boto3
import orjson
from botocore.config import Config

from benchmarks.support import MODEL, RETENTION, BoundlessBudget, ForgetfulLedger, calls, engine
from benchmarks.window import Window
from manga_enrichment.aws.bedrock.calls import SIGNING_NAME, BedrockModel
from manga_enrichment.aws.bedrock.converse import parse_reply, request_body
from manga_enrichment.aws.bedrock.signing import JsonPostSigner
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.budget import DynamoDBBudget
from manga_enrichment.aws.dynamodb.ledger import DynamoDBLedger
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.model import ModelCall
from manga_enrichment.pipeline.engine.calls import Call, CallResult
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.runtime.clock import SystemClock

NEVER_LIMITING = 60_000_000  # requests/min: the limiter works, but nothing waits for it
MADE_BEFOREHAND = 2_000


def until_over(window: Window, name: str) -> Iterator[Call]:
    """Calls made one by one, as a run makes them from the catalog, until the window is over."""
    for call in calls(name):
        if window.is_over:
            return
        yield call


def ask_with_engine(concurrency: int, window: Window, name: str, *, in_memory: bool) -> None:
    SystemClock().run(_run_engine(concurrency, window, name, in_memory=in_memory))


async def _run_engine(concurrency: int, window: Window, name: str, *, in_memory: bool) -> None:
    clients, clock = AwsClients(), SystemClock()
    clients.dynamodb.meta.events.register("before-send.dynamodb", window.note_request)
    budget_table = "manga-fm-budget"
    model = BedrockModel(clients, concurrency=concurrency, call_timeout_seconds=60)
    ledger = DynamoDBLedger(
        clients.dynamodb, clock, ledger_table="manga-fm-results", budget_table=budget_table, retention=RETENTION
    )
    run = engine(
        model,
        ForgetfulLedger() if in_memory else ledger,
        BoundlessBudget() if in_memory else DynamoDBBudget(clients.dynamodb, table=budget_table),
        RateLimiter(clock, requests_per_minute=NEVER_LIMITING),
        concurrency,
        name,
    )

    def deliver(result: CallResult) -> None:
        latency_ms = result.attempts[-1].latency_ms if result.attempts else 0
        window.count(answered=result.outcome is Outcome.SUCCEEDED, latency_ms=latency_ms)

    try:
        await run.run(until_over(window, name), deliver)
    finally:
        await model.close()


Headers = Callable[[bytes], dict[str, str]]


def ask_bare(concurrency: int, window: Window, name: str, server_url: str) -> None:
    """The same bodies over the same HTTP client, and nothing else. They are sent in turn, more than once each."""
    _ask_by_http(concurrency, window, name, server_url, lambda _body: {"Content-Type": "application/json"}, bool)


def ask_signed(concurrency: int, window: Window, name: str, server_url: str) -> None:
    """The same with the engine's signature, and answers parsed as the engine parses them: no call can take less."""
    clients = AwsClients()
    path = urlsplit(_url(server_url)).path
    signer = JsonPostSigner.of(server_url, str(clients.bedrock_runtime.meta.region_name), SIGNING_NAME)
    credentials = clients.frozen_credentials()

    def headers(body: bytes) -> dict[str, str]:
        return signer.headers(path, body, credentials, datetime.now(UTC))

    _ask_by_http(concurrency, window, name, server_url, headers, lambda payload: parse_reply(orjson.loads(payload)))


def _ask_by_http(
    concurrency: int, window: Window, name: str, server_url: str, headers: Headers, read: Callable[[bytes], Any]
) -> None:
    made = [_body(call) for call, _ in zip(calls(name), range(MADE_BEFOREHAND), strict=False)]
    window.start()
    SystemClock().run(_send(made, _url(server_url), concurrency, window, headers, read))


async def _send(
    bodies: list[bytes], url: str, concurrency: int, window: Window, headers: Headers, read: Callable[[bytes], Any]
) -> None:
    position = 0
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def work() -> None:
            nonlocal position
            while not window.is_over:
                position += 1
                started = time.perf_counter()
                body = bodies[position % len(bodies)]
                async with session.post(url, data=body, headers=headers(body)) as response:
                    payload = await response.read()
                is_answered = response.status == 200 and bool(read(payload))
                window.count(answered=is_answered, latency_ms=(time.perf_counter() - started) * 1000)

        await asyncio.gather(*[work() for _ in range(concurrency)])


def _url(server_url: str) -> str:
    return f"{server_url}/model/{MODEL.model_id}/converse"


def ask_with_boto3(concurrency: int, window: Window, name: str) -> None:
    retries: Any = {"mode": "standard", "total_max_attempts": 1}
    client: Any = boto3.client("bedrock-runtime", config=Config(max_pool_connections=concurrency, retries=retries))
    wanted, pulling = until_over(window, name), threading.Lock()

    def work() -> None:
        while True:
            with pulling:
                call = next(wanted, None)
            if call is None:
                return
            started = time.perf_counter()
            reply = client.converse(modelId=MODEL.model_id, **_fields(call))
            window.count(answered="output" in reply, latency_ms=(time.perf_counter() - started) * 1000)

    with ThreadPoolExecutor(concurrency) as pool:
        for worker in [pool.submit(work) for _ in range(concurrency)]:
            worker.result()


def _body(call: Call) -> bytes:
    return orjson.dumps(_fields(call))


def _fields(call: Call) -> dict[str, Any]:
    return request_body(ModelCall(MODEL, call.prompt, call.prompt.max_tokens))
