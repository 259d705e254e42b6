"""Forgetting a partner, a user, a request: all of theirs goes, in every version, and nothing of anybody else.

Over the fakes; `end_to_end/test_forgetting.py` does the same over the local stack, through the command.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import pytest

from manga_enrichment.domain.operations.forgetting import StillWorkedOnError, Subject
from manga_enrichment.domain.operations.forgetting_receipt import Receipt
from manga_enrichment.domain.outcomes.error_classes import ErrorClass
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, DEAD_LETTERS_FIFO, ORDERED, SESSION
from manga_enrichment.gateways.model import ModelCall, ModelReply
from manga_enrichment.pipeline.engine.arrears import Arrears
from manga_enrichment.pipeline.forgetting.forget import Forgetting
from manga_enrichment.pipeline.forgetting.objects import plan_objects
from manga_enrichment.pipeline.log.arrears import keep_arrears
from manga_enrichment.pipeline.store.object_keys import arrears_key
from manga_enrichment_tests.erasure_fakes import MemoryErasure
from manga_enrichment_tests.fakes import DEFAULT_USAGE, ScriptedModel, valid_answer
from manga_enrichment_tests.partner_world import PartnerWorld
from manga_enrichment_tests.versioned_tables import VersionedTables
from manga_enrichment_tests.versioned_world import versioned_world

SESSION_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
ANNE, BOB = "anne@reader", "bob@reader"


def echoing(call: ModelCall) -> ModelReply:
    """Replies hold what was asked."""
    if "<conversation>" not in call.prompt.user:
        return ModelReply("tool_use", valid_answer(call.prompt), DEFAULT_USAGE)
    last = call.prompt.user.split("</conversation>", maxsplit=1)[0].rsplit("user: ", 1)[1].strip()
    return ModelReply("tool_use", {"reply": f"You asked: {last}"}, DEFAULT_USAGE)


@dataclass
class Stage:
    world: PartnerWorld
    tables: VersionedTables

    def __post_init__(self) -> None:
        self.world.base.model = ScriptedModel(self.world.clock, otherwise=echoing)
        ledger = self.world.base.ledger
        self.erasure = MemoryErasure(self.tables, self.world.requests, self.world.outbox, ledger)
        self.forgetting = Forgetting(
            erasure=self.erasure,
            tables=self.tables,
            ledger=ledger,
            queues=self.world.queue,
            clock=self.world.clock,
        )

    def batch(self, partner: str, note: str) -> str:
        items = (1, "reading_level", note), (2, "reading_level")
        return self.world.send(items, partner_id=partner, callback_url=f"https://{partner}.example.com/{note}")

    def ask(self, partner: str, text: str, *, user: str = "", session: str = "") -> str:
        body: dict[str, Any] = {"query": text}
        if session:
            body["conversation_id"] = session
        if user:
            body["context"] = {"user_id": user}
        queue = SESSION if session else ORDERED
        group = f"{partner}:{session or user}"
        return self.world.send_envelope("manga_query", body, queue=queue.name, partner_id=partner, group_id=group)

    def work(self) -> None:
        for _ in range(4):
            for queue in ("manga-fm-normal", SESSION.name, ORDERED.name):
                self.world.work(queue)

    def places(self, text: str) -> set[str]:
        """Where anything that is kept holds a text: keys of objects, names of stores."""
        stores: Mapping[str, object] = {
            "status": self.world.requests.rows,
            "outbox": self.world.outbox.deliveries,
            "manga-fm-results": self.world.base.ledger.entries,
            DEAD_LETTERS: self.world.queue.messages(DEAD_LETTERS),
            DEAD_LETTERS_FIFO: self.world.queue.messages(DEAD_LETTERS_FIFO),
        }
        return set(self.tables.holding(text)) | {name for name, kept in stores.items() if text in str(kept)}

    def lasting_places(self, text: str) -> set[str]:
        """Without units, which go whole when all their requests have ended and the one that names them is forgotten."""
        return {place for place in self.places(text) if not place.startswith("runs/units/")}

    def logged(self) -> list[dict[str, Any]]:
        keys = self.tables.list_keys("enrichment/requests/")
        rows = [row for key in keys for row in self.tables.read(key).table.to_pylist()]  # type: ignore[union-attr]
        return [{name: value for name, value in row.items() if name != "message"} for row in rows]


@pytest.fixture
def stage() -> Stage:
    return Stage(*versioned_world())


def unexplained(places: set[str], receipt: Receipt, identifier: str) -> set[str]:
    """Places of which the receipt does not say that such an identifier stays there."""
    patterns = [pattern for each in receipt.stays if identifier in each.holds for pattern in each.places]
    return {place for place in places if not any(fnmatch(place, pattern) for pattern in patterns)}


def test_a_partner_is_gone_from_everywhere_but_the_books_and_another_is_untouched(stage: Stage) -> None:
    mine, other = "acme", "zeta"
    sent: dict[str, list[str]] = {mine: [], other: []}
    for partner in (mine, other):
        sent[partner] += [stage.batch(partner, f"note-of-{partner}")]
        sent[partner] += [stage.ask(partner, f"first of {partner}", session=SESSION_ID, user=f"user-of-{partner}")]
        sent[partner] += [stage.ask(partner, f"second of {partner}", session=SESSION_ID)]
        sent[partner] += [stage.ask(partner, f"third of {partner}", user=f"user-of-{partner}")]
        stage.world.queue.send(DEAD_LETTERS, json.dumps({"schema": f"broken-{partner}"}), group_id=partner)
    stage.work()
    assert {stage.world.state(each) for ids in sent.values() for each in ids} == {"completed"}
    words = ["note-of-", "first of ", "second of ", "third of ", "user-of-", "broken-"]
    before = {word: stage.lasting_places(word + other) for word in words}
    assert all(stage.places(word + mine) for word in words)
    documents = [stage.world.result(each) for each in sent[other]]
    log, bill = stage.logged(), stage.world.base.budget.spent("partner:acme:2026-03-01")

    looked = stage.forgetting.forget(stage.forgetting.partner(mine), dry_run=True)
    assert {word: stage.lasting_places(word + other) for word in words} == before
    assert stage.tables.list_keys("forgotten/") == []
    receipt = stage.forgetting.forget(stage.forgetting.partner(mine), dry_run=False)

    assert sorted(receipt.requests) == sorted(sent[mine]) == sorted(looked.requests)
    assert (receipt.objects, receipt.deliveries) == (looked.objects, looked.deliveries)
    assert (receipt.status_rows, len(receipt.dead_letters), len(receipt.ledger_entries)) == (4, 1, 4)
    assert {word: stage.places(word + mine) for word in words} == {word: set() for word in words}
    for request_id in sent[mine]:
        assert unexplained(stage.places(request_id), receipt, "request_id") == set()
    assert unexplained(stage.places(mine), receipt, "partner_id") == set()
    assert {word: stage.lasting_places(word + other) for word in words} == before
    assert [stage.world.result(each) for each in sent[other]] == documents
    assert stage.logged() == log
    assert stage.world.base.budget.spent("partner:acme:2026-03-01") == bill
    assert sum(row["cost_micro_usd"] for row in log if row["partner_id"] == mine) > 0


def test_a_unit_that_others_still_wait_in_stays_without_what_is_forgotten(stage: Stage) -> None:
    mine, other = stage.batch("acme", "my-note"), stage.batch("zeta", "other-note")
    stage.work()
    (key,) = stage.tables.list_keys("runs/units/")
    assert mine in key
    subject = stage.forgetting.request(mine)
    for still_open, left in ((frozenset({other}), [other]), (frozenset[str](), None)):
        plan = plan_objects(stage.erasure, lambda each: each == mine, subject, still_open)
        (unit,) = (each for each in plan.rewrites if each.key == key)
        found = None if unit.document is None else [each["request_id"] for each in unit.document["requests"]]
        assert found == left


def test_a_user_is_gone_with_all_sessions_and_other_users_of_the_partner_stay(stage: Stage) -> None:
    anne = [stage.ask("acme", "anne asks one", user=ANNE, session=SESSION_ID)]
    anne += [stage.ask("acme", "anne asks two", session=SESSION_ID), stage.ask("acme", "anne asks three", user=ANNE)]
    bob, batch = stage.ask("acme", "bob asks", user=BOB), stage.batch("acme", "a-note")
    namesake = stage.ask("zeta", "another anne asks", user=ANNE)
    stage.work()
    receipt = stage.forgetting.forget(stage.forgetting.user(ANNE, "acme"), dry_run=False)
    assert sorted(receipt.requests) == sorted(anne)
    for word in ("anne asks one", "anne asks two", "anne asks three"):
        assert stage.places(word) == set()
    assert {place.split("/")[0] for place in stage.places(ANNE)} == {"fm-requests", "status", "runs"}, "the namesake's"
    assert not any(request_id in str(stage.world.requests.rows) for request_id in anne)
    for request_id in (bob, batch, namesake):
        assert stage.world.result(request_id)["status"] == "completed"
    assert stage.places("bob asks") > {"manga-fm-results"}


def test_whose_user_is_meant_must_be_said_when_it_is_not_clear(stage: Stage) -> None:
    for partner in ("acme", "zeta"):
        stage.ask(partner, "hello", user=ANNE)
    stage.ask("acme", "hello", user=BOB)
    stage.work()
    with pytest.raises(LookupError, match="users of acme, zeta: say whose user is meant with --partner"):
        stage.forgetting.user(ANNE)
    with pytest.raises(LookupError, match="no user of any stored request"):
        stage.forgetting.user("nobody")
    assert stage.forgetting.user(BOB) == stage.forgetting.user(BOB, "acme")


def test_a_request_is_gone_also_from_what_later_ones_of_its_session_were_shown(stage: Stage) -> None:
    first = stage.ask("acme", "the secret question", session=SESSION_ID)
    stage.work()
    second = stage.ask("acme", "a later question", session=SESSION_ID)
    stage.work()
    assert any("/partner/plan.json" in place for place in stage.places("a later question"))
    receipt = stage.forgetting.forget(stage.forgetting.request(first), dry_run=False)
    assert list(receipt.requests) == [first]
    assert stage.places("the secret question") == set()
    assert stage.world.result(second)["items"][0]["answer"] == {"reply": "You asked: a later question"}
    assert len([place for place in stage.places("a later question") if place.startswith("runs/")]) >= 1


def test_what_has_not_ended_stops_everything(stage: Stage) -> None:
    stage.world.base.model = ScriptedModel(stage.world.clock, otherwise=ErrorClass.THROTTLED)
    waiting = stage.batch("acme", "note")
    stage.world.work()
    assert stage.world.state(waiting) == "deferred"
    looked = stage.forgetting.forget(stage.forgetting.partner("acme"), dry_run=True)
    assert list(looked.still_open) == [waiting]
    with pytest.raises(StillWorkedOnError, match=f"1 requests have not ended: {waiting}"):
        stage.forgetting.forget(stage.forgetting.partner("acme"), dry_run=False)
    assert stage.places("note")
    assert waiting in stage.world.requests.rows


def test_after_a_restore_what_came_back_goes_again_and_what_came_later_stays(stage: Stage) -> None:
    request_id = stage.ask("acme", "a forgotten question", user=ANNE)
    stage.work()
    rows, entries = dict(stage.world.requests.rows), stage.world.base.ledger.entries
    objects, deliveries = dict(stage.tables.objects), dict(stage.world.outbox.deliveries)
    stage.forgetting.forget(stage.forgetting.partner("acme"), dry_run=False)
    (key,) = stage.tables.list_keys("forgotten/")
    assert stage.places("a forgotten question") == set()
    assert [each.found_nothing for each in stage.forgetting.again(dry_run=False)] == [True]

    stage.world.clock.advance(3600)
    later = stage.ask("acme", "a question of the day after", user=ANNE)
    stage.work()
    stage.world.requests.rows |= rows
    stage.world.outbox.deliveries |= deliveries
    stage.world.base.ledger.put_many(list(entries.values()), "a restore")
    for name, body in objects.items():
        if request_id in name and name.endswith(".json"):
            stage.tables.write_json(name, json.loads(body))
    assert stage.places("a forgotten question") >= {"manga-fm-results"}
    (receipt,) = stage.forgetting.again(dry_run=False)
    assert list(receipt.requests) == [request_id]
    assert stage.places("a forgotten question") == set()
    assert request_id not in stage.world.requests.rows
    assert stage.world.result(later)["items"][0]["answer"] == {"reply": "You asked: a question of the day after"}
    listed = stage.tables.read_json(key)
    assert listed is not None
    assert request_id not in json.dumps(listed)
    assert ANNE not in json.dumps(listed)


def test_a_reply_that_never_reached_the_ledger_goes_too_and_its_cost_stays_owed(stage: Stage) -> None:
    ids = {partner: stage.ask(partner, f"first of {partner}", user=ANNE) for partner in ("acme", "zeta")}
    stage.work()
    kept = {each.manga_id: each for each in stage.world.base.ledger.entries.values()}
    entries = tuple(kept[f"request:{request_id}"] for request_id in ids.values())
    keep_arrears(stage.tables, Arrears("run-9", ("day:2026-03-01",), entries, 5))  # type: ignore[arg-type]
    key = arrears_key("run-9")
    assert key in stage.places("first of acme") & stage.places("first of zeta")
    stage.forgetting.forget(stage.forgetting.partner("acme"), dry_run=False)
    assert key not in stage.places("first of acme")
    assert key in stage.places("first of zeta")
    left = stage.tables.read_json(key)
    assert left is not None
    assert (left["micro_usd"], len(left["entries"])) == (5 + entries[0].cost_micro_usd, 1)
    stage.tables.write_json(key, {})
    stage.forgetting.forget(stage.forgetting.partner("zeta"), dry_run=False)
    assert stage.places("first of zeta") == set()


def test_a_note_that_another_partner_paid_for_is_that_partners(stage: Stage) -> None:
    first = stage.world.send([(1, "reading_level", "the same note")], partner_id="zeta")
    stage.world.work()
    stage.world.send([(1, "reading_level", "the same note")], partner_id="acme")
    stage.world.work()
    receipt = stage.forgetting.forget(stage.forgetting.partner("acme"), dry_run=False)
    assert receipt.ledger_entries == []
    assert len(stage.world.base.ledger.entries) == 1
    assert stage.world.result(first)["status"] == "completed"


def test_words_about_own_answers_leave_the_log_and_every_number_stays(stage: Stage) -> None:
    def broken(call: ModelCall) -> ModelReply:
        return ModelReply("tool_use", {**valid_answer(call.prompt), "level": "a phrase from the note"}, DEFAULT_USAGE)

    stage.world.base.model = ScriptedModel(stage.world.clock, otherwise=broken)
    stage.batch("acme", "a-note")
    stage.world.drain()
    assert any(place.startswith("enrichment/requests/") for place in stage.places("a phrase from the note"))
    log = stage.logged()
    receipt = stage.forgetting.forget(stage.forgetting.partner("acme"), dry_run=False)
    assert receipt.silenced
    left = [place for place in stage.places("a phrase from the note") if place.startswith("enrichment/requests/")]
    texts = [row["message"] for key in left for row in stage.tables.read(key).table.to_pylist()]  # type: ignore[union-attr]
    assert stage.logged() == log
    assert sum("a phrase" in str(text) for text in texts) == 2, "those about the title without a note, asked twice"


def test_nothing_is_found_of_a_stranger_and_nothing_is_listed(stage: Stage) -> None:
    stage.batch("zeta", "note")
    stage.world.work()
    receipt = stage.forgetting.forget(stage.forgetting.partner("acme"), dry_run=False)
    assert receipt.found_nothing
    assert receipt.listed_as == ""
    assert stage.tables.list_keys("forgotten/") == []


def test_a_subject_is_remembered_without_the_names_of_people() -> None:
    stage = Stage(*versioned_world())
    subject = stage.forgetting.user(ANNE, "acme")
    assert isinstance(subject, Subject)
    assert ANNE not in str(subject)
