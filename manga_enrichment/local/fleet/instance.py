"""The fleet's Dagster instance: the one of `deploy/dagster.yaml`, on this machine.

Belongs here: what differs from the instance on AWS, and why. Stays out: what it is told by variables (`site.py`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from manga_enrichment.defs.shared.tags import NIGHT_TAG
from manga_enrichment.local.stack.processes import PRIVATE_FOLDER
from manga_enrichment.runtime.shipped import shipped

DEPLOYED = "deploy/dagster.yaml"
CLUSTER = "manga-fleet"


def prepare_fleet_home(state_dir: Path, given: Path | None, *, postgres_port: int, tasks_at_once: int) -> Path:
    """A DAGSTER_HOME for the servers. given: an instance that is taken as it is, instead of the shipped one."""
    home = (state_dir / "dagster").resolve()
    home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    text = (given or shipped(DEPLOYED)).read_text("utf-8")
    if given is None:
        laptop = yaml.safe_load(shipped("dagster.yaml").read_text("utf-8"))
        text = yaml.safe_dump(on_this_machine(yaml.safe_load(text), laptop, postgres_port, tasks_at_once))
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    return home


def on_this_machine(
    deployed: Mapping[str, Any], laptop: Mapping[str, Any], postgres_port: int, tasks_at_once: int
) -> dict[str, Any]:
    """laptop: the instance of `make dev`, whose numbers of runs suit one machine. tasks_at_once: of a night."""
    database = deployed["storage"]["postgres"]["postgres_db"]
    here = {name: value for name, value in database.items() if name != "params"}  # the wheel's has no TLS
    launcher = deployed["run_launcher"]
    # Servers are no tasks here, so there is no task of theirs whose cluster and network could be read.
    placed = {"use_current_ecs_task_config": False, "run_task_kwargs": {"cluster": CLUSTER, "launchType": "EXTERNAL"}}
    runs = laptop["concurrency"]["runs"]
    limits = [
        {**limit, "limit": tasks_at_once} if limit["key"] == NIGHT_TAG else limit
        for limit in runs["tag_concurrency_limits"]
    ]
    most = runs["max_concurrent_runs"] + tasks_at_once
    return {
        **deployed,
        "storage": {"postgres": {"postgres_db": {**here, "port": postgres_port}}},
        "run_launcher": {**launcher, "config": {**launcher["config"], **placed}},
        "concurrency": {
            **laptop["concurrency"],
            "runs": {"max_concurrent_runs": most, "tag_concurrency_limits": limits},
        },
    }
