"""The requests log added up: nothing is lost in the sums, and they agree with the budget counters."""

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.budget import BudgetScope
from manga_enrichment.pipeline.health.daily_costs import (
    AT_ONCE,
    SCHEMA,
    days_until,
    read_days,
    reconcile,
    runs_by_kind,
    sum_log,
    write_day,
)
from manga_enrichment.pipeline.store.object_keys import costs_key, requests_prefix
from manga_enrichment_tests.builders import COMBINED, World, bare_record, provenance, put_catalog, record, title_id
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel

DAY = provenance().run_date


def total(table: pa.Table, column: str) -> int:
    return int(pc.sum(table.column(column)).as_py() or 0)


@pytest.fixture
def world() -> World:
    """One title answered at once, one refused, one throttled first, one lost for good, one without text."""
    world = World()
    put_catalog(world.tables, [record(1), record(2), record(3), record(4), bare_record(5)])
    script = {
        title_id(2): [ErrorClass.REFUSAL],
        title_id(3): [ErrorClass.THROTTLED, None],
        title_id(4): [ErrorClass.READ_TIMEOUT] * 2,
    }
    world.model = ScriptedModel(world.clock, script)
    world.run()
    return world


def test_the_sums_are_those_of_the_log(world: World) -> None:
    table, log = write_day(world.tables, DAY), [row for row in world.log() if row["attempt"] > 0]
    assert total(table, "calls") == len(log)
    for column in ("cost_micro_usd", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
        assert total(table, column) == sum(row[column] for row in log)
    assert total(table, "wasted_micro_usd") == sum(row["cost_micro_usd"] for row in log if row["error_class"])
    assert total(table, "maybe_billed_micro_usd") == sum(row["cost_micro_usd"] for row in log if row["maybe_billed"])
    assert (
        0 < total(table, "maybe_billed_micro_usd") <= total(table, "wasted_micro_usd") < world.logged_cost_micro_usd()
    )


def test_titles_and_calls_are_counted_by_what_became_of_them(world: World) -> None:
    [row] = write_day(world.tables, DAY).to_pylist()
    assert (row["analysis"], row["dagster_run_id"], row["trigger"], row["partner_id"]) == (
        COMBINED,
        "run-1",
        provenance().trigger,
        None,
    )
    assert (row["calls"], row["titles"], row["answered"], row["failed"]) == (6, 4, 2, 2)
    assert (row["throttled"], row["unpriced_calls"]) == (1, 0)
    assert row["first_at"] <= row["last_at"]


def test_summing_a_log_in_parts_or_whole_gives_the_same(world: World) -> None:
    keys = world.tables.list_keys(requests_prefix(DAY))
    stored = [found.table for key in keys if (found := world.tables.read(key)) is not None]
    sent = pa.concat_tables(stored).filter(pc.field("attempt") > 0)
    assert sum_log(sent.slice(row, 1) for row in range(sent.num_rows)) == sum_log([sent])


def test_a_day_of_more_parts_than_are_held_at_once_is_summed_whole(world: World) -> None:
    keys = world.tables.list_keys(requests_prefix(DAY))
    stored = [found.table for key in keys if (found := world.tables.read(key)) is not None]
    sent = pa.concat_tables(stored).filter(pc.field("attempt") > 0)
    [once], [often] = sum_log([sent]).to_pylist(), sum_log([sent] * (2 * AT_ONCE + 1)).to_pylist()
    assert {name: often[name] for name in ("calls", "cost_micro_usd", "answered")} == {
        name: (2 * AT_ONCE + 1) * once[name] for name in ("calls", "cost_micro_usd", "answered")
    }
    assert (often["first_at"], often["last_at"]) == (once["first_at"], once["last_at"])


def test_writing_a_day_again_changes_nothing(world: World) -> None:
    first = write_day(world.tables, DAY)
    before = world.tables.read(costs_key(DAY))
    assert write_day(world.tables, DAY) == first
    after = world.tables.read(costs_key(DAY))
    assert before is not None
    assert after is not None
    assert before.etag == after.etag


def test_a_day_without_a_log_leaves_no_object() -> None:
    tables = MemoryTables()
    assert write_day(tables, DAY) == SCHEMA.empty_table()
    assert read_days(tables, [DAY]) == {}


def test_the_log_agrees_with_the_counter_to_the_micro_dollar(world: World) -> None:
    write_day(world.tables, DAY)
    [found] = reconcile(world.tables, world.ledger, world.budget, [DAY], world.clock.now())
    assert found.logged_micro_usd == found.spent_micro_usd == world.logged_cost_micro_usd() > 0
    assert (found.difference_micro_usd, found.is_open) == (0, False)


def test_spend_that_nobody_logged_is_a_difference(world: World) -> None:
    write_day(world.tables, DAY)
    assert world.budget.reserve([BudgetScope(f"day:{DAY}", 10**9)], "stranger", 3, world.clock.now())
    world.budget.spend("stranger", 3)
    world.budget.close("stranger")
    [found] = reconcile(world.tables, world.ledger, world.budget, [DAY], world.clock.now())
    assert found.difference_micro_usd == -3


def test_runs_are_listed_by_what_they_sent_last(world: World) -> None:
    world.clock.advance(60)
    world.model = ScriptedModel(world.clock)
    world.run("a-second")
    kinds = runs_by_kind(read_days_of(world))
    assert {(kind.analysis, kind.asked_by, kind.lane) for kind in kinds} >= {(COMBINED, "catalog", "on_demand")}
    ordered = {kind.analysis: [run.run_id for run in runs] for kind, runs in kinds.items()}
    assert ordered[COMBINED] == ["a-second", "run-1"]
    parts = {name: runs for name, runs in ordered.items() if name != COMBINED}
    assert parts
    assert all(runs == ["a-second"] for runs in parts.values()), "what was refused is asked in parts"
    assert sum(run.cost_micro_usd for runs in kinds.values() for run in runs) == world.logged_cost_micro_usd()


def test_kinds_of_calls_are_kept_apart_and_runs_of_one_are_newest_first(world: World) -> None:
    [row] = write_day(world.tables, DAY).to_pylist()
    later = row["last_at"] + timedelta(hours=1)
    chat = {**row, "dagster_run_id": "chat", "trigger": "partner", "model_id": "sonnet", "last_at": later}
    batch = {**row, "dagster_run_id": "by-batch", "lane": "batch"}
    again = {**row, "dagster_run_id": "later", "last_at": later}
    served = {**row, "dagster_run_id": "served", "calls": 0}
    kinds = runs_by_kind([pa.Table.from_pylist([row, chat, batch, again, served], schema=SCHEMA)])
    found = {(kind.model_id, kind.lane, kind.asked_by): [run.run_id for run in runs] for kind, runs in kinds.items()}
    assert found == {
        (row["model_id"], "on_demand", "catalog"): ["later", "run-1"],
        ("sonnet", "on_demand", "partner"): ["chat"],
        (row["model_id"], "batch", "catalog"): ["by-batch"],
    }


def read_days_of(world: World) -> list[pa.Table]:
    write_day(world.tables, DAY)
    return list(read_days(world.tables, [DAY]).values())


def test_days_end_with_the_one_given() -> None:
    assert days_until(date(2026, 3, 1), 3) == ["2026-02-27", "2026-02-28", "2026-03-01"]
