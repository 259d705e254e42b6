"""The nightly job on machines that share Dagster's storage and nothing else: each has a disk of its own.

Belongs here: such machines, a run on one, and its next try on another. Stays out: how a run dies (`doomed.py`).
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.doomed import CONTEXT, Doom, doomed_resources

_SECONDS = 240


def make_machine(root: Path, name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of one more machine; all under `root` have the same history."""
    home, disk = root / name / "home", root / name / "tmp"
    for folder in (home, disk):
        folder.mkdir(parents=True)
    artifacts = {"base_dir": str(root / name / "artifacts")}
    config = {
        "storage": {"sqlite": {"base_dir": str(root / "shared")}},
        "local_artifact_storage": {
            "module": "dagster.core.storage.root",
            "class": "LocalArtifactStorage",
            "config": artifacts,
        },
        "telemetry": {"enabled": False},
    }
    (home / "dagster.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML, too
    return {**environment, "DAGSTER_HOME": str(home), "TMPDIR": str(disk)}


def run_on(machine: Mapping[str, str], doom: Doom) -> int:
    """A first try, which the doom ends; the exit code of its process."""
    return _in_child(_first_try, machine, doom)


def continue_on(machine: Mapping[str, str], run_id: str) -> int:
    """What Dagster's daemon does with a run that died: another one from its first failure on. 0: it succeeded."""
    return _in_child(_next_try, machine, run_id)


def nightly_job() -> dg.JobDefinition:
    return build_definitions(load_settings()).resolve_job_def(NIGHTLY_JOB)


def _in_child(work: Callable[..., None], machine: Mapping[str, str], about: object) -> int:
    child = CONTEXT.Process(target=work, args=(dict(machine), about))
    child.start()
    child.join(_SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
        raise TimeoutError(f"the run did not end within {_SECONDS} s")
    assert child.exitcode is not None
    return child.exitcode


def _become(machine: Mapping[str, str]) -> dg.DagsterInstance:
    os.environ.clear()
    os.environ.update(machine)
    return dg.DagsterInstance.get()


def _first_try(machine: dict[str, str], doom: Doom) -> None:
    instance, settings = _become(machine), load_settings()
    definitions = build_definitions(settings, resources=doomed_resources(settings, doom))
    job = definitions.resolve_job_def(NIGHTLY_JOB)
    job.execute_in_process(instance=instance, tags=range_tags("0", "0"), raise_on_error=False)


def _next_try(machine: dict[str, str], run_id: str) -> None:
    instance = _become(machine)
    options = dg.ReexecutionOptions.from_failure(run_id, instance)
    job = dg.reconstructable(nightly_job)
    result = dg.execute_job(job, instance, tags=range_tags("0", "0"), reexecution_options=options)
    os._exit(0 if result.success else 1)
