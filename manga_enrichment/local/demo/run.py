"""`make demo`: the shipped catalog through the nightly job on the local stack, a partner's batches, and an account.

Belongs here: the order of things. Stays out: what is said of it (`account.py`), which no run says of itself.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg
from rich.console import Console

from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.definitions import build_definitions
from manga_enrichment.defs.costs.assets import COSTS_JOB
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.operations.killed_runs import end_killed_runs
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.local.demo.account import DemoReport, account, show, show_bill
from manga_enrichment.local.demo.lane import InProcessLane, run_here
from manga_enrichment.local.demo.partners import run_examples, show_batches
from manga_enrichment.local.stack.local_stack import connect
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.local.stack.state_folder import StateFolder
from manga_enrichment.settings import Settings, load_settings


def work(state_dir: Path, *, as_json: bool, started: datetime) -> int:
    """All of it, on the stack that runs on `state_dir`; 0 when all ended well. started: when the user asked for it."""
    console = Console(stderr=as_json)
    endpoints = connect(state_dir)
    if endpoints is None:
        raise click.ClickException(f"No local stack runs on {state_dir}.")
    settings = load_settings()
    control = ModelServerControl(endpoints.model_url)
    before = control.counters()
    definitions = build_definitions(settings)
    with dg.DagsterInstance.get() as instance:
        with _step(console, f"Enriching {settings.catalog_uri} with the nightly job …"):
            run_id, success = _run_nightly(settings, definitions, instance)
        with _step(console, "Sending a partner's batches, and working at them with the sensors of make dev …"):
            lane = InProcessLane(definitions, instance)
            batches = run_examples(endpoints, settings, open_gateways(settings), state_dir, lane)
            _account_costs(definitions, instance, started)
    report = account(settings, [run_id], before, control.counters())
    report.run_id, report.batches = run_id, batches
    report.success = success and all(batch.ended for batch in batches)
    report.seconds = round((datetime.now(UTC) - started).total_seconds(), 2)
    _show(console, report, state_dir)
    if as_json:
        print(json.dumps(asdict(report), ensure_ascii=False, sort_keys=True))  # noqa: T201
    return 0 if report.success else 1


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    """A line, and on a terminal a sign of life while it lasts."""
    console.print(what)
    with console.status("working"):
        yield


def _run_nightly(settings: Settings, definitions: dg.Definitions, instance: dg.DagsterInstance) -> tuple[str, bool]:
    """All buckets in one run of this process, recorded in the instance that `make dev` shows."""
    keys = bucket_keys(settings.catalog_buckets)
    list(end_killed_runs(instance))  # they would keep their pool's slots, and this run would wait for ever
    result = run_here(definitions, instance, NIGHTLY_JOB, range_tags(keys[0], keys[-1]))
    return result.run_id, result.success


def _account_costs(definitions: dg.Definitions, instance: dg.DagsterInstance, started: datetime) -> None:
    """So that `report` and `sql daily_cost` know of this demo. The daemon's sensor would do it after a night."""
    first, last = (moment.date().isoformat() for moment in (started, datetime.now(UTC)))
    run_here(definitions, instance, COSTS_JOB, range_tags(first, last))


def _show(console: Console, report: DemoReport, state_dir: Path) -> None:
    show(console, report)
    show_batches(console, report.batches)
    show_bill(console, report)
    console.print(f"The same files on disk: {StateFolder(state_dir).tables}/<table>/", soft_wrap=True)
    console.print(f"Data is kept in {state_dir}/. See it in the Dagster UI: make dev. Start anew: make clean.")


@click.command()
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--started", type=float, required=True, help="Unix seconds.")
@click.option("--json", "as_json", is_flag=True)
def main(state_dir: Path, started: float, as_json: bool) -> None:
    sys.exit(work(state_dir, as_json=as_json, started=datetime.fromtimestamp(started, UTC)))


if __name__ == "__main__":
    main()
