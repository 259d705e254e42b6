"""What version 0.1 wrote is read by today's code and gone on with: fakes are given the very bytes and items."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manga_enrichment.aws.dynamodb.ledger_items import entry_from_item
from manga_enrichment.aws.dynamodb.request_items import from_item
from manga_enrichment.domain.analyses.base import AnalysisType
from manga_enrichment.domain.models.batch_jobs import Stage
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import SESSION
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.pipeline.batch.job_store import BatchStore
from manga_enrichment.pipeline.enrichment.forecast import ForecastLine, Throughput, forecast_next_run
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.partner.conversations import read_history, session_name
from manga_enrichment.pipeline.partner.stored.requests import read_stored_request
from manga_enrichment.pipeline.partner.stored.units import read_unit
from manga_enrichment.pipeline.publish.tables import PublishedTable, published_tables
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, MODELS, World
from manga_enrichment_tests.fakes import MemoryTables
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.planned import read_plan
from manga_enrichment_tests.upgrade.old_state import (
    ANSWERED,
    ARCHIVE,
    BATCH,
    CALLS,
    CONVERSATION,
    COST_MICRO_USD,
    DEFERRED,
    LEDGER,
    PARTNER,
    STATUS,
    OldState,
    read_old_state,
)

TABLES = published_tables(list(ANALYSES.values()))
NEW_TABLES = {"partner_latency", "catalog_warnings", "catalog_changes", "enriched_changes", "catalog_tombstones"}
NEW_COLUMNS = {
    "enriched_catalog": ["corrected"],
    "outcomes": ["lost_nights"],
    "requests": ["guardrail_micro_usd", "service_tier", "why"],
    "partner_results": [
        *("queue", "accepted_at", "claimed_at", "model_seconds", "by_api"),
        *("reference", "item_reference", "input_tokens", "output_tokens", "corrected"),
    ],
    "enrichment_costs": [
        "requests",
        "sqs_estimate_micro_usd",
        "api_estimate_micro_usd",
        "workflow_estimate_micro_usd",
    ],
}
"""Since 0.1, by table. Readers fill them: the SQL views, and who appends to a log, with NULL,
`pipeline/health/daily_costs.py` with 0."""
QUESTION = "Which manga has a lighthouse?"


@pytest.fixture(scope="module")
def old() -> OldState:
    return read_old_state()


@pytest.fixture
def tables(old: OldState) -> MemoryTables:
    memory = MemoryTables()
    memory.objects.update(old.objects)
    return memory


def rows_of_requests(old: OldState) -> dict[str, RequestRow]:
    items = [item for item in old.items[STATUS] if not item["request_id"]["S"].startswith("partition:")]
    return {row.request_id: row for row in map(from_item, items)}


def test_the_archive_is_small_and_holds_a_day(old: OldState) -> None:
    assert ARCHIVE.stat().st_size < 300_000
    assert (old.bill["billed"], old.bill["cost_micro_usd"]) == (CALLS, COST_MICRO_USD)


@pytest.mark.parametrize(
    "table", [each for each in TABLES if each.name not in NEW_TABLES], ids=lambda table: table.name
)
def test_a_table_has_columns_of_today_and_is_read_as_one_of_today(table: PublishedTable, old: OldState) -> None:
    keys = [key for key in old.objects if key.startswith(f"enrichment/{table.name}/") and key.endswith(".parquet")]
    assert keys
    today = arrow_schema(table.columns)
    for key in keys:
        stored = pq.read_schema(pa.BufferReader(old.objects[key])).remove_metadata()
        added = [name for name in today.names if name not in stored.names]
        assert stored == pa.schema([field for field in today if field.name not in added]), key
        assert added == NEW_COLUMNS.get(table.name, []), key
        rows = pq.read_table(pa.BufferReader(old.objects[key]), schema=today)
        assert rows.num_rows > 0
        assert {rows.column(name).null_count for name in added} <= {rows.num_rows}, key


def test_every_entry_of_the_ledger_is_read_and_they_add_up_to_the_bill(old: OldState) -> None:
    found = [entry_from_item(item, old.made_at) for item in old.items[LEDGER]]
    entries = [entry for entry in found if entry is not None]
    assert len(entries) == len(found) - 1  # the claim of the run that was killed
    assert sum(entry.cost_micro_usd for entry in entries) == COST_MICRO_USD
    assert {entry.outcome for entry in entries} == {Outcome.SUCCEEDED}


def test_rows_of_requests_say_what_became_of_them(old: OldState) -> None:
    rows = rows_of_requests(old)
    assert {each: row.state for each, row in rows.items()} == {
        BATCH: RequestState.PARTIALLY_COMPLETED,
        ANSWERED: RequestState.COMPLETED,
        DEFERRED: RequestState.DEFERRED,
    }
    assert rows[BATCH].counts == {"items": 3, "succeeded": 2, "failed": 1}
    assert (rows[BATCH].cost_micro_usd, rows[BATCH].partner_id) == (58, PARTNER)


@pytest.mark.parametrize("request_id", [BATCH, ANSWERED, DEFERRED])
def test_a_unit_and_the_request_it_lists_are_read(request_id: str, tables: MemoryTables) -> None:
    [request] = read_unit(tables, f"{request_id}:1").requests
    stored = read_stored_request(tables, request.body_key)
    assert (request.request_id, stored.request_id, stored.partner_id) == (request_id, request_id, PARTNER)


def test_a_conversation_is_remembered(tables: MemoryTables) -> None:
    history = read_history(tables, session_name(PARTNER, "manga_query", CONVERSATION), DEFERRED)
    assert [turn.role for turn in history.turns] == ["user", "assistant"]
    assert history.turns[0].content == QUESTION
    assert history.number == 1


def test_the_plan_of_a_run_is_read(old: OldState, tables: MemoryTables) -> None:
    plan = list(read_plan(tables, old.night, BUCKET, [*ANALYSES]))
    assert sum(row.action is Action.ASK for row in plan) == CALLS - 2  # the partner's batch and question


def test_the_record_of_a_batch_job_is_read(tables: MemoryTables) -> None:
    store = BatchStore(tables)
    token = "b" * 64
    assert store.stages() == {token: Stage.SETTLED}
    job = store.job(token)
    assert (job.records, job.buckets, store.submission(token).job_id) == (2, (BUCKET,), "arn:aws:bedrock:job/1")
    assert store.settlement(token).cost_micro_usd == 900
    assert {title.fingerprint for title in store.titles(token).values()} == set(store.fingerprints(token))
    assert len(store.fingerprints(token)) == 2
    assert store.pending([BUCKET]) == frozenset()


def test_the_version_before_has_nothing_to_pay_again_and_a_prompt_that_changes_says_what_it_takes(
    tables: MemoryTables,
) -> None:
    world = World(tables=tables)

    def lines(analyses: Mapping[str, AnalysisType]) -> list[ForecastLine]:
        return forecast_next_run(
            "estimate",
            [BUCKET],
            list(analyses),
            tables=tables,
            ledger=world.ledger,
            analyses=analyses,
            models=MODELS,
            pace=Throughput(8),
        )

    assert lines(ANALYSES) == []
    changed = lines({name: replace(each, version="another") for name, each in ANALYSES.items()})
    assert sum(line.calls for line in changed) == sum(line.again for line in changed) == CALLS - 2  # as the night did
    assert sum(line.again_micro_usd for line in changed) == sum(line.cost_micro_usd for line in changed) > 0


# Gone on with


def test_a_question_that_waited_in_its_queue_is_answered_with_what_was_said_before(old: OldState) -> None:
    """A receipt handle belongs to the queue that gave it, so this queue's own stands in the row and the objects."""
    key, parked = old.document("runs/parked/")
    world = PartnerWorld()
    due_at = datetime.fromisoformat(parked["due_at"])
    world.clock.advance((due_at - world.clock.now()).total_seconds() - SESSION.visibility_seconds / 2)
    handle = hidden_message(world, rows_of_requests(old)[DEFERRED])
    world.clock.advance(SESSION.visibility_seconds / 2)
    given = {
        name: body.replace(parked["request"]["receipt_handle"].encode(), handle.encode())
        for name, body in old.objects.items()
    }
    world.base.tables.objects.update(given)
    row = replace(rows_of_requests(old)[DEFERRED], receipt_handle=handle)
    world.requests.rows[DEFERRED] = row
    assert handle.encode() in given[key]
    world.work(SESSION.name)
    assert (world.state(DEFERRED), world.row(DEFERRED).generation) == ("completed", row.generation + 1)
    [sent] = world.base.model.sent
    assert QUESTION in str(sent)
    assert not world.queue.messages(SESSION.name)


def hidden_message(world: PartnerWorld, row: RequestRow) -> str:
    """The receipt handle of a message in the world's queue, received and kept hidden."""
    world.send_text("as it was sent", queue=SESSION.name, group_id=row.group_id, name=row.request_id)
    [message] = world.queue.receive(SESSION.name, max_messages=1, wait_seconds=0)
    return message.receipt_handle
