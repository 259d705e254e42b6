"""How much of a quota is used and how much is throttled: told, untold, and two processes that share one.

    python -m benchmarks.quota --cases told,untold
    python -m benchmarks.quota --without-table    # processes that know nothing of each other

The server's quota is a real one, refilled continuously with a burst of a second. Use is counted over a window after
a settling time, from the server's own counters; who got how much of it, from the processes' own counts.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.report import Row, show
from benchmarks.support import BoundlessBudget, ForgetfulLedger, calls, engine
from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.dynamodb.senders import DynamoDBSenders
from manga_enrichment.domain.operations.quota_lanes import LANE_WEIGHTS, NIGHT
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.engine.calls import CallResult
from manga_enrichment.pipeline.engine.rate.fair_share import FairShare
from manga_enrichment.pipeline.engine.rate.rate_limiter import RateLimiter
from manga_enrichment.pipeline.engine.rate.share_keeper import ShareKeeper
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.settings import load_settings

REQUESTS_PER_MINUTE = 6_000
SETTLING_SECONDS = 20
WINDOW_SECONDS = 30
LATENCY_MS = 200
CONCURRENCY = 64
CASES: Mapping[str, tuple[int, bool]] = {  # processes, whether they are told the quota
    "told": (1, True),
    "untold": (1, False),
    "two told": (2, True),
    "two untold": (2, False),
}


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument(
        "--without-table", action="store_true", help="the processes do not tell each other what they do"
    )
    parser.add_argument("--child", nargs=3, metavar=("told|untold", "CASE", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        told, case, name = options.child
        SystemClock().run(ask_for_ever(told == "told", "" if options.without_table else case, name))
        return
    with tempfile.TemporaryDirectory() as folder, LocalStack(LocalStackConfig(Path(folder), persist=False)) as stack:
        environment = stack.child_environment(os.environ)
        server = ModelServerControl(stack.endpoints.model_url)
        options_of_all = ["--without-table"] if options.without_table else []
        show("quota", [_measured(name, *CASES[name], server, environment, options_of_all) for name in options.cases])


def _measured(
    name: str,
    processes: int,
    told: bool,
    server: ModelServerControl,
    environment: dict[str, str],
    options: Sequence[str],
) -> Row:
    server.reset()
    server.faults(latency={"fixed_ms": LATENCY_MS}, quota={"requests_per_minute": REQUESTS_PER_MINUTE})
    command = [sys.executable, "-m", "benchmarks.quota", *options, "--child", "told" if told else "untold", name]
    children = [
        subprocess.Popen([*command, f"{name}-{number}"], env=environment, stdout=subprocess.PIPE, text=True)
        for number in range(processes)
    ]
    try:
        time.sleep(SETTLING_SECONDS)
        before, opened = server.counters(), time.monotonic()
        time.sleep(WINDOW_SECONDS)
        after, closed = server.counters(), time.monotonic()
    finally:
        for child in children:
            child.kill()
    said = [child.communicate()[0] for child in children]
    return {"case": name, **_use(before, after, closed - opened), "least_of_fair": _least_share(said, opened, closed)}


def _use(before: Mapping[str, Any], after: Mapping[str, Any], seconds: float) -> Row:
    billed = after["billed"] - before["billed"]
    throttled = after["throttled"] - before["throttled"]
    allowed = REQUESTS_PER_MINUTE / 60 * seconds
    return {
        "quota_per_minute": REQUESTS_PER_MINUTE,
        "share_of_quota": round(billed / allowed, 3),
        "throttled_share": round(throttled / max(1, billed + throttled), 4),
    }


def _least_share(said: Sequence[str], opened: float, closed: float) -> float | None:
    """What the slowest process got, as a share of what each would get if all got the same; None for one alone."""
    if len(said) == 1:
        return None
    counts = []
    for lines in said:
        told = [(float(moment), int(count)) for moment, count in map(str.split, lines.splitlines())]
        inside = [count for moment, count in told if opened <= moment <= closed]
        counts.append(inside[-1] - inside[0])
    return round(min(counts) / (sum(counts) / len(counts)), 2)


async def ask_for_ever(told: bool, shared: str, name: str) -> None:
    """Ask until killed; say every second how many were answered so far. shared: name of the quota in the table of
    senders; "" for a process that does not look at it."""
    answered = 0

    def deliver(result: CallResult) -> None:
        nonlocal answered
        answered += result.outcome is Outcome.SUCCEEDED

    async def say() -> None:
        while True:
            await asyncio.sleep(1)
            print(time.monotonic(), answered, flush=True)

    model = BedrockModel(AwsClients(), concurrency=CONCURRENCY, call_timeout_seconds=60)
    limiter = RateLimiter(SystemClock(), requests_per_minute=REQUESTS_PER_MINUTE if told else None)
    one = engine(model, ForgetfulLedger(), BoundlessBudget(), limiter, CONCURRENCY, name)
    async with AsyncExitStack() as ends, asyncio.TaskGroup() as tasks:
        if shared:
            senders = DynamoDBSenders(AwsClients().dynamodb, table=load_settings().senders_table)
            share = FairShare(limiter, SystemClock(), name, NIGHT, LANE_WEIGHTS)
            ends.push_async_callback(ShareKeeper(senders, shared, share, SystemClock()).stop)
        tasks.create_task(say())
        tasks.create_task(one.run(calls(name), deliver))


if __name__ == "__main__":
    main()
