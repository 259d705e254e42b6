"""Where the local stack's Dagster instance keeps its state, made from the repository's dagster.yaml."""

import os
from pathlib import Path

import dagster as dg

from manga_enrichment.local.stack.processes import PRIVATE_FOLDER
from manga_enrichment.runtime.processes import process_exists

PROCESS_TAG = "local/process"
"""Tag of a run inside a process that no daemon watches: the process' id."""

REPOSITORY = Path(__file__).resolve().parents[2]


class NotACheckoutError(RuntimeError):
    """dagster.yaml is not beside the package: it was installed from a wheel."""


def prepare_dagster_home(state_dir: Path) -> Path:
    """A DAGSTER_HOME whose configuration keeps everything under `state_dir`.

    The storage is opened once here: two processes that open a fresh SQLite home at the same time break its migration.
    """
    template = REPOSITORY / "dagster.yaml"
    if not template.is_file():
        raise NotACheckoutError(f"{template} does not exist: run this from a checkout of the repository")
    home = (state_dir / "dagster").resolve()
    home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    home.chmod(PRIVATE_FOLDER)
    text = template.read_text(encoding="utf-8").replace(".local/dagster", str(home))
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()
        remove_logs_of_deleted_runs(instance, home)
    return home


def remove_logs_of_deleted_runs(instance: dg.DagsterInstance, home: Path) -> None:
    """SQLite has a file per run, and keeps it, emptied, when the run is deleted."""
    files = list((home / "history").glob("history/runs/*.db*"))
    known = set(instance.get_run_ids())  # after the files: a run is known before it has a log
    for file in files:
        run_id = file.name.partition(".db")[0]
        if run_id != "index" and run_id not in known:
            file.unlink(missing_ok=True)


def end_killed_runs(instance: dg.DagsterInstance) -> None:
    """End runs whose process was killed. They would keep their pool's slots, and the next run would wait for ever."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if PROCESS_TAG in run.tags and not process_exists(int(run.tags[PROCESS_TAG])):
            end_killed_run(instance, run)


def end_killed_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """What a code server and the daemon do about a run that they launched and that died."""
    instance.report_run_failed(run, "The process of the run was killed.")
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
