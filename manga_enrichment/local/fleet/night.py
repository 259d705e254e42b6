"""`make fleet-demo`: a night over all buckets, each of its runs a task, and an account.

    python -m manga_enrichment.local.fleet.night --state-dir FOLDER --url URL

Belongs here: the order of things, and what is said meanwhile. Stays out: the servers (`command.py`), the account
(`manga_enrichment/local/demo/account.py`). The runs are those that the schedule and the sensor `nights` ask for.
They are asked for here, so that a second demo of the same night has runs, too.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg
from rich.console import Console

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.enrichment.schedule import assets_after_import, run_request
from manga_enrichment.defs.shared.partitions import partition_groups
from manga_enrichment.defs.shared.tags import NIGHT_TAG
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.operations.nights import IMPORT, Launch
from manga_enrichment.local.demo.account import account, show, show_bill
from manga_enrichment.local.fleet.launching import launch
from manga_enrichment.local.stack.local_stack import connect
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import Settings, known_analyses, load_settings

TASK_TAG = "ecs/task_arn"
_POLL_SECONDS = 1.0


def work(state_dir: Path, url: str) -> int:
    """0 when every part of the night ended well."""
    console, started = Console(), time.monotonic()
    endpoints = connect(state_dir)
    if endpoints is None:
        raise click.ClickException(f"No local stack runs on {state_dir}.")
    settings, control = load_settings(), ModelServerControl(endpoints.model_url)
    before = control.counters()
    with dg.DagsterInstance.get() as instance:
        night = Night(instance, settings, url, console)
        success = night.pass_by()
        runs = night.runs()
    after, seconds = control.counters(), time.monotonic() - started
    report = account(settings, {run.run_id for run in runs}, before, after)
    report.seconds = seconds
    show(console, report)
    show_bill(console, report)
    tasks = len({run.tags[TASK_TAG] for run in runs if TASK_TAG in run.tags})
    twice = after["duplicates"] - before["duplicates"]
    console.print(
        f"{len(runs)} runs, each a task of ECS with a disk of its own ({tasks} tasks); {twice} calls paid twice."
    )
    return 0 if success else 1


class Night:
    """One night, begun now. Its runs are known by their tag."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings, url: str, console: Console) -> None:
        self._instance, self._url, self._console = instance, url, console
        self._name = datetime.now(UTC).isoformat(timespec="seconds")
        self._groups = partition_groups(bucket_keys(settings.catalog_buckets), settings.buckets_per_run)
        self._analyses = known_analyses(settings).of_titles

    def pass_by(self) -> bool:
        """The import, then all groups of buckets; whether all ended well."""
        return self._do([Launch(IMPORT)]) and self._do([Launch(first) for first, _last in self._groups])

    def runs(self) -> Sequence[dg.DagsterRun]:
        """All of the night so far."""
        return self._instance.get_runs(dg.RunsFilter(tags={NIGHT_TAG: self._name}))

    def _do(self, launches: Sequence[Launch]) -> bool:
        after_import = assets_after_import(self._analyses)
        requests = [run_request(self._name, each, self._groups, after_import) for each in launches]
        waiting = {launch(self._url, NIGHTLY_JOB, request) for request in requests}
        endings = [run.status for run in self._ended(waiting)]
        return all(status is dg.DagsterRunStatus.SUCCESS for status in endings)

    def _ended(self, waiting: set[str]) -> Iterator[dg.DagsterRun]:
        while waiting:
            time.sleep(_POLL_SECONDS)
            for run_id in sorted(waiting):
                run = self._instance.get_run_by_id(run_id)
                if run is not None and run.is_finished:
                    waiting.discard(run_id)
                    task = run.tags.get(TASK_TAG, "no task").rpartition("/")[2]
                    self._console.print(f"{run_id[:8]}: {run.status.value} in task {task}")
                    yield run


@click.command()
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--url", required=True)
def main(state_dir: Path, url: str) -> None:
    sys.exit(work(state_dir, url))


if __name__ == "__main__":
    main()
