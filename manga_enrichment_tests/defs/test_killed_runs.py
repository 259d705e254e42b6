"""The sensor `killed_runs` against runs of real processes, one of them killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.operations.killed_runs import build_killed_runs_sensor, end_killed_runs, pid_of
from manga_enrichment.defs.shared.tags import CODE_SERVER_TAG, PROCESS_TAG
from manga_enrichment.runtime.processes import process_exists

pytestmark = pytest.mark.slow

_SECONDS = 60
_SLEEPER = """
import time
import dagster as dg

@dg.op
def sleep():
    time.sleep(600)

@dg.job
def sleeper():
    sleep()

with dg.DagsterInstance.get() as instance:
    sleeper.execute_in_process(instance=instance)
"""


@dg.op
def rest() -> None: ...


@dg.job
def idle() -> None:
    rest()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}", "utf-8")
    with dg.DagsterInstance.get() as instance:
        yield instance


def started_run(instance: dg.DagsterInstance) -> tuple[str, subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", _SLEEPER], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + _SECONDS
    known = set(instance.get_run_ids(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))
    while time.monotonic() < deadline:
        started = set(instance.get_run_ids(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))) - known
        if started and instance.all_logs(min(started), of_type=dg.DagsterEventType.STEP_START):
            return min(started), process
        time.sleep(0.1)
    raise TimeoutError("the run did not start")


def test_a_run_without_a_process_fails_and_one_with_a_process_goes_on(instance: dg.DagsterInstance) -> None:
    killed, first = started_run(instance)
    living, second = started_run(instance)
    try:
        assert list(end_killed_runs(instance)) == []
        first.kill()
        first.wait()
        with dg.build_sensor_context(instance=instance) as context:
            said = build_killed_runs_sensor()(context)
        assert isinstance(said, dg.SkipReason)
        assert said.skip_message == "1 runs were ended"
        runs = {run.run_id: run.status for run in instance.get_runs()}
        assert runs == {killed: dg.DagsterRunStatus.FAILURE, living: dg.DagsterRunStatus.STARTED}
        assert list(end_killed_runs(instance)) == []
    finally:
        second.kill()
        second.wait()


def silent_run(instance: dg.DagsterInstance, pid: int | str, *, parent: str | None = None) -> str:
    """A run that was begun inside a process, and has not said yet which one."""
    run = instance.create_run_for_job(
        idle, tags={PROCESS_TAG: str(pid)}, parent_run_id=parent, root_run_id=parent, status=dg.DagsterRunStatus.STARTED
    )
    assert pid_of(instance, run.run_id) is None
    return run.run_id


@pytest.fixture
def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        return process.pid


def test_a_run_that_was_killed_before_its_first_word_is_found_by_its_tag(
    instance: dg.DagsterInstance, dead_pid: int
) -> None:
    killed, living = silent_run(instance, dead_pid), silent_run(instance, os.getpid())
    assert list(end_killed_runs(instance)) == [killed]
    runs = {run.run_id: run.status for run in instance.get_runs()}
    assert runs == {killed: dg.DagsterRunStatus.FAILURE, living: dg.DagsterRunStatus.STARTED}


def test_the_inherited_tag_of_a_new_try_ends_nothing(instance: dg.DagsterInstance, dead_pid: int) -> None:
    first = silent_run(instance, dead_pid)
    assert list(end_killed_runs(instance)) == [first]
    silent_run(instance, dead_pid, parent=first)
    assert list(end_killed_runs(instance)) == []


@pytest.mark.parametrize(
    ("started_by", "here", "is_judged"),
    [
        ("code", "code", True),
        ("code", "other", False),
        ("code", "localhost", False),
        ("127.0.0.1", "localhost", True),
        ("localhost", "::1", True),
        (None, "localhost", True),
        (None, "code", False),
    ],
)
def test_process_ids_of_other_machines_and_containers_are_not_judged(
    instance: dg.DagsterInstance, dead_pid: int, started_by: str | None, here: str, is_judged: bool
) -> None:
    run_id = silent_run(instance, dead_pid)
    if started_by is not None:
        instance.add_run_tags(run_id, {CODE_SERVER_TAG: json.dumps({"host": started_by, "port": 4000})})
    assert list(end_killed_runs(instance, here=here)) == ([run_id] if is_judged else [])


def test_a_tag_that_is_no_process_id_ends_nothing(instance: dg.DagsterInstance) -> None:
    silent_run(instance, "nonsense")
    assert list(end_killed_runs(instance)) == []


def test_a_process_that_took_over_the_id_is_another_one() -> None:
    assert process_exists(os.getpid(), since=time.time())
    assert not process_exists(os.getpid(), since=0.0)


def test_a_process_that_ended_and_was_not_collected_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process_exists(child.pid)
    child.wait()
    assert not process_exists(child.pid)
