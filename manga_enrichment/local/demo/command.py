"""The command `demo`: a stack for it, and the demo as a program in the foreground.

Belongs here: what it runs on, and how it is stopped. Stays out: the demo itself (`run.py`). That is a program of its
own, since Dagster takes Ctrl-C for the end of a run alone, and the demo would go on with its batches.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from manga_enrichment.local.dagster_home import prepare_dagster_home, server_environment
from manga_enrichment.local.dev import SAMPLE
from manga_enrichment.local.foreground import STOPPED, run_in_foreground
from manga_enrichment.local.stack.endpoints import LocalEndpoints
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig, connect
from manga_enrichment.runtime.shipped import shipped


def run_demo(state_dir: Path, *, as_json: bool, concurrency: int, dagster_yaml: Path | None = None) -> int:
    """Run it; 0 when all ended well. Stopped, it can be run again, and pays for nothing twice."""
    started = time.time()
    with _running_stack(state_dir, quiet=as_json) as endpoints:
        home = prepare_dagster_home(state_dir, dagster_yaml)
        environment = server_environment(endpoints.child_environment(os.environ), home)
        environment.setdefault("MANGA_CONCURRENCY", str(concurrency))
        environment.setdefault("MANGA_CATALOG_URI", str(shipped(SAMPLE)))
        arguments = ["--state-dir", str(state_dir), "--started", str(started), *(["--json"] if as_json else [])]
        code = run_in_foreground("manga_enrichment.local.demo.run", arguments, environment, Path.cwd())
    if code is None:
        click.echo("Nothing runs any more. What was answered is kept: make demo goes on from there.", err=True)
    return STOPPED if code is None else code


@contextmanager
def _running_stack(state_dir: Path, *, quiet: bool) -> Iterator[LocalEndpoints]:
    """The stack that `make dev` left running, or one for the time of the demo."""
    running = connect(state_dir)
    if running is not None:
        yield running
        return
    click.echo("Starting the local stack: AWS emulator and offline model server …", err=quiet)
    with LocalStack(LocalStackConfig(state_dir)) as stack:
        yield stack.endpoints
