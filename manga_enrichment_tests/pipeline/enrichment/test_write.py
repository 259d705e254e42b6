"""Writing: what lands in tables, outcomes and log, also with two writers at once."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.gateways.errors import WriteConflictError
from manga_enrichment.gateways.objects import StoredFile
from manga_enrichment.pipeline.health.run_costs import run_costs
from manga_enrichment.pipeline.log.rows import REQUEST_SCHEMA
from manga_enrichment.pipeline.store.object_keys import outcomes_key, requests_key, table_key
from manga_enrichment.pipeline.store.rows import OUTCOME_SCHEMA, answer_schema
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import (
    BUCKET,
    COMBINED,
    SINGLES,
    World,
    bare_record,
    candidates_of,
    entry,
    provenance,
    put_catalog,
    record,
    title_id,
)
from manga_enrichment_tests.fakes import MemoryTables, ScriptedModel
from manga_enrichment_tests.pipeline.enrichment.writing_stage import (
    TITLES,
    asked_world,
    attempts_of,
    decisions,
    write_all,
)

DAYS = [provenance().run_date]


class RacedTables(MemoryTables):
    """Lets another writer in between a read of `key` and the write that follows it, as often as `races` says."""

    def __init__(self, key: str, races: int, other_writer: Callable[[], object]) -> None:
        super().__init__()
        self.key = key
        self.races = races
        self.other_writer = other_writer

    def open(self, key: str) -> StoredFile | None:
        stored = super().open(key)
        if key == self.key and self.races > 0:
            self.races -= 1
            self.other_writer()
        return stored


def test_an_undisturbed_run_logs_every_attempt_exactly_once() -> None:
    world = asked_world()
    write_all(world)
    logged = Counter((row["manga_id"], row["analysis"]) for row in attempts_of(world))
    assert logged == Counter((sent.manga_id, sent.analysis) for sent in world.model.sent)


def test_writing_twice_changes_not_a_byte() -> None:
    world = asked_world()
    write_all(world)
    before = dict(world.tables.objects)
    world.clock.advance(3600)
    write_all(world)
    assert world.tables.objects == before


def test_a_run_without_news_rewrites_no_table_and_logs_nothing() -> None:
    world = World()
    put_catalog(world.tables, [record(1), bare_record(2)])
    world.run("run-1")
    before = dict(world.tables.objects)
    assert before.keys() > {table_key(name, BUCKET) for name in SINGLES}
    world.clock.advance(86_400)
    world.run("run-2")
    assert {key: body for key, body in world.tables.objects.items() if not key.startswith("runs/")} == {
        key: body for key, body in before.items() if not key.startswith("runs/")
    }


def test_the_log_of_a_run_that_died_is_written_under_its_own_name_by_the_next() -> None:
    world = asked_world()
    world.run("run-2")
    rows = world.rows(requests_key(provenance().run_date, "run-1", COMBINED, BUCKET))
    assert {row["dagster_run_id"] for row in rows} == {"run-1"}
    assert {row["manga_id"] for row in rows} == {title_id(number) for number in (1, 2, 3, 4)}
    first, second = run_costs(world.tables, "run-1", DAYS), run_costs(world.tables, "run-2", DAYS)
    # The refused combined call is followed by four single ones, the timeouts by another combined one.
    assert (first.calls, second.calls) == (6, 5)
    assert first.cost_micro_usd == world.budget.spent("run:run-1")[1]


def test_an_answer_in_the_ledger_and_a_combined_call_for_the_rest_give_one_row_a_title() -> None:
    world = World()
    title = record(1)
    put_catalog(world.tables, TITLES)
    shown = candidates_of(TITLES)[title.manga_id]
    world.ledger.put_many([entry("reading_level", title, shown, run_id="run-0")], "run-0")
    world.run("run-1")
    assert world.answers("reading_level")[title.manga_id]["via"] == "reading_level"
    assert world.answers("content_summary")[title.manga_id]["via"] == COMBINED
    assert len(world.answers("reading_level")) == 4


def test_a_combined_call_that_fails_leaves_the_parts_that_are_up_to_date_alone() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    world.run("run-1", ["reading_level"])
    world.model = ScriptedModel(world.clock, otherwise=ErrorClass.READ_TIMEOUT)
    world.run("run-2")
    assert {row["outcome"] for row in world.outcomes("reading_level").values()} == {"succeeded", "insufficient_input"}
    assert decisions(world, "content_summary")[title_id(1)] == ("failed", "read_timeout")


def test_parts_of_a_combined_call_name_it_and_its_cost_is_booked_once() -> None:
    world = World()
    put_catalog(world.tables, [record(1), record(2), record(3), record(4)])
    world.run()
    for name in SINGLES:
        assert {row["via"] for row in world.answers(name).values()} == {COMBINED}
    assert world.logged_cost_micro_usd() == sum(e.cost_micro_usd for e in world.ledger.entries.values())
    assert {row["analysis"] for row in world.log()} == {COMBINED}


def test_titles_that_left_the_catalog_leave_the_tables() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    world.run("run-1")
    put_catalog(world.tables, [record(1), record(4), bare_record(5)])
    world.run("run-2", ["reading_level"])
    assert set(world.answers("reading_level")) == {title_id(1), title_id(4)}
    assert set(world.outcomes("reading_level")) == {title_id(1), title_id(4), title_id(5)}


def test_two_writers_of_one_bucket_both_keep_their_rows() -> None:
    def other_writer() -> None:
        late = World(clock=world.clock, tables=world.tables, budget=world.budget)
        late.ledger = world.ledger
        late.plan("run-2", ["reading_level"])
        late.write("reading_level", "run-2")

    key = table_key("reading_level", BUCKET)
    tables = RacedTables(key, 0, other_writer)
    world = World(tables=tables)
    put_catalog(tables, TITLES)
    shown = candidates_of(TITLES)
    world.plan("run-1", ["reading_level"])
    world.invoke("reading_level")
    # What the other writer brings: an answer that came after the first one's plan was made.
    put_catalog(tables, [*TITLES, record(6)])
    late_entry = entry("reading_level", record(6), shown[title_id(1)], run_id="run-0")
    world.ledger.put_many([late_entry], "run-0")
    tables.races = 1
    world.write("reading_level")
    assert tables.races == 0
    assert set(world.answers("reading_level")) == {title_id(number) for number in (1, 2, 3, 4, 6)}
    assert world.outcomes("reading_level")[title_id(6)]["outcome"] == "succeeded"


@pytest.mark.parametrize(
    "key",
    [
        table_key("reading_level", BUCKET),
        outcomes_key("reading_level", BUCKET),
        requests_key(provenance().run_date, "run-1", "reading_level", BUCKET),
    ],
)
def test_a_table_that_keeps_changing_ends_the_write_with_its_name(key: str) -> None:
    schema = {"reading_level": answer_schema(ANALYSES["reading_level"])}.get(key.split("/")[1])
    empty = schema or (OUTCOME_SCHEMA if "outcomes" in key else REQUEST_SCHEMA)
    counter = iter(range(100))

    def other_writer() -> None:
        marked = empty.with_metadata({"writer": str(next(counter))})
        MemoryTables.write(tables, key, marked.empty_table())

    tables = RacedTables(key, 0, other_writer)
    world = World(tables=tables)
    put_catalog(tables, TITLES)
    world.plan("run-1", ["reading_level"])
    world.invoke("reading_level")
    tables.races = 100
    with pytest.raises(WriteConflictError, match=f"memory://tables/{key} (kept changing|was replaced)"):
        world.write("reading_level")


def test_the_report_counts_outcomes_rows_and_money_of_the_bucket() -> None:
    world = asked_world()
    report = world.write("reading_level")
    assert report.rows == report.new_rows == 2
    assert report.outcomes == {"succeeded": 2, "failed": 2, "insufficient_input": 1}
    assert report.error_classes == {"refusal": 1, "read_timeout": 1}
    combined = world.write(COMBINED)
    assert combined.outcomes == {"succeeded": 2, "failed": 2}
    assert combined.error_classes == {"refusal": 1, "read_timeout": 1}
    assert combined.numbers.calls == 6
    assert combined.numbers.cost_micro_usd == world.budget.spent(f"run:{provenance().run_id}")[1]


def test_the_report_of_a_tried_again_op_counts_each_title_once() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    world.model = ScriptedModel(world.clock, {title_id(1): [ErrorClass.READ_TIMEOUT] * 2})
    world.plan()
    world.invoke(COMBINED)
    world.invoke(COMBINED, attempt=1)
    report = world.write(COMBINED)
    assert report.outcomes == {"succeeded": 4}
    assert report.error_classes == {}
    assert report.numbers.calls == 6


def test_each_partition_has_a_status_row() -> None:
    world = asked_world()
    write_all(world)
    statuses = {name: next(world.status.partitions(name, [BUCKET])) for name in ANALYSES}
    assert {status.status for status in statuses.values()} == {"partially_completed"}
    assert statuses[COMBINED].cost_micro_usd > 0
    assert statuses["reading_level"].counts == {"succeeded": 2, "failed": 2, "insufficient_input": 1}
    world.model = ScriptedModel(world.clock)
    world.run("run-2")
    assert {next(world.status.partitions(name, [BUCKET])).status for name in SINGLES} == {"completed"}


def test_too_little_text_is_logged_once_with_its_reason() -> None:
    world = asked_world()
    write_all(world)
    world.run("run-2")
    rows: list[Mapping[str, Any]] = [row for row in world.log() if row["status"] == "insufficient_input"]
    assert Counter(row["analysis"] for row in rows) == Counter(SINGLES)
    assert {(row["manga_id"], row["attempt"], row["cost_micro_usd"]) for row in rows} == {(title_id(5), 0, 0)}
    assert all(row["message"] for row in rows)


def test_a_combined_run_also_logs_single_answers_that_a_killed_run_paid_for() -> None:
    world = World()
    put_catalog(world.tables, TITLES)
    world.plan("run-1", ["reading_level"])
    world.invoke("reading_level")
    world.plan("run-2", [COMBINED])
    for name in SINGLES:
        world.writing().write(ANALYSES[name], BUCKET, provenance("run-2"))
    assert run_costs(world.tables, "run-1", DAYS).calls == 4
