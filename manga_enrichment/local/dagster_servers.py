"""Dagster for one machine: one code server, and webserver and daemon, which both ask it.

    python -m manga_enrichment.local.dagster_servers MODULE LOCATION PORT

Belongs here: these processes, from start to end. Stays out: what they keep on disk (`dagster_home.py`), who runs this
program (`dev.py`), edits (`reloading.py`).

Why not `dagster dev`, which does the same: it starts Python itself, so that no word can be put in between
(`manga_enrichment/runtime/long_lived.py`).
"""

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

from manga_enrichment.local.reloading import keep_loaded
from manga_enrichment.local.stack.endpoints import is_loopback
from manga_enrichment.local.stack.processes import LOOPBACK, free_port, port_is_taken

GRACE_SECONDS = 20.0
"""For runs, which end with the code server; whoever cannot wait kills the process group."""
_POLL_SECONDS = 0.2
_GUARDED = (sys.executable, "-m", "manga_enrichment.local.stack.guarded")
_LONG_LIVED = "manga_enrichment.runtime.long_lived"
_Processes = list["subprocess.Popen[bytes]"]


def main(module: str, location: str, port: int) -> int:
    """Serve in the current folder until a signal asks for the end: 0; or until one server ends: 1.

    module: what has the definitions; location: what it is called; port: of the webserver.
    """
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _frame: asked.append(n))
    processes: _Processes = []
    try:
        code_port = _start_code_server(processes, module)
        while not port_is_taken(code_port) and not _is_over(processes, asked):
            time.sleep(_POLL_SECONDS)
        if not _is_over(processes, asked):
            _start_the_others(processes, location, code_port, port)
            watch = (f"http://{LOOPBACK}:{port}", location, _sources(module), lambda line: print(line, flush=True))  # noqa: T201
            Thread(target=keep_loaded, args=watch, daemon=True).start()
        while not _is_over(processes, asked):
            time.sleep(_POLL_SECONDS)
        return 0 if asked else 1
    finally:
        _end(processes)


def _sources(module: str) -> list[Path]:
    """Folders whose edits change the definitions."""
    package = importlib.util.find_spec(module.partition(".")[0])
    own = os.environ.get("MANGA_ANALYSES_DIR")
    folders = [Path(package.origin).parent] if package and package.origin else []
    return [*folders, *([Path(own)] if own else [])]


def _start_code_server(processes: _Processes, module: str) -> int:
    """The port on which it is going to answer, once it has loaded the code."""
    port = free_port()
    where = ("--host", LOOPBACK, "--port", str(port))
    _start(processes, "dagster", "code-server", "start", *where, "--module-name", module)
    return port


def _start_the_others(processes: _Processes, location: str, code_port: int, port: int) -> None:
    server = {"host": LOOPBACK, "port": code_port, "location_name": location}
    workspace = Path("workspace.yaml")
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}), encoding="utf-8")  # JSON is YAML, too
    given = ("--workspace", str(workspace))
    _start(processes, _LONG_LIVED, "dagster._daemon", "run", *given)
    _start(processes, _LONG_LIVED, "dagster_webserver", *given, "--host", LOOPBACK, "--port", str(port))


def _start(processes: _Processes, *words: str) -> None:
    processes.append(subprocess.Popen([*_GUARDED, str(os.getpid()), *words]))  # noqa: S603 (our own interpreter)


def _is_over(processes: _Processes, asked: list[int]) -> bool:
    return bool(asked) or any(process.poll() is not None for process in processes)


def _end(processes: _Processes) -> None:
    for process in processes:
        process.terminate()
    say = _counted_down if calls_are_billed(os.environ) else lambda _left: None
    wait_for(processes, time.monotonic, time.sleep, say)
    for process in processes:
        process.kill()
        process.wait()
    _end_orphans()


def wait_for(
    processes: "Sequence[subprocess.Popen[bytes]]",
    now: Callable[[], float],
    sleep: Callable[[float], None],
    say: Callable[[int], None],
) -> None:
    """Until all have ended, at most GRACE_SECONDS. now: monotonic seconds. say: told how many seconds are left at most,
    whenever that is another number; 0 when the waiting is over."""
    deadline, told = now() + GRACE_SECONDS, 0
    while any(process.poll() is None for process in processes) and (left := math.ceil(deadline - now())) > 0:
        if left != told:
            told = left
            say(left)
        sleep(_POLL_SECONDS)
    if told:
        say(0)


def calls_are_billed(environment: Mapping[str, str]) -> bool:
    """Whether what is open at the model costs money: not at the stand-in on this machine."""
    url = environment.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME") or environment.get("AWS_ENDPOINT_URL", "")
    return not is_loopback(url)


def _counted_down(left: int) -> None:
    """On one line of a terminal; where it is piped, once."""
    is_terminal, is_first = sys.stderr.isatty(), left == round(GRACE_SECONDS)
    words = f"Calls that are open at the model are paid for: waiting for their answers, {left:2} s at most"
    with suppress(OSError):  # a terminal that was closed hears nothing any more
        if is_terminal:
            print(f"\r{words}" if left else "\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201
        elif is_first:
            print(words, file=sys.stderr, flush=True)  # noqa: T201


def _end_orphans() -> None:
    """A code server that was killed leaves its child, which by itself notices that within a minute."""
    if os.getpgrp() == os.getpid():  # else whoever started this program has its own processes in the group
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
