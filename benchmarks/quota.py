"""How much of a quota is used and how much is throttled: told, untold, and two processes that share one.

The server's quota is a real one, refilled continuously with a burst of a second. Use is counted over a window after
a settling time, from the server's own counters.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import show
from benchmarks.support import BoundlessBudget, ForgetfulLedger, calls, engine
from manga_enrichment.aws.bedrock import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.clock import SystemClock
from manga_enrichment.local.model_control import ModelServerControl
from manga_enrichment.local.stack import LocalStack, LocalStackConfig
from manga_enrichment.pipeline.limiter import Limiter

REQUESTS_PER_MINUTE = 6_000
SETTLING_SECONDS = 20
WINDOW_SECONDS = 40
LATENCY_MS = 200
CASES = [("told", 1, True), ("untold", 1, False), ("two processes, told", 2, True), ("two processes, untold", 2, False)]


def main() -> None:
    """Print the table and the JSON line."""
    with tempfile.TemporaryDirectory() as folder, LocalStack(LocalStackConfig(Path(folder), persist=False)) as stack:
        environment = stack.child_environment(os.environ)
        server = ModelServerControl(stack.endpoints.model_url)
        rows: list[dict[str, object]] = [
            _measured(name, processes, told, server, environment) for name, processes, told in CASES
        ]
    show("quota", rows)


def _measured(
    name: str, processes: int, told: bool, server: ModelServerControl, environment: dict[str, str]
) -> dict[str, object]:
    server.reset()
    quota = {"requests_per_minute": REQUESTS_PER_MINUTE}
    server.faults(latency={"fixed_ms": LATENCY_MS}, quota=quota)
    command = [sys.executable, "-m", "benchmarks.quota", "told" if told else "untold"]
    children = [
        subprocess.Popen([*command, str(number + 1)], env=environment, stdout=subprocess.DEVNULL)
        for number in range(processes)
    ]
    try:
        time.sleep(SETTLING_SECONDS)
        before, started = server.counters(), time.monotonic()
        time.sleep(WINDOW_SECONDS)
        after, seconds = server.counters(), time.monotonic() - started
    finally:
        for child in children:
            child.kill()
            child.wait()
    return _row(name, before, after, seconds)


def _row(name: str, before: dict[str, Any], after: dict[str, Any], seconds: float) -> dict[str, object]:
    billed = after["billed"] - before["billed"]
    throttled = after["throttled"] - before["throttled"]
    allowed = REQUESTS_PER_MINUTE / 60 * seconds
    return {
        "case": name,
        "quota_per_minute": REQUESTS_PER_MINUTE,
        "share_of_quota": round(billed / allowed, 3),
        "throttled_share": round(throttled / max(1, billed + throttled), 4),
    }


async def ask_for_ever(told: bool, seed: int) -> None:
    """Ask until killed."""
    model = BedrockModel(AwsClients(), concurrency=64, call_timeout_seconds=60)
    limiter = Limiter(SystemClock(), requests_per_minute=REQUESTS_PER_MINUTE if told else None)
    one = engine(model, ForgetfulLedger(), BoundlessBudget(), limiter, 64, f"quota-{seed}")
    await one.run(calls(100_000, seed=seed), lambda _result: None)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(ask_for_ever(sys.argv[1] == "told", int(sys.argv[2])))
    else:
        main()
