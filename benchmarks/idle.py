"""CPU a minute of Dagster's servers while there is nothing to do: with one code server, and with a workspace file each.

    python -m benchmarks idle --minutes 3

`dev` runs one code server that daemon and webserver ask, as on one machine in production. `-w workspace.yaml` is daemon
and webserver by themselves, each with code servers of its own. Needs Linux.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.partners.site import Site, said
from benchmarks.partners.work import Work
from benchmarks.report import Row, show
from benchmarks.support import REPOSITORY
from manga_enrichment.local.dagster_home import prepare_dagster_home, server_environment
from manga_enrichment.local.sample_catalog import write_catalog
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.processes import free_port

SETTLED_SECONDS = 90.0
STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.5


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks idle", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=3.0)
    seconds = parser.parse_args().minutes * 60
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for measured in (one_code_server, workspace_files):
            rows.append(measured(Path(folder), seconds))
            said(rows[-1])
    show("idle", rows)


def one_code_server(folder: Path, seconds: float) -> Row:
    catalog = folder / "catalog.jsonl"
    write_catalog(catalog, 20, seed=1)
    with Site("dev", REPOSITORY, folder / "dev", catalog, {}, imports=False) as site:
        time.sleep(SETTLED_SECONDS)
        return _row("dev", [site.work()], seconds)


def workspace_files(folder: Path, seconds: float) -> Row:
    home = prepare_dagster_home(folder / "servers", REPOSITORY / "dagster.yaml")
    with LocalStack(LocalStackConfig(folder / "stack", persist=False)) as stack:
        environment = server_environment(stack.child_environment(os.environ), home)
        programs = (["dagster._daemon", "run"], ["dagster_webserver", "--port", str(free_port())])
        servers = [
            subprocess.Popen(
                [sys.executable, "-m", *program, "-w", "workspace.yaml"],
                cwd=REPOSITORY,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for program in programs
        ]
        try:
            time.sleep(SETTLED_SECONDS)
            return _row("-w workspace.yaml", [Work(server.pid) for server in servers], seconds)
        finally:
            _stop(servers)


def _row(way: str, works: Sequence[Work], seconds: float) -> Row:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for work in works:
            work.look()
        time.sleep(_LOOK_SECONDS)
    taken: Counter[str] = sum((work.seconds() for work in works), Counter())
    per_minute = {f"{kind}_cpu_s_a_minute": round(taken[kind] * 60 / seconds, 2) for kind in ("servers", "runs")}
    return {"way": way, "minutes": seconds / 60, **per_minute}


def _stop(servers: Sequence["subprocess.Popen[bytes]"]) -> None:
    for server in servers:
        server.terminate()
    for server in servers:
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()


if __name__ == "__main__":
    main()
