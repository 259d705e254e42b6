"""`make demo`: the shipped catalog through the nightly job on the local stack, a partner's batches, and an account.

Belongs here: the order of things. Stays out: what is said of it (`command.py`), which this program tells by two
files: how far it is, and in the end the account.
"""

import json
import sys
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.defs.costs.assets import COSTS_JOB
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.operations.killed_runs import end_killed_runs
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.local.demo.account import account
from manga_enrichment.local.demo.example import example
from manga_enrichment.local.demo.lane import InProcessLane, run_here
from manga_enrichment.local.demo.night_watch import Night, told
from manga_enrichment.local.demo.partners import run_examples
from manga_enrichment.local.demo.stages import Progress, ProgressFile, Stage
from manga_enrichment.local.stack.local_stack import connect
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import Settings, known_analyses, load_settings


def work(state_dir: Path, *, progress: ProgressFile, account_file: Path, started: datetime) -> int:
    """All of it, on the stack that runs on `state_dir`; 0 when all ended well. started: when the user asked for it."""
    progress.tell(Progress(Stage.LOAD))
    endpoints = connect(state_dir)
    if endpoints is None:
        raise click.ClickException(f"No local stack runs on {state_dir}.")
    settings, control = load_settings(), ModelServerControl(endpoints.model_url)
    before = control.counters()
    definitions = build_definitions(settings)
    with dg.DagsterInstance.get() as instance:
        run_id, success = _run_nightly(settings, definitions, instance, control, progress)
        after_night = control.counters()
        progress.tell(Progress(Stage.BATCHES))
        lane, gateways = InProcessLane(definitions, instance), open_gateways(settings)
        batches = run_examples(endpoints, settings, gateways, state_dir, lane, progress)
        progress.tell(Progress(Stage.COSTS))
        _account_costs(definitions, instance, started)
    report = account(settings, [run_id], before, control.counters(), after_night)
    report.example = example(gateways.tables, bucket_keys(settings.catalog_buckets))
    report.run_id, report.batches = run_id, batches
    report.success = success and all(batch.ended for batch in batches)
    report.seconds = round((datetime.now(UTC) - started).total_seconds(), 2)
    account_file.write_text(json.dumps(asdict(report), ensure_ascii=False), "utf-8")
    return 0 if report.success else 1


def _run_nightly(
    settings: Settings,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    control: ModelServerControl,
    progress: ProgressFile,
) -> tuple[str, bool]:
    """All buckets in one run of this process, recorded in the instance that `make dev` shows."""
    keys, run_id = bucket_keys(settings.catalog_buckets), str(uuid.uuid4())
    list(end_killed_runs(instance))  # they would keep their pool's slots, and this run would wait for ever
    before = int(control.counters()["billed"])
    writes = len(known_analyses(settings).of_titles)
    night = Night(instance, run_id, writes, lambda: int(control.counters()["billed"]) - before)
    with told(night, progress):
        result = run_here(definitions, instance, NIGHTLY_JOB, range_tags(keys[0], keys[-1]), run_id=run_id)
    return run_id, result.success


def _account_costs(definitions: dg.Definitions, instance: dg.DagsterInstance, started: datetime) -> None:
    """So that `report` and `sql daily_cost` know of this demo. The daemon's sensor would do it after a night."""
    first, last = (moment.date().isoformat() for moment in (started, datetime.now(UTC)))
    run_here(definitions, instance, COSTS_JOB, range_tags(first, last))


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--started", type=float, required=True, help="Unix seconds.")
@click.option("--progress", type=_FILE, required=True, help="Where it says how far it is.")
@click.option("--account", "account_file", type=_FILE, required=True, help="Where it says in the end what happened.")
def main(state_dir: Path, started: float, progress: Path, account_file: Path) -> None:
    moment = datetime.fromtimestamp(started, UTC)
    sys.exit(work(state_dir, progress=ProgressFile(progress), account_file=account_file, started=moment))


if __name__ == "__main__":
    main()
