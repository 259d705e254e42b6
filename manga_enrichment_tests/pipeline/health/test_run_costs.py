"""What a run cost, read back from the requests log."""

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.pipeline.health.run_costs import latest_run, run_costs
from manga_enrichment_tests.builders import COMBINED, World, bare_record, provenance, put_catalog, record, title_id
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel

DAYS = [provenance().run_date]


def world_after_a_run(run_id: str = "run-1") -> World:
    world = World()
    put_catalog(world.tables, [record(1), record(2), record(3), record(4), bare_record(5)])
    world.model = ScriptedModel(
        world.clock, {title_id(1): [ErrorClass.REFUSAL], title_id(2): [ErrorClass.THROTTLED, None]}
    )
    world.run(run_id)
    return world


def test_a_runs_costs_are_those_of_its_ledger_entries() -> None:
    world = world_after_a_run()
    costs = run_costs(world.tables, "run-1", DAYS)
    assert costs.cost_micro_usd == sum(entry.cost_micro_usd for entry in world.ledger.entries.values())
    assert costs.cost_by_analysis[COMBINED] == costs.cost_micro_usd
    assert (costs.calls, costs.titles, costs.failed) == (5, 4, 1)
    assert costs.error_rate == 0.25
    assert costs.failed_by_class.total() == costs.failed


def test_titles_without_a_request_cost_nothing_and_are_not_counted_as_asked() -> None:
    world = World()
    put_catalog(world.tables, [bare_record(1)])
    world.run()
    costs = run_costs(world.tables, "run-1", DAYS)
    assert (costs.calls, costs.titles, costs.cost_micro_usd) == (0, 0, 0)
    assert (costs.error_rate, costs.failed_by_class.total()) == (0.0, 0)


def test_each_run_has_its_own_costs() -> None:
    world = world_after_a_run()
    world.run("run-2")  # asks single calls for the title whose combined one was refused
    assert run_costs(world.tables, "run-1", DAYS).calls == 5
    assert run_costs(world.tables, "run-2", DAYS).calls == 4
    assert run_costs(world.tables, "run-3", DAYS).calls == 0


def test_the_latest_run_is_the_one_that_asked_last_whatever_its_name() -> None:
    world = world_after_a_run("z-first")
    world.clock.advance(60)
    world.model = ScriptedModel(world.clock)
    world.run("a-second")
    assert latest_run(world.tables, DAYS) == "a-second"


def test_without_a_log_there_is_no_latest_run() -> None:
    assert latest_run(MemoryTables(), DAYS) is None
