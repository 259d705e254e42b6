"""Rate and CPU of the engine's whole path, against HTTP clients, signing and bare, and boto3 in the same run.

    python -m benchmarks.engine --cases 64x200,256x200 --paths memory,dynamodb [--against 0f0178a]

A case is concurrency x latency in milliseconds; the ideal rate is concurrency / latency. The server needs time of its
own for an answer, which counts against the ideal, and shares the machine with the client. `--against` has another
commit's own benchmark measure the paths that it knows after each case, on a local stack of its own, and prints ratios
in a last line of JSON: this build / that one, by case and path.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from benchmarks.asking import ask_bare, ask_signed, ask_with_boto3, ask_with_engine
from benchmarks.report import Row, show
from benchmarks.support import calls, checked_out
from benchmarks.window import Window
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.model_control import ModelServerControl

CASES = "16x0,64x0,256x0,16x200,64x200,256x200"
THIS = "this build"


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
    """Print the table and the JSON lines."""
    options, environment = _options(), dict(os.environ)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, LocalStack(LocalStackConfig(Path(name), persist=False)) as stack:
        os.environ.update(stack.child_environment(os.environ))
        tree = checked_out(options.against, Path(name) / "tree") if options.against else nullcontext()
        next(calls("made before the first window opens"))
        with tree as other:
            for case in options.cases:
                rows += [_measured(path, case, stack) for path in options.paths]
                if other is not None:
                    rows += _measured_in(other, options, case, environment)
    _divide(rows)
    show("engine", [{name: row.get(name) for name in rows[0]} for row in rows])
    if options.against:
        print(json.dumps({"ratios": _ratios(rows)}))


def _measured_in(tree: Path, options: argparse.Namespace, case: str, environment: Mapping[str, str]) -> list[Row]:
    """What the benchmark of another commit prints, on a local stack of its own; without paths that it does not know."""

    def run(*arguments: str) -> list[str]:
        ended = subprocess.run(
            [sys.executable, *arguments],
            cwd=tree,
            env={**environment, "PYTHONPATH": str(tree)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return ended.stdout.splitlines()

    known = run("-c", "from benchmarks.engine import PATHS; print(*PATHS, sep='\\n')")
    paths = [path for path in options.paths if path in known]
    printed = run("-m", "benchmarks.engine", "--cases", case, "--paths", ",".join(paths)) if paths else ['{"rows": []}']
    return [{**row, "build": options.against} for row in json.loads(printed[-1])["rows"]]


def _divide(rows: list[Row]) -> None:
    """Each row's CPU by that of this build's `signed http` in the same case, where that was measured."""
    cases = {_case(row): row for row in rows if row["path"] == "signed http" and row["build"] == THIS}
    for row in rows:
        row["cpu_to_signed"] = _ratio(row, cases.get(_case(row)))


def _ratios(rows: list[Row]) -> dict[str, dict[str, float | None]]:
    """CPU of this build / that of the other one, by case and path."""
    others = {(*_case(row), row["path"]): row for row in rows if row["build"] != THIS}
    ratios: dict[str, dict[str, float | None]] = {}
    for row in rows:
        other = others.get((*_case(row), row["path"]))
        if row["build"] == THIS and other is not None:
            ratios.setdefault("{}x{}".format(*_case(row)), {})[str(row["path"])] = _ratio(row, other)
    return ratios


def _case(row: Row) -> tuple[object, object]:
    return row["concurrency"], row["latency_ms"]


def _ratio(row: Row, other: Row | None) -> float | None:
    ours, theirs = row["client_cpu_ms"], other["client_cpu_ms"] if other else None
    return round(ours / theirs, 2) if isinstance(ours, float) and isinstance(theirs, float) else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engine",
        description=(__doc__ or "").partition("\n")[0],
        epilog="; ".join(f"{name}: {asking.what}" for name, asking in PATHS.items()),
    )
    parser.add_argument("--cases", type=lambda text: text.split(","), default=CASES.split(","))
    parser.add_argument("--paths", type=lambda text: text.split(","), default=list(PATHS))
    parser.add_argument("--against", default="", help="commit that is measured in turn")
    options = parser.parse_args()
    if unknown := set(options.paths) - PATHS.keys():
        parser.error(f"unknown path {', '.join(unknown)}: there are {', '.join(PATHS)}")
    return options


def _measured(path: str, case: str, stack: LocalStack) -> Row:
    concurrency, latency_ms = map(int, case.split("x"))
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
    row: Row = {"path": path, "concurrency": concurrency, "latency_ms": latency_ms, "share_of_ideal": share, **figures}
    print(row, file=sys.stderr)
    return {**row, "build": THIS}


if __name__ == "__main__":
    main()
