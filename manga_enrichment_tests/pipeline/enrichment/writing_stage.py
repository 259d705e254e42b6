"""A run that has asked and not yet written: one title of every kind of ending."""

from collections.abc import Sequence
from typing import Any

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import World, bare_record, put_catalog, record, title_id
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel, Step

TITLES = [record(1), record(2), record(3), record(4), bare_record(5)]
SCRIPT: dict[str, Sequence[Step]] = {
    title_id(2): [ErrorClass.REFUSAL],  # of the combined call: failed for good
    title_id(3): [ErrorClass.READ_TIMEOUT] * 2,  # failed in passing, maybe billed
    title_id(4): [ErrorClass.THROTTLED, None],
}


def asked_world(tables: MemoryTables | None = None) -> World:
    """Planned and asked as run-1, nothing written yet."""
    world = World(tables=tables or MemoryTables())
    put_catalog(world.tables, TITLES)
    world.model = ScriptedModel(world.clock, SCRIPT)
    world.plan()
    for name in ANALYSES:
        world.invoke(name)
    return world


def write_all(world: World, run_id: str = "run-1") -> None:
    for name in ANALYSES:
        world.write(name, run_id)


def attempts_of(world: World) -> list[dict[str, Any]]:
    """Rows about requests that were sent, in an order of their own.

    Without why: that a title was tried before is known from its outcome, which a killed run may not have written.
    """
    rows = [{**row, "why": None} for row in world.log() if row["attempt"] > 0]
    return sorted(rows, key=lambda row: (row["dagster_run_id"], row["manga_id"], row["analysis"], row["attempt"]))


def decisions(world: World, name: str) -> dict[str, tuple[str, str | None]]:
    return {manga_id: (row["outcome"], row["error_class"]) for manga_id, row in world.outcomes(name).items()}
