"""A real daemon goes on with a night by the sensor `nights`; what the runbook says to type comes to its end."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.names import CATALOG
from manga_enrichment.defs.shared.tags import NIGHT_PART_TAG, NIGHT_TAG, range_tags
from manga_enrichment.domain.operations.nights import IMPORT, night_of
from manga_enrichment.local import dagster_servers
from manga_enrichment.local.dagster_home import LOCATION, REPOSITORY_NAME, prepare_dagster_home, server_environment
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.processes import LOOPBACK, answers, free_port
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment_tests.documents import REPOSITORY, commands

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECONDS = 400.0
BUCKETS = 2
TITLES = 12
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on InvalidSubsetError { message } }
}
"""


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.5)


@pytest.fixture
def home(
    local_stack: LocalStack, fresh_stack_state: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Where the servers of `make dev` run, over a catalog of two buckets."""
    monkeypatch.setenv("DAGSTER_HOME", "replaced")  # and put back after the test
    home = prepare_dagster_home(tmp_path)
    rows = (REPOSITORY / "data/catalog/sample.jsonl").read_text("utf-8").splitlines()[:TITLES]
    (home / "catalog.jsonl").write_text("\n".join(rows), "utf-8")
    environment = server_environment(local_stack.child_environment(os.environ), home) | {
        "MANGA_CATALOG_URI": str(home / "catalog.jsonl"),
        "MANGA_CATALOG_BUCKETS": str(BUCKETS),
        "MANGA_BUCKETS_PER_RUN": "1",
        "PORT": str(free_port()),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    words = [sys.executable, "-m", dagster_servers.__name__, "manga_enrichment.definitions", LOCATION]
    with (home / "log").open("wb") as log:
        servers = subprocess.Popen(
            [*words, environment["PORT"]], cwd=home, stdout=log, stderr=log, start_new_session=True
        )
    try:
        url = f"http://{LOOPBACK}:{environment['PORT']}/server_info"
        wait_until(lambda: answers(url) or servers.poll() is not None, "the UI answers")
        yield home
    finally:
        with suppress(ProcessLookupError):
            os.killpg(servers.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            servers.wait(40)
        with suppress(ProcessLookupError):
            os.killpg(servers.pid, signal.SIGKILL)
        servers.wait()


def runs_of(instance: dg.DagsterInstance, known: set[str]) -> list[dg.DagsterRun]:
    """Of the nightly job, but for those that are known already."""
    return [run for run in instance.get_runs(dg.RunsFilter(job_name=NIGHTLY_JOB)) if run.run_id not in known]


def test_a_night_goes_on_and_what_the_runbook_says_to_type_comes_to_its_end(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        known: set[str] = set()

        def succeed(count: int) -> list[dg.DagsterRun]:
            wait_until(lambda: sum(run.is_finished for run in runs_of(instance, known)) >= count, f"{count} runs end")
            ended = runs_of(instance, known)
            known.update(run.run_id for run in ended)
            assert [run.status for run in ended] == [dg.DagsterRunStatus.SUCCESS] * count
            return ended

        night = night_of(SystemClock().now())
        launch_import(night)
        parts = {
            run.tags.get(NIGHT_PART_TAG, run.tags.get("dagster/asset_partition_range_start")): run for run in succeed(3)
        }
        assert set(parts) == {IMPORT, "0", "1"}
        assert {run.tags[NIGHT_TAG] for run in parts.values()} == {night}
        backfill, launch = (each.text for each in commands("dagster"))
        typed(launch.replace('"7"', f'"{BUCKETS - 1}"'), home)
        succeed(1)
        typed(backfill, home)
        assert {run.tags["dagster/partition"] for run in succeed(BUCKETS)} == {"0", "1"}


def typed(command: str, home: Path) -> None:
    line = f"export PATH={Path(sys.executable).parent}:$PATH; {command}"
    done = subprocess.run(["bash", "-c", line], cwd=home, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def launch_import(night: str) -> None:
    """As the schedule begins a night."""
    tags = {**range_tags("0", str(BUCKETS - 1)), NIGHT_TAG: night, NIGHT_PART_TAG: IMPORT}
    selector = {
        "repositoryLocationName": LOCATION,
        "repositoryName": REPOSITORY_NAME,
        "jobName": NIGHTLY_JOB,
        "assetSelection": [{"path": [CATALOG]}],
    }
    metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
    params = {"selector": selector, "executionMetadata": metadata, "runConfigData": {}, "mode": "default"}
    answer = asked({"query": LAUNCH, "variables": {"params": params}})
    assert answer["data"]["launchRun"]["__typename"] == "LaunchRunSuccess", answer


def asked(question: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{os.environ['PORT']}/graphql",
        json.dumps(question).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.loads(answer.read())
