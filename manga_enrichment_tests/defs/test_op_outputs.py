"""What an op hands on is an object of the results bucket: another try of the run finds it there, wherever it runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.shared.op_outputs import build_io_managers
from manga_enrichment.gateways.errors import StoreUnavailableError
from manga_enrichment_tests.fakes import MemoryTables

TABLES = MemoryTables()
ENDS: list[Exception] = []
"""How the next tries of `ask` end; those beyond succeed."""


@dg.op
def plan() -> dict[str, Any]:
    return {"titles": 3, "lanes": {"genre": "auto"}, "none": None}


@dg.op
def ask(plan: dict[str, Any]) -> int:
    if ENDS:
        raise ENDS.pop()
    return int(plan["titles"])


@dg.job(
    resource_defs={**build_io_managers(), "tables": dg.ResourceDefinition.hardcoded_resource(TABLES)},
    executor_def=dg.in_process_executor,
)
def handing_on() -> None:
    ask(plan())


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        yield instance


def run(instance: dg.DagsterInstance, of: str = "") -> Any:
    options = dg.ReexecutionOptions.from_failure(of, instance) if of else None
    return dg.execute_job(dg.reconstructable(handing_on), instance, reexecution_options=options, raise_on_error=False)


def test_a_run_that_is_continued_reads_what_the_one_before_it_handed_on(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    ENDS.append(OSError("the machine is gone"))
    with run(instance) as first:
        assert not first.success
    assert TABLES.list_keys(f"runs/{first.run_id}/") == [f"runs/{first.run_id}/outputs/plan/result.json"]
    assert not list(tmp_path.rglob("storage/**/plan/*"))
    with run(instance, of=first.run_id) as second:
        assert second.success
        assert second.output_for_node("ask") == 3
    assert TABLES.list_keys(f"runs/{second.run_id}/") == [f"runs/{second.run_id}/outputs/ask/result.json"]


def test_what_is_gone_is_said_and_not_tried_again(instance: dg.DagsterInstance) -> None:
    ENDS.append(OSError("the machine is gone"))
    with run(instance) as first:
        TABLES.delete(f"runs/{first.run_id}/outputs/plan/result.json")
    with run(instance, of=first.run_id) as second:
        assert not second.success
        (failed,) = (event for event in second.all_events if event.is_step_failure)
    said = str(failed.step_failure_data.user_failure_data.description)
    assert said.startswith(f"what plan of run {first.run_id} handed on is gone")


class Unread(MemoryTables):
    """Knows what was read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.read_keys: list[str] = []

    def read_json(self, key: str) -> dict[str, Any] | None:
        self.read_keys.append(key)
        return super().read_json(key)


def test_an_op_of_the_same_process_is_given_what_the_object_says_and_does_not_read_it() -> None:
    tables, given = Unread(), []

    @dg.op
    def making() -> dict[str, Any]:
        return {"titles": (1, 2), "lane": "auto"}

    @dg.op
    def taking(made: dict[str, Any]) -> None:
        given.append(made)
        made["titles"].append(3)

    @dg.job(resource_defs={**build_io_managers(), "tables": dg.ResourceDefinition.hardcoded_resource(tables)})
    def both() -> None:
        made = making()
        taking.alias("first")(made)
        taking.alias("second")(made)

    assert both.execute_in_process().success
    assert given == [{"titles": [1, 2, 3], "lane": "auto"}] * 2
    assert tables.read_keys == []


class AwayOnce(MemoryTables):
    """Takes no document at first."""

    is_away = True

    def write_json(self, key: str, *args: Any, **kwargs: Any) -> None:
        if self.is_away:
            self.is_away = False
            raise StoreUnavailableError("S3 is away")
        super().write_json(key, *args, **kwargs)


def test_while_the_store_is_away_the_op_is_tried_again() -> None:
    @dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
    def hopeful() -> int:
        return 1

    @dg.job(resource_defs={**build_io_managers(), "tables": dg.ResourceDefinition.hardcoded_resource(AwayOnce())})
    def waiting() -> None:
        hopeful()

    result = waiting.execute_in_process(raise_on_error=False)
    assert result.success
    assert [event.event_type_value for event in result.all_events if "RETR" in event.event_type_value]
    assert result.output_for_node("hopeful") == 1
