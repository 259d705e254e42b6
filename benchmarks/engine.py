"""Rate and CPU of the engine's whole path, against a plain boto3 thread pool in the same run.

Ideal rate = concurrency / latency. With the emulator's DynamoDB the ledger is real; with `memory` it grants everything,
which shows the engine's own limit. The server's latency is added to what the server takes itself.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.report import show
from benchmarks.support import MODEL, RETENTION, BoundlessBudget, ForgetfulLedger, Rows, calls, engine
from manga_enrichment.aws.bedrock import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.converse import request_body
from manga_enrichment.aws.dynamodb_budget import DynamoDBBudget
from manga_enrichment.aws.dynamodb_ledger import DynamoDBLedger
from manga_enrichment.clock import SystemClock
from manga_enrichment.gateways import ModelRequest
from manga_enrichment.local.model_control import ModelServerControl
from manga_enrichment.local.stack import LocalStack, LocalStackConfig
from manga_enrichment.pipeline.calls import Call
from manga_enrichment.pipeline.limiter import Limiter

SECONDS = 6
CASES = [(16, 0), (64, 0), (256, 0), (16, 200), (64, 200), (256, 200)]
NEVER_LIMITING = 60_000_000  # requests/min: the limiter works, but nothing waits for it
BEST_GUESS_PER_SECOND = 500  # without latency the CPU decides


def main() -> None:
    """Print the table and the JSON line."""
    with tempfile.TemporaryDirectory() as folder, LocalStack(LocalStackConfig(Path(folder), persist=False)) as stack:
        os.environ.update(stack.child_environment(os.environ))
        server = ModelServerControl(stack.endpoints.model_url)
        rows: Rows = []
        for number, (concurrency, latency_ms) in enumerate(CASES):
            server.faults(latency={"fixed_ms": latency_ms})
            count = int(SECONDS * (concurrency * 1000 / latency_ms if latency_ms else BEST_GUESS_PER_SECOND))
            for path in ("dynamodb", "memory", "boto3 threads"):
                asked = list(calls(count, seed=1000 + number))
                server.reset()
                server.faults(latency={"fixed_ms": latency_ms})
                rows.append(_measured(path, asked, concurrency, latency_ms, f"bench-{number}-{path}"))
                print(rows[-1], file=sys.stderr)
    show("engine", rows)


def _measured(path: str, asked: list[Call], concurrency: int, latency_ms: int, name: str) -> dict[str, Any]:
    started, cpu = time.perf_counter(), time.process_time()
    outcomes = (
        _with_boto3(asked, concurrency) if path == "boto3 threads" else _with_engine(path, asked, concurrency, name)
    )
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    answered = outcomes["succeeded"]
    ideal = concurrency * 1000 / latency_ms if latency_ms else None
    return {
        "path": path,
        "concurrency": concurrency,
        "latency_ms": latency_ms,
        "titles": len(asked),
        "answered": answered,
        "per_second": round(answered / seconds, 1),
        "share_of_ideal": round(answered / seconds / ideal, 3) if ideal else None,
        "cpu_ms_per_title": round(cpu_seconds * 1000 / max(answered, 1), 3),
    }


def _with_engine(path: str, asked: list[Call], concurrency: int, name: str) -> Counter[str]:
    return asyncio.run(_run_engine(path, asked, concurrency, name))


async def _run_engine(path: str, asked: list[Call], concurrency: int, name: str) -> Counter[str]:
    clients, clock = AwsClients(), SystemClock()
    outcomes: Counter[str] = Counter()
    model = BedrockModel(clients, concurrency=concurrency, call_timeout_seconds=60)
    budget_table = "manga-fm-budget"
    real = path == "dynamodb"
    ledger = DynamoDBLedger(
        clients.dynamodb, clock, ledger_table="manga-fm-results", budget_table=budget_table, retention=RETENTION
    )
    budget = DynamoDBBudget(clients.dynamodb, table=budget_table)
    limiter = Limiter(clock, requests_per_minute=NEVER_LIMITING)
    run = engine(
        model,
        ledger if real else ForgetfulLedger(),
        budget if real else BoundlessBudget(),
        limiter,
        concurrency,
        name,
    )
    try:
        await run.run(asked, lambda result: outcomes.update([result.outcome.value]))
    finally:
        await model.close()
    return outcomes


def _with_boto3(asked: list[Call], concurrency: int) -> Counter[str]:
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    retries: Any = {"mode": "standard", "total_max_attempts": 1}
    client: Any = boto3.client("bedrock-runtime", config=Config(max_pool_connections=concurrency, retries=retries))

    def ask(call: Call) -> str:
        body = request_body(ModelRequest(MODEL, call.prompt, call.prompt.max_tokens))
        client.converse(modelId=MODEL.model_id, **body)
        return "succeeded"

    with ThreadPoolExecutor(concurrency) as pool:
        return Counter(pool.map(ask, asked))


if __name__ == "__main__":
    main()
