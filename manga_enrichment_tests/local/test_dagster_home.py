"""The home of the local Dagster instance."""

from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.local.dagster_home import prepare_dagster_home, server_environment


@dg.op
def rest() -> None: ...


@dg.job
def resting() -> None:
    rest()


def test_logs_of_deleted_runs_are_gone_at_the_next_start_and_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "replaced")  # and put back after the test
    home = prepare_dagster_home(tmp_path)
    with dg.DagsterInstance.get() as instance:
        deleted, kept = (resting.execute_in_process(instance=instance).run_id for _ in range(2))
        instance.delete_run(deleted)
    assert list(home.rglob(f"{deleted}.db"))
    prepare_dagster_home(tmp_path)
    assert not list(home.rglob(f"{deleted}.db"))
    with dg.DagsterInstance.get() as instance:
        assert instance.all_logs(kept)
        assert instance.fetch_run_status_changes(dg.DagsterEventType.RUN_SUCCESS, limit=5).records


def test_servers_share_few_heaps_unless_somebody_chose_otherwise(tmp_path: Path) -> None:
    assert server_environment({"A": "b"}, tmp_path) == {
        "A": "b",
        "DAGSTER_HOME": str(tmp_path),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "2",
    }
    assert server_environment({"MALLOC_ARENA_MAX": "8", "DAGSTER_HOME": "/"}, tmp_path) == {
        "DAGSTER_HOME": str(tmp_path),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "8",
    }


def test_a_queued_run_outlasts_a_code_server_that_is_away_for_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "replaced")
    prepare_dagster_home(tmp_path)
    with dg.DagsterInstance.get() as instance:
        queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert queue.max_user_code_failure_retries * queue.user_code_failure_retry_delay >= 600
    assert queue.tag_concurrency_limits, "what is said of runs is there as well"


def test_another_instance_is_taken_as_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "replaced")
    given = tmp_path / "mine.yaml"
    storage = f"storage: {{sqlite: {{base_dir: {tmp_path}/elsewhere}}}}\n"
    given.write_text(
        storage + "local_artifact_storage: {module: dagster.core.storage.root, "
        "class: LocalArtifactStorage, config: {base_dir: .local/dagster/artifacts}}\n"
    )
    home = prepare_dagster_home(tmp_path / "state", given)
    assert (tmp_path / "elsewhere").is_dir()
    assert not (home / "history").exists()
    assert f"{home}/artifacts" in (home / "dagster.yaml").read_text("utf-8")
