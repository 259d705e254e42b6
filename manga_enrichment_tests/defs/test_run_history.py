"""Old runs are deleted with their logs; what the UI needs to know stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.operations.run_history import HISTORY_JOB, Pruning, build_history_job
from manga_enrichment_tests.fakes import FakeClock

pytestmark = pytest.mark.slow

NOW = datetime.now(UTC)
IN_40_DAYS = NOW + timedelta(days=40)


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["0", "1"]))
def shelves() -> None:
    """Books."""


@dg.asset
def looks() -> None:
    """At queues."""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """With SQLite files, as `make dev` has."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def materialize(
    instance: dg.DagsterInstance, asset: dg.AssetsDefinition, partition: str | None = None, **tags: str
) -> str:
    return dg.materialize([asset], instance=instance, partition_key=partition, tags=tags).run_id


def left(instance: dg.DagsterInstance) -> set[str]:
    return {record.dagster_run.run_id for record in instance.get_run_records()}


def test_a_run_goes_when_it_is_old_and_newer_ones_have_taken_its_place(instance: dg.DagsterInstance) -> None:
    first, second = materialize(instance, shelves, "0"), materialize(instance, shelves, "0")
    assert Pruning(instance, NOW + timedelta(days=20), 30).prune() == 0
    assert Pruning(instance, IN_40_DAYS, 30).prune() == 1
    assert left(instance) == {second}
    assert instance.all_logs(first) == []


def test_the_run_behind_a_partitions_latest_materialization_stays(instance: dg.DagsterInstance) -> None:
    runs = {materialize(instance, shelves, "0"), materialize(instance, shelves, "1"), materialize(instance, looks)}
    pruning = Pruning(instance, IN_40_DAYS, 30)
    assert pruning.prune() == 0
    assert pruning.kept == left(instance) == runs
    assert instance.get_materialized_partitions(shelves.key) == {"0", "1"}


def test_a_job_may_say_that_its_runs_are_worth_less(instance: dg.DagsterInstance) -> None:
    short, kept = (materialize(instance, looks, **{"manga/history_days": "3"}) for _ in range(2))
    long, longer = materialize(instance, shelves, "0"), materialize(instance, shelves, "0")
    Pruning(instance, NOW + timedelta(days=4), 30).prune()
    assert left(instance) == {kept, long, longer}
    assert short not in left(instance)


@pytest.mark.parametrize("tag", ["soon", "", "-1", "400"])
def test_a_tag_that_makes_no_sense_or_asks_for_more_changes_nothing(instance: dg.DagsterInstance, tag: str) -> None:
    first, second = (materialize(instance, looks, **{"manga/history_days": tag}) for _ in range(2))
    assert Pruning(instance, NOW + timedelta(days=20), 30).prune() == 0
    assert Pruning(instance, IN_40_DAYS, 30).prune() == 1
    assert left(instance) == {second} != {first}


def test_a_run_that_has_not_ended_stays(instance: dg.DagsterInstance) -> None:
    with instance:
        job = dg.define_asset_job("job", selection=[looks])
        definition = dg.Definitions(assets=[looks], jobs=[job]).resolve_job_def("job")
        run = instance.create_run_for_job(definition, status=dg.DagsterRunStatus.STARTED)
        assert Pruning(instance, IN_40_DAYS, 30).prune() == 0
        assert left(instance) == {run.run_id}


def test_what_a_run_left_on_disk_goes_with_it(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    first = materialize(instance, looks)
    second = materialize(instance, looks)
    assert list(tmp_path.rglob(f"{first}/**/*.complete"))
    Pruning(instance, IN_40_DAYS, 30).prune()
    # SQLite keeps the file of its log, without a row in it: local/dagster_home.py sees to that.
    assert [found.name for found in tmp_path.rglob(f"*{first}*")] == [f"{first}.db"]
    assert len(list(tmp_path.rglob(f"*{second}*"))) > 1


def test_the_job_says_how_many_it_deleted(instance: dg.DagsterInstance) -> None:
    materialize(instance, looks)
    materialize(instance, looks)
    result = build_history_job(30).execute_in_process(resources={"clock": FakeClock(IN_40_DAYS)}, instance=instance)
    assert result.job_def.name == HISTORY_JOB
    assert result.output_for_node("prune_runs") == 1
