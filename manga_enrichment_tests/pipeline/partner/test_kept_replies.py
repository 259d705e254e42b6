"""A reply to a conversation ends with it, wherever it lies. Time is virtual, the rules are the bucket's."""

from datetime import timedelta

from manga_enrichment.domain.operations.retention import NONCURRENT_DAYS, REQUEST_TEXT_DAYS
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.prompts.conversations import conversation_fingerprint
from manga_enrichment.domain.requests.queues import SESSION
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.versioned_world import versioned_world

QUESTION, REPLY = "Is the purple lighthouse any good?", "Yes, the purple lighthouse is marvellous."
SESSION_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def asked(world: PartnerWorld, reply: str) -> str:
    def answer(_call: ModelCall) -> ModelReply:
        return ModelReply("tool_use", {"reply": reply}, DEFAULT_USAGE)

    world.base.model = ScriptedModel(world.clock, otherwise=answer)
    body = {"query": QUESTION, "conversation_id": SESSION_ID}
    request_id = world.send_envelope("manga_query", body, queue=SESSION.name, group_id=f"acme:{SESSION_ID}")
    world.work(SESSION.name)
    return request_id


def test_a_reply_is_gone_everywhere_once_its_conversation_is_and_its_cost_stays() -> None:
    world, tables = versioned_world()
    request_id = asked(world, REPLY)
    assert world.result(request_id)["items"][0]["answer"] == {"reply": REPLY}
    prefixes = {key.split("/")[0] for key in tables.holding(REPLY)}
    assert prefixes == {"fm-conversations", "fm-results", "runs"}, "and in no table"
    fingerprint = conversation_fingerprint(request_id)
    assert world.base.ledger.get_many([fingerprint])

    world.clock.advance(timedelta(days=REQUEST_TEXT_DAYS).total_seconds() - 1)
    tables.age()
    assert {key.split("/")[0] for key in tables.holding(REPLY)} == {"fm-conversations", "fm-results"}
    world.clock.advance(timedelta(days=NONCURRENT_DAYS).total_seconds() + 2)
    tables.age()
    assert (tables.holding(REPLY), tables.holding(QUESTION)) == ([], [])
    assert world.base.ledger.get_many([fingerprint]) == {}
    (row,) = world.result_rows(request_id)
    assert (row["outcome"], row["answer"]) == ("succeeded", None)
    assert row["cost_micro_usd"] > 0


def test_a_reply_that_breaks_its_schema_is_quoted_in_no_log() -> None:
    world, tables = versioned_world()
    broken = "purple lighthouse " * 2_000  # longer than a reply may be
    request_id = asked(world, broken)
    assert world.row(request_id).error_class == ErrorClass.INVALID_ANSWER.value
    logged = [key for key in tables.objects if key.startswith("enrichment/requests/")]
    assert logged
    assert "purple" not in str([tables.read(key).table.to_pylist() for key in logged])  # type: ignore[union-attr]
    assert tables.holding(broken[:100]) == []


def test_the_result_of_a_batch_outlives_the_conversations() -> None:
    world, tables = versioned_world()
    request_id = world.send([(1, "reading_level")])
    world.work()
    world.clock.advance(timedelta(days=REQUEST_TEXT_DAYS + NONCURRENT_DAYS + 1).total_seconds())
    tables.age()
    assert world.result(request_id)["status"] == "completed"
