"""Dagster's own commands work on this project, as real processes and without a warning of ours."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.shared.tags import trigger_of
from manga_enrichment.local.dagster_home import prepare_dagster_home

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

SECONDS = 120


@pytest.fixture
def dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance as `make dev` has it, in a folder of its own."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return prepare_dagster_home(tmp_path)


def run(*command: str) -> str:
    """Output of a command of this environment, run in the repository with every warning shown."""
    program = Path(sys.executable).parent / command[0]
    completed = subprocess.run(
        [program, *command[1:]],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    output = completed.stdout + completed.stderr
    assert completed.returncode == 0, output
    return output


def warnings_of_ours(output: str) -> list[str]:
    package = str(REPOSITORY / "manga_enrichment")
    return [line for line in output.splitlines() if package in line and "Warning" in line]


@pytest.mark.usefixtures("dagster_home")
def test_dagster_definitions_validate() -> None:
    output = run("dagster", "definitions", "validate", "-m", "manga_enrichment.definitions")
    assert "All code locations passed validation" in output
    assert warnings_of_ours(output) == []


@pytest.mark.usefixtures("dagster_home")
def test_dg_check_defs() -> None:
    output = run("dg", "check", "defs")
    assert "All definitions loaded successfully" in output
    assert warnings_of_ours(output) == []


def test_dagster_job_backfill_queues_a_run_per_bucket(dagster_home: Path) -> None:
    """The UI groups buckets per run (BackfillPolicy); this command of Dagster's does not, and works all the same."""
    module = ("-m", "manga_enrichment.definitions", "-j", "nightly_enrichment")
    output = run("dagster", "job", "backfill", *module, "--from", "2", "--to", "4", "--noprompt")
    assert "Launched backfill job" in output
    assert warnings_of_ours(output) == []
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        runs = list(instance.get_runs())
    assert {each.tags["dagster/partition"] for each in runs} == {"2", "3", "4"}
    assert {trigger_of(each.tags) for each in runs} == {"backfill"}
    assert {each.status for each in runs} == {dg.DagsterRunStatus.QUEUED}


def test_a_killed_run_does_not_keep_its_place_in_a_pool_for_ever(dagster_home: Path) -> None:
    """Dagster's default is to keep it: every later refresh would wait for the one slot of `catalog`."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        assert 0 < instance.run_monitoring_settings["free_slots_after_run_end_seconds"] <= 60
