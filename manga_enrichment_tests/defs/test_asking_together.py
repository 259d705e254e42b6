"""The first op of a run that asks does so for all, and what has ended is written before the rest has."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from manga_enrichment.defs.shared.op_outputs import build_io_managers
from manga_enrichment.defs.shared.run_facts import is_to_run
from manga_enrichment.domain.outcomes.error_classes import ErrorClass, ModelError
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.gateways.objects import Rows
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.builders import SINGLES, catalog_row
from manga_enrichment_tests.defs.project import FIRST, LAST, Project, enrichment_ops, materialized, retried
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel, valid_answer
from manga_enrichment_tests.scripted_model import DEFAULT_USAGE

ASKED = ["genre_classification", "reading_level", "similar_series"]
"""What titles without a synopsis are asked for, one by one."""
TRIES_OF_A_CALL = 3
"""Before an op gives a title up that the model is too slow for."""
ENDS = [OSError("the machine is gone")]
SEEN: dict[str, bool] = {}


class Watched(MemoryTables):
    """Knows how many calls had been sent when a table was first written."""

    model: ScriptedModel

    def __init__(self) -> None:
        super().__init__()
        self.sent_before: dict[str, int] = {}

    def write(self, key: str, table: Rows, *, expected_etag: str | None = None, new: bool = False) -> str:
        self.sent_before.setdefault(key, len(self.model.sent))
        return super().write(key, table, expected_etag=expected_etag, new=new)


@pytest.mark.slow
def test_a_bucket_is_written_while_the_next_one_is_asked_and_all_in_one_op(tmp_path: Path) -> None:
    catalog = [catalog_row(number, synopsis=None) for number in range(24)]
    project = Project(tmp_path, catalog=catalog, concurrency=4)
    world = project.world
    world.model = ScriptedModel(world.clock, latency_seconds=1.0)
    world.tables = tables = Watched()
    tables.model = world.model
    project.build()
    result = project.run()
    assert result.success
    sent = len(world.model.sent)
    assert sent == len(ASKED) * len(catalog)
    for name in ASKED:
        assert 0 < tables.sent_before[table_key(name, FIRST)] < sent
        assert len(world.rows(table_key(name, FIRST))) + len(world.rows(table_key(name, LAST))) == len(catalog)
    assert {f"{what}_{name}" for what in ("invoke", "write") for name in SINGLES} < enrichment_ops(result)
    shown = materialized(result)["reading_level"]
    assert sum(shown[bucket]["calls"] for bucket in (FIRST, LAST)) == len(catalog)


@pytest.mark.slow
def test_the_op_that_asks_for_all_has_the_time_of_all(tmp_path: Path) -> None:
    catalog = [catalog_row(number, synopsis=None) for number in range(24)]
    project = Project(tmp_path, catalog=catalog, concurrency=4, deadline_seconds=10)
    world = project.world
    world.model = ScriptedModel(world.clock, latency_seconds=1.0)
    assert project.run().success
    assert len(world.model.sent) == len(ASKED) * len(catalog), "18 s of calls, 6 of each analysis"


@pytest.mark.slow
def test_one_analysis_of_those_that_were_asked_together_is_tried_again_alone(tmp_path: Path) -> None:
    catalog = [catalog_row(number, synopsis=None) for number in range(8)]
    project = Project(tmp_path, catalog=catalog, concurrency=4)
    world, late = project.world, "genre_classification"

    def answer(request: ModelCall) -> ModelReply:
        if request.prompt.tool_name == f"record_{late}" and world.model.sent[-1].attempt <= TRIES_OF_A_CALL:
            raise ModelError(ErrorClass.MODEL_TIMEOUT, "too slow")
        return ModelReply("tool_use", valid_answer(request.prompt), DEFAULT_USAGE)

    world.model = ScriptedModel(world.clock, otherwise=answer)
    result = project.run()
    assert result.success
    assert list(retried(result)) == [f"invoke_{late}"]
    for name in ASKED:
        assert len(world.rows(table_key(name, FIRST))) + len(world.rows(table_key(name, LAST))) == len(catalog)
    sent = Counter(each.analysis for each in world.model.sent)
    assert sent == {late: (TRIES_OF_A_CALL + 1) * len(catalog)} | dict.fromkeys(set(ASKED) - {late}, len(catalog))


@dg.op
def first() -> int:
    return 1


@dg.op
def second(context: dg.OpExecutionContext, given: int) -> int:
    if ENDS:
        raise ENDS.pop()
    SEEN.update({op: is_to_run(context, op) for op in ("first", "second", "third")})
    return given


@dg.op
def third(given: int) -> int:
    return given


@dg.graph
def chain() -> int:
    last: int = third(second(first()))
    return last


@dg.job(
    resource_defs={**build_io_managers(), "tables": dg.ResourceDefinition.hardcoded_resource(MemoryTables())},
    executor_def=dg.in_process_executor,
)
def in_a_graph() -> None:
    chain()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        yield instance


@pytest.mark.slow
def test_what_a_re_execution_does_not_take_up_is_not_to_run(instance: dg.DagsterInstance) -> None:
    def run(options: Any = None) -> Any:
        job = dg.reconstructable(in_a_graph)
        return dg.execute_job(job, instance, reexecution_options=options, raise_on_error=False)

    with run() as failed:
        assert not failed.success
    with run(dg.ReexecutionOptions.from_failure(failed.run_id, instance)) as again:
        assert again.success
    assert SEEN == {"first": False, "second": True, "third": True}


@pytest.mark.slow
def test_a_run_of_everything_is_to_run_all(instance: dg.DagsterInstance) -> None:
    SEEN.clear()
    with dg.execute_job(dg.reconstructable(in_a_graph), instance) as result:
        assert result.success
    assert SEEN == {"first": True, "second": True, "third": True}
