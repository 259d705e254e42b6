"""What earlier versions kept of conversations without end comes under the rules of now."""

import json
from typing import Any

import pyarrow as pa

from manga_enrichment.domain.operations.retention import AS_CONVERSATION, REQUEST_TEXT_DAYS
from manga_enrichment.domain.prompts.conversations import conversation_fingerprint
from manga_enrichment.domain.requests.queues import SESSION
from manga_enrichment.pipeline.forgetting.old_replies import end_old_replies
from manga_enrichment.pipeline.partner.stored.results import PARTNER_RESULT_SCHEMA
from manga_enrichment.pipeline.store.hour_keys import group_of
from manga_enrichment.pipeline.store.object_keys import (
    old_result_document_key,
    partner_results_prefix,
    result_document_key,
)
from manga_enrichment_tests.erasure_fakes import MemoryErasure
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.versioned_tables import VersionedTables
from manga_enrichment_tests.versioned_world import versioned_world

REPLY = "The one with the lighthouse."
"""Of the scripted model."""


def as_before(tables: VersionedTables, key: str, **values: str) -> None:
    """Rewrite the one row of an object as an earlier version would have written it."""
    stored = tables.read(key)
    assert stored is not None
    rows: list[dict[str, Any]] = [{**row, **values} for row in stored.table.to_pylist()]
    tables.write(key, pa.Table.from_pylist(rows, schema=stored.table.schema))


def old_object(world: PartnerWorld, tables: VersionedTables, request_id: str) -> str:
    """Put the rows of the last request where earlier versions put them, in an object of its own."""
    rows = world.result_rows(request_id)
    for key in tables.list_keys("enrichment/partner_results/"):
        if group_of(key):
            del tables.versions[key], tables.objects[key]
    key = f"{partner_results_prefix(world.row(request_id).submitted_at.date().isoformat())}{request_id}.parquet"
    tables.write(key, pa.Table.from_pylist(rows, schema=PARTNER_RESULT_SCHEMA))
    return key


def asked(world: PartnerWorld, tables: VersionedTables) -> str:
    request_id = world.send_envelope("manga_query", {"query": "Which?"}, queue=SESSION.name, group_id="acme:one")
    world.work(SESSION.name)
    key = old_object(world, tables, request_id)
    as_before(tables, key, answer=json.dumps({"reply": REPLY}))
    key = result_document_key("acme", request_id)
    document = tables.read_json(key)
    assert document is not None
    del tables.versions[key], tables.objects[key]
    tables.write_json(old_result_document_key(request_id), document)
    return request_id


def without_documents(keys: list[str]) -> list[str]:
    return [key for key in keys if not key.startswith("fm-results/")]


def end(world: PartnerWorld, tables: VersionedTables, *, dry_run: bool = False) -> int:
    ledger = world.base.ledger
    erasure = MemoryErasure(tables, world.requests, world.outbox, ledger)
    return end_old_replies(erasure, tables, ledger, world.clock.now(), dry_run=dry_run)


def test_old_replies_leave_rows_and_ledger_and_documents_end_like_new_ones() -> None:
    world, tables = versioned_world()
    old = asked(world, tables)
    world.clock.advance(REQUEST_TEXT_DAYS * 86_400)
    young, batch = asked(world, tables), world.send([(1, "reading_level")])
    world.work()
    log = without_documents(tables.holding(conversation_fingerprint(old)))
    answers = world.result_rows(batch)

    assert end(world, tables, dry_run=True) == 2
    assert any("partner_results" in key for key in tables.holding(REPLY))
    assert end(world, tables) == 2

    assert not any("partner_results" in key for key in tables.holding(REPLY))
    assert tables.versions[old_result_document_key(old)] == []
    (version,) = tables.versions[old_result_document_key(young)]
    assert version.kept_as == AS_CONVERSATION
    assert world.base.ledger.get_many([conversation_fingerprint(each) for each in (old, young)]) == {}
    assert without_documents(tables.holding(conversation_fingerprint(old))) == log, "the books and the rows stay"
    assert world.result_rows(batch) == answers != []
    assert end(world, tables) == 0


def test_a_message_that_quotes_a_reply_goes_too() -> None:
    world, tables = versioned_world()
    request_id = asked(world, tables)
    key = f"{partner_results_prefix(world.row(request_id).submitted_at.date().isoformat())}{request_id}.parquet"
    as_before(tables, key, error_class="invalid_answer", message=f"reply: {REPLY!r} is too long")
    assert end(world, tables) == 1
    stored = tables.read(key)
    assert stored is not None
    (row,) = stored.table.to_pylist()
    assert (row["answer"], row["message"], row["error_class"]) == (None, None, "invalid_answer")
    assert row["cost_micro_usd"] > 0
