"""How far a night is, by the events of its run."""

from collections.abc import Callable

import dagster as dg
import pytest

from manga_enrichment.local.demo.night_watch import Night
from manga_enrichment.local.demo.stages import Progress, Stage

pytestmark = pytest.mark.slow

RUN_ID = "b1f3f7a6-0b3e-4c38-9d5a-7f4d4f0e3f11"


def job(look: Callable[[str], None]) -> dg.JobDefinition:
    """Steps named as those of a night; each looks how far it is said to be."""

    def op(name: str, calls: int | None = None) -> dg.OpDefinition:
        @dg.op(name=name, ins={"after": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
        def step(context: dg.OpExecutionContext) -> None:
            look(name)
            if calls is not None:
                context.add_output_metadata({"calls": calls})

        return step

    plan, invoke, first, second = op("plan", 40), op("invoke_a"), op("write_a"), op("write_b")

    @dg.graph(out=dg.GraphOut(), ins={"after": dg.GraphIn()})
    def enrichment(after):  # type: ignore[no-untyped-def]
        return second(first(invoke(plan(after))))

    catalog, candidates, wide = op("manga_catalog"), op("similar_candidates"), op("enriched_catalog")

    @dg.job
    def night() -> None:
        wide(enrichment(candidates(catalog())))

    return night


def test_each_step_begins_its_stage_and_calls_and_tables_are_counted() -> None:
    seen: dict[str, Progress] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        billed = {"invoke_a": 30, "write_a": 41}
        current = [""]
        night = Night(instance, RUN_ID, 2, lambda: billed.get(current[0], 0))
        assert night.progress() == Progress(Stage.LOAD)

        def look(name: str) -> None:
            current[0] = name
            seen[name] = night.progress()

        assert job(look).execute_in_process(instance=instance, run_id=RUN_ID).success
    assert seen == {
        "manga_catalog": Progress(Stage.IMPORT),
        "similar_candidates": Progress(Stage.CANDIDATES),
        "plan": Progress(Stage.PLAN),
        "invoke_a": Progress(Stage.ASK, 30, 40),
        "write_a": Progress(Stage.WRITE, 0, 2),
        "write_b": Progress(Stage.WRITE, 1, 2),
        "enriched_catalog": Progress(Stage.CHECK),
    }


def test_repairs_are_calls_too_but_no_more_than_all_are_told() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        night = Night(instance, RUN_ID, 2, lambda: 50)
        seen = list[Progress]()
        job(lambda _name: seen.append(night.progress())).execute_in_process(instance=instance, run_id=RUN_ID)
    assert Progress(Stage.ASK, 40, 40) in seen
