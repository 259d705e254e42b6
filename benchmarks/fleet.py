"""How a fleet scales: titles/s of 1, 2 and 4 tasks without a quota, and how 4 and 8 tasks use one that they are told.

    python -m benchmarks fleet [--cases none-1,told-4] [--window 60]

Tasks are those of the loopback ECS, each a process with an op's engine: ledger, budget and table of senders are the
local stack's, the model takes two seconds, and a task has 8 calls in flight, so that it needs a small part of a core.
Counted is what the server counts within a window, once all tasks have asked.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import Row, show
from benchmarks.support import MODEL, calls
from benchmarks.window import cpu_seconds
from manga_enrichment.aws.bedrock.calls import BedrockModel
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.domain.outcomes.answers import Provenance
from manga_enrichment.local.fleet.fleet import ecs_server
from manga_enrichment.local.fleet.instance import CLUSTER
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.local.stack.processes import start_child
from manga_enrichment.local.stack.provision import emulator_client
from manga_enrichment.pipeline.engine.engine import EngineSettings
from manga_enrichment.pipeline.engine.invocation import InvokeGateways, InvokeSettings, open_invocation
from manga_enrichment.pipeline.engine.tally import Tally
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.settings import load_settings

CALLS_IN_FLIGHT, LATENCY_MS = 8, 2_000
REQUESTS_PER_MINUTE = 600
SETTLING_SECONDS, WINDOW_SECONDS = 30.0, 60.0
START_SECONDS = 240.0
CASES: Mapping[str, tuple[int, bool]] = {  # tasks, whether there is a quota and they are told
    "none-1": (1, False),
    "none-2": (2, False),
    "none-4": (4, False),
    "told-4": (4, True),
    "told-8": (8, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fleet")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--window", type=float, default=WINDOW_SECONDS, help="seconds that are counted")
    parser.add_argument("--child", nargs=2, metavar=("told|none", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        SystemClock().run(ask_for_ever(options.child[0] == "told", options.child[1]))
        return
    with tempfile.TemporaryDirectory() as folder, LocalStack(LocalStackConfig(Path(folder), persist=False)) as stack:
        server = start_child(partial(ecs_server, Path(folder), stack.endpoints.emulator_url))
        try:
            tasks = _Tasks(emulator_client("ecs", server.program.url), stack)
            show("fleet", _with_factors([_measured(name, tasks, options.window) for name in options.cases]))
        finally:
            server.stop()


class _Tasks:
    """Of the loopback ECS, as the launcher starts them."""

    def __init__(self, ecs: Any, stack: LocalStack) -> None:
        self._ecs = ecs
        self.model = ModelServerControl(stack.endpoints.model_url)
        environment = [{"name": name, "value": value} for name, value in stack.environment().items()]
        container = {"name": "run", "image": "manga-enrichment", "environment": environment, "stopTimeout": 2}
        ecs.register_task_definition(family="asks", containerDefinitions=[container])

    def start(self, quota: str, name: str) -> str:
        command = ["python", "-m", "benchmarks.fleet", "--child", quota, name]
        overrides = {"containerOverrides": [{"name": "run", "command": command}]}
        started = self._ecs.run_task(cluster=CLUSTER, taskDefinition="asks", overrides=overrides)
        return str(started["tasks"][0]["taskArn"])

    def pid(self, arn: str) -> int:
        """Raises RuntimeError when the task has ended."""
        (task,) = self._ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"]
        if task["lastStatus"] == "STOPPED":
            raise RuntimeError(f"a task ended: {task}")
        return int(task["containers"][0].get("runtimeId", 0))

    def stop(self, arns: list[str]) -> None:
        for arn in arns:
            self._ecs.stop_task(cluster=CLUSTER, task=arn)
        while any(
            task["lastStatus"] != "STOPPED" for task in self._ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        ):
            time.sleep(0.2)


def _measured(name: str, tasks: _Tasks, window_seconds: float) -> Row:
    count, told = CASES[name]
    tasks.model.reset()
    tasks.model.faults(
        latency={"fixed_ms": LATENCY_MS}, **({"quota": {"requests_per_minute": REQUESTS_PER_MINUTE}} if told else {})
    )
    arns = []
    try:
        for number in range(count):  # one after the other, so that starting up is over when it is counted
            before = tasks.model.counters()["requests"]
            arns.append(tasks.start("told" if told else "none", f"{name}-{number}"))
            _wait_until_asked(tasks, arns[-1], before)
        time.sleep(SETTLING_SECONDS)
        pids = [tasks.pid(arn) for arn in arns]
        before, opened, cpu = tasks.model.counters(), time.monotonic(), sum(map(cpu_seconds, pids))
        time.sleep(window_seconds)
        after, seconds = tasks.model.counters(), time.monotonic() - opened
        cores = (sum(map(cpu_seconds, pids)) - cpu) / seconds / count
    finally:
        tasks.stop(arns)
    return {"case": name, "tasks": count, **_use(before, after, seconds, told), "cores_a_task": round(cores, 3)}


def _wait_until_asked(tasks: _Tasks, arn: str, before: int) -> None:
    """Until a new task has a full set of calls in flight, so that its start is over."""
    deadline = time.monotonic() + START_SECONDS
    while tasks.model.counters()["requests"] < before + CALLS_IN_FLIGHT or not tasks.pid(arn):
        if time.monotonic() > deadline:
            raise RuntimeError("a task did not begin to ask")
        time.sleep(0.5)


def _use(before: Mapping[str, Any], after: Mapping[str, Any], seconds: float, told: bool) -> Row:
    billed, refused = (after[each] - before[each] for each in ("billed", "throttled"))
    allowed = REQUESTS_PER_MINUTE / 60 * seconds
    return {
        "titles_per_second": round(billed / seconds, 2),
        "share_of_quota": round(billed / allowed, 3) if told else None,
        "refused_percent": round(100 * refused / max(1, billed + refused), 2),
    }


def _with_factors(rows: list[Row]) -> list[Row]:
    """Beside each case without a quota, what it does more than one task."""
    alone = next((row["titles_per_second"] for row in rows if row["case"] == "none-1"), None)
    for row in rows:
        each = row["titles_per_second"]
        is_known = isinstance(alone, float) and isinstance(each, float) and row["share_of_quota"] is None
        row["times_one"] = round(each / alone, 2) if is_known else None  # type: ignore[operator]
    return rows


async def ask_for_ever(told: bool, name: str) -> None:
    """Ask until killed, as an op of a night does."""
    settings = load_settings()
    gateways = open_gateways(settings)
    clock = SystemClock()

    def open_model() -> BedrockModel:
        return BedrockModel(AwsClients(), concurrency=CALLS_IN_FLIGHT, call_timeout_seconds=60)

    invoke = InvokeSettings(
        engine=EngineSettings(concurrency=CALLS_IN_FLIGHT, deadline_seconds=3_600),
        requests_per_minute=REQUESTS_PER_MINUTE if told else None,
    )
    given = InvokeGateways(gateways.ledger, gateways.budget, gateways.senders, open_model, clock)
    provenance = Provenance(name, clock.now().date().isoformat(), "benchmark")
    async with open_invocation(given, invoke, Tally("genre_classification"), name, lambda _said: None) as invocation:
        engine = invocation.engine(MODEL, provenance, name)
        await engine.run(calls(f"{name}-{os.getpid()}"), invocation.counted(lambda _result: None))


if __name__ == "__main__":
    main()
