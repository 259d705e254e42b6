"""What carried partners' requests, beside the model's bill and never in it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.operations.costs import ESTIMATES
from manga_enrichment.domain.requests.queues import SESSION
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.pipeline.health.daily_costs import read_days, reconcile, runs_by_kind, write_day
from manga_enrichment.pipeline.health.service_costs import ANALYSIS
from manga_enrichment.pipeline.store.object_keys import costs_key
from manga_enrichment_tests.fakes import START, ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.request_rows import make_row

DAY = START.date().isoformat()
QUESTION = {"query": "Which manga has a lighthouse?"}


def as_the_front(world: PartnerWorld, request_id: str) -> None:
    """The row that the API's workflow wrote before it sent the message."""
    accepted = {"state": RequestState.ACCEPTED, "owner": "", "partner_id": "acme", "item_count": 1}
    world.requests.rows[request_id] = replace(make_row(world.clock, request_id=request_id), generation=0, **accepted)


def served_world() -> PartnerWorld:
    """A batch by its queue, a batch and a question by the API, all of one partner, and a batch of another."""
    world = PartnerWorld()
    world.base.model = ScriptedModel(world.clock, latency_seconds=2)
    world.send([(1, "reading_level"), (2, "reading_level")])
    as_the_front(world, world.send([(1, "reading_level")]))
    world.send([(3, "reading_level")], partner_id="globex")
    as_the_front(world, world.send_envelope("manga_query", QUESTION, queue=SESSION.name))
    world.work()
    world.work(SESSION.name)
    return world


def rows_of(table: pa.Table) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(the bill, the estimates)"""
    rows = table.to_pylist()
    return [row for row in rows if row["analysis"] != ANALYSIS], [row for row in rows if row["analysis"] == ANALYSIS]


def total(rows: list[dict[str, Any]], names: Mapping[str, Any] | tuple[str, ...]) -> int:
    return sum(row[name] for row in rows for name in names)


def test_requests_have_rows_of_their_own_by_run_and_partner() -> None:
    bill, served = rows_of(write_day(served_world().base.tables, DAY))
    assert {(row["partner_id"], row["requests"]) for row in served} == {("acme", 2), ("acme", 1), ("globex", 1)}
    assert {(row["trigger"], row["lane"], row["model_id"]) for row in served} == {("partner", "on_demand", None)}
    [globex] = [row for row in served if row["partner_id"] == "globex"]
    assert [globex[name] for name in ESTIMATES] == [1, 2, 0, 0]
    [batches] = [row for row in served if row["requests"] == 2]
    assert [batches[name] for name in ESTIMATES] == [2, 4, 7, 2]
    assert bill
    assert total(bill, ESTIMATES) == 0


def test_estimates_are_no_part_of_the_bill_of_calls_or_of_what_is_reconciled() -> None:
    world = served_world()
    bill, served = rows_of(write_day(world.base.tables, DAY))
    assert total(served, ("cost_micro_usd", "calls", "answered", "input_tokens", "wasted_micro_usd")) == 0
    assert total(bill, ("cost_micro_usd",)) == world.base.logged_cost_micro_usd() > 0
    books = reconcile(world.base.tables, world.base.ledger, world.base.budget, [DAY], world.clock.now())
    assert [each.difference_micro_usd for each in books] == [0, 0, 0]
    kinds = runs_by_kind(read_days(world.base.tables, [DAY]).values())
    assert sum(run.cost_micro_usd for runs in kinds.values() for run in runs) == world.base.logged_cost_micro_usd()


def test_a_day_is_the_same_however_often_it_is_added_up() -> None:
    tables = served_world().base.tables
    first = write_day(tables, DAY)
    assert write_day(tables, DAY) == first == read_days(tables, [DAY])[DAY]


def test_a_day_of_an_older_release_has_no_estimates() -> None:
    tables = served_world().base.tables
    bill = pa.Table.from_pylist(rows_of(write_day(tables, DAY))[0], schema=read_days(tables, [DAY])[DAY].schema)
    tables.write(costs_key(DAY), bill.drop_columns(list(ESTIMATES)))
    assert read_days(tables, [DAY])[DAY] == bill
