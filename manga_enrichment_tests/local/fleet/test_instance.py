"""The fleet's instance is the deployed one, but for what this machine has not."""

from pathlib import Path

import dagster as dg
import yaml
from dagster_aws.ecs import EcsRunLauncher

from manga_enrichment.local.fleet.instance import CLUSTER, DEPLOYED, on_this_machine, prepare_fleet_home
from manga_enrichment.runtime.shipped import shipped

ROOM_FOR_OTHERS = 14


def deployed() -> dict[str, object]:
    read: dict[str, object] = yaml.safe_load(shipped(DEPLOYED).read_text("utf-8"))
    return read


def test_it_differs_in_database_network_and_numbers_of_runs_alone(tmp_path: Path) -> None:
    home = prepare_fleet_home(tmp_path, None, postgres_port=5_433, tasks_at_once=7)
    here, there = yaml.safe_load((home / "dagster.yaml").read_text("utf-8")), deployed()
    same = set(there) - {"storage", "run_launcher", "concurrency"}
    assert {name: here[name] for name in same} == {name: there[name] for name in same}
    assert set(here) == set(there)
    database = here["storage"]["postgres"]["postgres_db"]
    assert database["port"] == 5_433
    assert "params" not in database
    assert all(set(database[name]) == {"env"} for name in ("hostname", "username", "password"))
    launcher = here["run_launcher"]["config"]
    assert launcher["task_definition"] == {"env": "MANGA_RUN_TASK_DEFINITION"}
    assert launcher["run_task_kwargs"]["cluster"] == CLUSTER
    runs = here["concurrency"]["runs"]
    limits = {each["key"]: each["limit"] for each in runs["tag_concurrency_limits"]}
    assert limits["night"] == 7
    assert runs["max_concurrent_runs"] == 7 + ROOM_FOR_OTHERS >= sum(limits.values())


def test_its_launcher_takes_what_it_is_given() -> None:
    config = on_this_machine(deployed(), yaml.safe_load(shipped("dagster.yaml").read_text("utf-8")), 5_433, 4)

    @dg.op(config_schema=EcsRunLauncher.config_type())
    def launcher() -> None: ...

    @dg.job
    def launching() -> None:
        launcher()

    assert dg.validate_run_config(launching, {"ops": {"launcher": {"config": config["run_launcher"]["config"]}}})


def test_an_instance_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    given = tmp_path / "mine.yaml"
    given.write_text("telemetry: {enabled: false}\n", "utf-8")
    home = prepare_fleet_home(tmp_path / "state", given, postgres_port=1, tasks_at_once=1)
    assert (home / "dagster.yaml").read_text("utf-8") == given.read_text("utf-8")
