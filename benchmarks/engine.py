"""Rate and CPU of the engine's whole path, against HTTP clients, signing and bare, and boto3 in the same run.

    python -m benchmarks.engine --cases 64x200,256x200 --paths memory,dynamodb

A case is concurrency x latency in milliseconds; the ideal rate is concurrency / latency. The server needs time of its
own for an answer, which counts against the ideal, and shares the machine with the client.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.asking import ask_bare, ask_signed, ask_with_boto3, ask_with_engine
from benchmarks.report import Row, show
from benchmarks.support import calls
from benchmarks.window import Window
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.model_control import ModelServerControl

CASES = "16x0,64x0,256x0,16x200,64x200,256x200"


@dataclass(frozen=True, slots=True)
class Asking:
    """How a window is filled. ask: (concurrency, window, name, model server's URL)."""

    ask: Callable[[int, Window, str, str], None]
    what: str


PATHS: Mapping[str, Asking] = {
    "signed http": Asking(
        ask_signed,
        "aiohttp with our signer, bodies made beforehand, answers read and parsed: what the others' CPU is divided by",
    ),
    "dynamodb": Asking(
        lambda concurrency, window, name, _url: ask_with_engine(concurrency, window, name, in_memory=False),
        "the whole path: limiter, budget, claims and ledger in the emulator's DynamoDB, parsing, schema check",
    ),
    "memory": Asking(
        lambda concurrency, window, name, _url: ask_with_engine(concurrency, window, name, in_memory=True),
        "the same, with a ledger and a budget that grant everything and keep nothing",
    ),
    "bare http": Asking(
        ask_bare,
        "aiohttp alone: bodies made beforehand, no signature, answers not read: what this machine can reach",
    ),
    "boto3 threads": Asking(
        lambda concurrency, window, name, _url: ask_with_boto3(concurrency, window, name),
        "a plain boto3 client in a thread pool: no limiter, no ledger, no budget, no check",
    ),
}


def main() -> None:
    """Print the table and the JSON line."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, LocalStack(LocalStackConfig(Path(folder), persist=False)) as stack:
        os.environ.update(stack.child_environment(os.environ))
        rows: list[Row] = []
        next(calls("made before the first window opens"))
        for case in options.cases:
            concurrency, latency_ms = map(int, case.split("x"))
            for path in options.paths:
                rows.append(_measured(path, concurrency, latency_ms, stack))
                print(rows[-1], file=sys.stderr)
    _divide(rows)
    show("engine", rows)


def _divide(rows: list[Row]) -> None:
    """Each row's CPU by that of `signed http` in the same case, where that was measured."""
    cases = {(row["concurrency"], row["latency_ms"]): row for row in rows if row["path"] == "signed http"}
    for row in rows:
        signed = cases.get((row["concurrency"], row["latency_ms"]))
        ours, theirs = row["client_cpu_ms"], signed["client_cpu_ms"] if signed else None
        row["cpu_to_signed"] = None
        if isinstance(ours, float) and isinstance(theirs, float):
            row["cpu_to_signed"] = round(ours / theirs, 2)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine",
        description=(__doc__ or "").partition("\n")[0],
        epilog="; ".join(f"{name}: {asking.what}" for name, asking in PATHS.items()),
    )
    parser.add_argument("--cases", type=lambda text: text.split(","), default=CASES.split(","))
    parser.add_argument("--paths", type=lambda text: text.split(","), default=list(PATHS))
    options = parser.parse_args()
    if unknown := set(options.paths) - PATHS.keys():
        parser.error(f"unknown path {', '.join(unknown)}: there are {', '.join(PATHS)}")
    return options


def _measured(path: str, concurrency: int, latency_ms: int, stack: LocalStack) -> Row:
    url = stack.endpoints.model_url
    server = ModelServerControl(url)
    server.reset()
    server.faults(latency={"fixed_ms": latency_ms})
    emulator_pid, model_pid = stack.pids[:2]
    window = Window({"model_server": model_pid, "emulator": emulator_pid})
    PATHS[path].ask(concurrency, window, f"{path}-{concurrency}x{latency_ms}", url)
    figures = window.figures()
    ideal = concurrency * 1000 / latency_ms if latency_ms else None
    rate = figures["per_second"] or 0
    share = round(rate / ideal, 3) if ideal else None
    return {"path": path, "concurrency": concurrency, "latency_ms": latency_ms, "share_of_ideal": share, **figures}


if __name__ == "__main__":
    main()
