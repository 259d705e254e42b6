"""The command `demo`: a stack for it, and the demo as a program in the foreground.

Belongs here: what it runs on, and how it is stopped. Stays out: the demo itself (`run.py`). That is a program of its
own, since Dagster takes Ctrl-C for the end of a run alone, and the demo would go on with its batches.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console

from manga_enrichment.local.dagster_home import prepare_dagster_home, server_environment
from manga_enrichment.local.demo.account import DemoReport, report_from, show, show_bill
from manga_enrichment.local.demo.bar import shown
from manga_enrichment.local.demo.example import show_example
from manga_enrichment.local.demo.partners import show_batches
from manga_enrichment.local.demo.stages import Progress, ProgressFile, Stage
from manga_enrichment.local.dev import SAMPLE
from manga_enrichment.local.foreground import STOPPED, run_in_foreground
from manga_enrichment.local.stack.endpoints import LocalEndpoints
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig, connect
from manga_enrichment.local.stack.state_folder import StateFolder
from manga_enrichment.runtime.shipped import shipped


def run_demo(state_dir: Path, *, as_json: bool, concurrency: int, dagster_yaml: Path | None = None) -> int:
    """Run it; 0 when all ended well. Stopped, it can be run again, and pays for nothing twice."""
    started, console = time.time(), Console(stderr=as_json)
    with TemporaryDirectory() as folder:
        progress, account = Path(folder, "progress.json"), Path(folder, "account.json")
        installed = float(os.environ.get("DEMO_INSTALL_SECONDS") or 0)
        with shown(console, ProgressFile(progress), installed), _running_stack(state_dir) as endpoints:
            home = prepare_dagster_home(state_dir, dagster_yaml)
            environment = server_environment(endpoints.child_environment(os.environ), home)
            environment.setdefault("MANGA_CONCURRENCY", str(concurrency))
            environment.setdefault("MANGA_CATALOG_URI", str(shipped(SAMPLE)))
            arguments = ["--state-dir", str(state_dir), "--started", str(started)]
            arguments += ["--progress", str(progress), "--account", str(account)]
            code = run_in_foreground("manga_enrichment.local.demo.run", arguments, environment, Path.cwd())
            ProgressFile(progress).tell(Progress(Stage.STOP))
        if code is None:
            click.echo("Nothing runs any more. What was answered is kept: make demo goes on from there.", err=True)
            return STOPPED
        if account.exists():
            told = json.loads(account.read_text("utf-8"))
            _show(console, report_from(told), state_dir)
            if as_json:
                click.echo(json.dumps(told, ensure_ascii=False, sort_keys=True))
        return code


def _show(console: Console, report: DemoReport, state_dir: Path) -> None:
    show(console, report)
    show_batches(console, report.batches)
    show_example(console, report.example)
    show_bill(console, report)
    console.print(f"The tables on disk, a folder each: {StateFolder(state_dir).tables}/", soft_wrap=True)
    console.print(f"Data is kept in {state_dir}/. See it in the Dagster UI: make dev. Start anew: make clean.")


@contextmanager
def _running_stack(state_dir: Path) -> Iterator[LocalEndpoints]:
    """The stack that `make dev` left running, or one for the time of the demo."""
    running = connect(state_dir)
    if running is not None:
        yield running
        return
    with LocalStack(LocalStackConfig(state_dir)) as stack:
        yield stack.endpoints
