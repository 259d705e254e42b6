"""Where the local stack's Dagster instance keeps its state, made from the shipped dagster.yaml.

Belongs here: the folder and what is in it, the environment of the servers. Stays out: runs
(`defs/operations/killed_runs.py`).
"""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from manga_enrichment.local.stack.processes import PRIVATE_FOLDER
from manga_enrichment.runtime.garbage import FEW_HEAPS
from manga_enrichment.runtime.shipped import shipped

LOCATION, REPOSITORY_NAME = "manga_enrichment", "__repository__"
"""What the code location is called here, as in workspace.yaml, and what Dagster calls the repository in it."""


def prepare_dagster_home(state_dir: Path, dagster_yaml: Path | None = None) -> Path:
    """A DAGSTER_HOME whose configuration keeps everything under `state_dir`.

    dagster_yaml: instead of the shipped one; `.local/dagster` in it is the home, too. The storage is opened once here:
    two processes that open a fresh SQLite home at the same time break its migration.
    """
    template = dagster_yaml or shipped("dagster.yaml")
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


def server_environment(base: Mapping[str, str], home: Path) -> dict[str, str]:
    """Of webserver, daemon and code server, and so of runs. What is set for their heaps holds."""
    return {**FEW_HEAPS, **base, "DAGSTER_HOME": str(home)}


def remove_logs_of_deleted_runs(instance: dg.DagsterInstance, home: Path) -> None:
    """SQLite has a file per run, and keeps it, emptied, when the run is deleted."""
    files = list((home / "history").glob("history/runs/*.db*"))
    known = set(instance.get_run_ids())  # after the files: a run is known before it has a log
    for file in files:
        run_id = file.name.partition(".db")[0]
        if run_id != "index" and run_id not in known:
            file.unlink(missing_ok=True)
