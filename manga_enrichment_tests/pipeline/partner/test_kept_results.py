"""How long results are kept: by a partner's policy, and copies of old documents no longer than those."""

from datetime import timedelta
from typing import Any

import pytest

from manga_enrichment.domain.operations.retention import AS_CONVERSATION
from manga_enrichment.domain.requests.policies import read_policies
from manga_enrichment.domain.requests.queues import SESSION
from manga_enrichment.pipeline.partner.ending.settle import SettleLimits
from manga_enrichment.pipeline.partner.stored.moving import move_old_results
from manga_enrichment.pipeline.store.object_keys import old_result_document_key, result_document_key
from manga_enrichment_tests.fake_clock import START, FakeClock
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.versioned_tables import VersionedTables
from manga_enrichment_tests.versioned_world import versioned_world

ID = "00000000-0000-4000-8000-0000000000aa"


def tag(tables: VersionedTables, key: str) -> str:
    (version,) = tables.versions[key]
    return version.kept_as


def answered(world: PartnerWorld, schema: str) -> str:
    if schema == "batch_analysis":
        sent = world.send([(1, "reading_level")])
        world.work()
    else:
        sent = world.send_envelope(schema, {"query": "Which?"}, queue=SESSION.name, group_id="acme:one")
        world.work(SESSION.name)
    assert world.state(sent) == "completed"
    return sent


@pytest.mark.parametrize(
    ("schema", "days", "expected"),
    [
        ("batch_analysis", None, ""),
        ("batch_analysis", 400, ""),
        ("batch_analysis", 7, "7-days"),
        ("manga_query", None, AS_CONVERSATION),
        ("manga_query", 400, AS_CONVERSATION),
        ("manga_query", 30, "30-days"),
    ],
)
def test_a_result_is_tagged_as_its_partners_policy_says(schema: str, days: int | None, expected: str) -> None:
    world, tables = versioned_world()
    policies = read_policies({"acme": {} if days is None else {"retention_days": days}})
    world.settle_limits = SettleLimits(policies=policies)
    assert tag(tables, result_document_key("acme", answered(world, schema))) == expected


@pytest.mark.parametrize(
    ("schema", "age_days", "expected"),
    [
        ("batch_analysis", 0, "90-days"),
        ("batch_analysis", 320, "30-days"),
        ("batch_analysis", 393, "7-days"),
        ("batch_analysis", 394, None),
        ("manga_query", 1, "30-days"),
        ("manga_query", 85, None),
    ],
)
def test_a_copy_of_an_old_document_ends_no_later_than_that(schema: str, age_days: int, expected: str | None) -> None:
    tables = VersionedTables(FakeClock())
    old: dict[str, Any] = {"request_id": ID, "partner_id": "acme", "schema": schema, "completed_at": START.isoformat()}
    tables.write_json(old_result_document_key(ID), old)
    tables.write_json(result_document_key("globex", ID), {"request_id": ID})
    now = START + timedelta(days=age_days)
    assert move_old_results(tables, now) == ({"copied": 1} if expected else {"about to end": 1})
    copy = result_document_key("acme", ID)
    assert tables.read_json(copy) == (old if expected else None)
    assert tables.read_json(old_result_document_key(ID)) == old
    if expected:
        assert tag(tables, copy) == expected
        assert move_old_results(tables, now) == {"there already": 1}
