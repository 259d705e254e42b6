"""`manga-enrichment forget` over the local stack: afterwards everything that is kept anywhere is searched."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.cli import main
from manga_enrichment.defs.costs.assets import COSTS_JOB
from manga_enrichment.defs.enrichment.jobs import CATALOG_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.callbacks.signatures import SigningKey
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, DEAD_LETTERS_FIFO
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.local.stack.callback_receiver import CallbackReceiver
from manga_enrichment.local.stack.endpoints import CALLBACK_KEY_ID, CALLBACK_SECRET
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.pipeline.partner.submit import submit
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.everything_kept import Kept, everything_kept, places_of, unexplained

pytestmark = pytest.mark.slow

MINE, OTHER = "partner-one", "partner-two"
WORDS = ("note", "mail", "hook", "question", "ordered", "chat", "user", "letter")
"""Each marks one kind of text that a partner sends."""
SESSION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def mark(word: str, partner: str) -> str:
    return f"{word}-of-{partner}"


class Lane:
    """The code location over the local stack, and two partners who send the same kinds of things."""

    def __init__(self, stack: LocalStack, instance: dg.DagsterInstance, hook: str) -> None:
        self.stack = stack
        self.settings = load_settings()
        self.books = Books(self.settings)
        self.gateways = open_gateways(self.settings)
        self.sent: dict[str, list[str]] = {MINE: [], OTHER: []}
        self._hook = hook
        self._definitions = build_definitions()
        self._instance = instance
        self.run(CATALOG_JOB, "0", "0")
        self._lane = InProcessLane(self._definitions, instance)

    def run(self, job: str, first: str, last: str) -> None:
        resolved = self._definitions.resolve_job_def(job)
        assert resolved.execute_in_process(tags=range_tags(first, last), instance=self._instance).success

    def send(self, partner: str, schema: str, body: dict[str, Any]) -> str:
        request_id, now = str(uuid4()), datetime.now(UTC)
        queues = self.gateways.queues
        submit(queues, schema, body, partner_id=partner, request_id=request_id, now=now, check=False)
        self.sent[partner].append(request_id)
        return request_id

    def send_everything(self, partner: str, titles: list[str]) -> None:
        """A batch with a note and a callback that fails, conversations of a user, a chat, a batch that is rejected."""
        items: list[dict[str, str]] = [{"manga_id": each, "analysis_type": "reading_level"} for each in titles]
        items[0]["additional_context"] = mark("note", partner)
        hook, mail = f"{self._hook}/{mark('hook', partner)}", f"{mark('mail', partner)}@example.com"
        batch = {"items": items, "callback_url": hook, "notification": {"email": mail}}
        self.send(partner, "batch_analysis", batch)
        user = {"user_id": mark("user", partner)}
        question = {"query": mark("question", partner), "conversation_id": SESSION, "context": user}
        self.send(partner, "manga_query", question)
        self.send(partner, "manga_query", {"query": mark("ordered", partner), "context": user})
        messages = [{"role": "user", "content": mark("chat", partner)}]
        self.send(partner, "streaming_chat", {"messages": messages, "session_id": SESSION})
        self.send(partner, "batch_analysis", {"items": [], "letter": mark("letter", partner)})
        lost = json.dumps({"query": mark("letter", partner)})
        group = f"{partner}:{mark('user', partner)}"
        self.gateways.queues.send(DEAD_LETTERS_FIFO, lost, group_id=group, deduplication_id=str(uuid4()))

    def work_off(self) -> None:
        """Until every request has ended; one more tick sends what is due."""
        for _ in range(5):
            assert all(result.success for result in self._lane.work())
        ended = {self.state(each) for ids in self.sent.values() for each in ids}
        assert ended == {"completed", "rejected"}
        days = sorted(self.books.run_dates())
        self.run(COSTS_JOB, days[0], days[-1])

    def state(self, request_id: str) -> str:
        row = self.gateways.requests.get(request_id)
        return row.state.value if row else "unknown"

    def money(self) -> tuple[list[dict[str, Any]], list[str], list[str]]:
        """Log, costs and budget counters, exactly."""
        kept = everything_kept(self.stack)
        costs = sorted(each.said for each in kept if each.place.startswith("enrichment/enrichment_costs/"))
        counters = sorted(each.said for each in kept if each.place == self.settings.budget_table)
        known = {(row["fingerprint"], row["dagster_run_id"], row["attempt"]): row for row in self.books.attempts()}
        attempts = [
            known[each] for each in sorted(known)
        ]  # once, as readers are given them: a copy may be written anew
        return attempts, costs, counters


def forget(*words: str) -> Any:
    result = CliRunner().invoke(main, ["forget", *words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def lane(arrange: Callable[..., dict[str, str]], local_stack: LocalStack, tmp_path: Path) -> Iterator[Lane]:
    arrange(40, catalog_buckets=1, concurrency=8, claim_seconds=5)
    master = SigningKey(CALLBACK_KEY_ID, CALLBACK_SECRET)
    with (
        CallbackReceiver(master, answer=lambda _callback: 410) as receiver,
        dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance,
    ):
        lane = Lane(local_stack, instance, receiver.url)
        titles = sorted(lane.books.catalog_ids())[:6]
        for partner in (MINE, OTHER):
            lane.send_everything(partner, titles)
        lane.work_off()
        yield lane


def by_word(kept: list[Kept], partner: str) -> dict[str, set[str]]:
    """Places of each kind of text, but those that work files of runs are: they are shared, and are written anew."""
    found = {word: places_of(kept, mark(word, partner)) for word in WORDS}
    return {word: {place for place in places if not place.startswith("runs/")} for word, places in found.items()}


def theirs(kept: list[Kept], lane: Lane, partner: str) -> set[Kept]:
    """What is a partner's alone: objects, rows, deliveries, dead letters. Objects of tables have rows of several."""
    names = [partner, *lane.sent[partner]]
    shared = ("runs/", "enrichment/partner_results/", "enrichment/requests/")
    return {each for each in kept if not each.place.startswith(shared) and any(name in each.said for name in names)}


def test_a_forgotten_partner_is_found_nowhere_but_where_the_receipt_says(lane: Lane) -> None:
    before, money = everything_kept(lane.stack), lane.money()
    found = by_word(before, MINE)
    assert all(found.values()), found
    assert found["letter"] == {DEAD_LETTERS, DEAD_LETTERS_FIFO}
    assert lane.settings.outbox_table in places_of(before, mark("hook", MINE))
    assert all(lane.settings.ledger_table in places_of(before, each) for each in lane.sent[MINE][1:4])
    assert len([each for each in lane.gateways.outbox.failed(newest=50) if each.partner_id == MINE]) == 1

    looked = forget("--partner", MINE, "--dry-run")
    assert by_word(everything_kept(lane.stack), MINE) == found
    receipt = forget("--partner", MINE, "--yes")

    after = everything_kept(lane.stack)
    for word in WORDS:
        assert places_of(after, mark(word, MINE)) == set(), word
    assert unexplained(places_of(after, MINE), receipt, "partner_id") == set()
    for request_id in lane.sent[MINE]:
        assert unexplained(places_of(after, request_id), receipt, "request_id") == set(), request_id
    assert sorted(receipt["requests"]) == sorted(lane.sent[MINE])
    assert (receipt["objects"], receipt["dead_letters"]) == (looked["objects"], looked["dead_letters"])
    assert (receipt["status_rows"], len(receipt["dead_letters"])) == (5, 2)
    assert lane.money() == money
    assert theirs(after, lane, OTHER) == theirs(before, lane, OTHER)
    assert by_word(after, OTHER) == by_word(before, OTHER)
    assert {lane.state(each) for each in lane.sent[OTHER]} == {"completed", "rejected"}
    assert any(each["days"] == 35 for each in receipt["ages_out"])


def test_what_comes_back_with_a_restore_is_forgotten_again(lane: Lane) -> None:
    stack = lane.stack
    dynamodb, s3, bucket = stack.client("dynamodb"), stack.client("s3"), stack.endpoints.bucket
    tables = [name for name in stack.table_names if name != lane.settings.budget_table]
    items = {name: dynamodb.scan(TableName=name)["Items"] for name in tables}
    keys = [
        key for request_id in lane.sent[MINE] for key in lane.gateways.tables.list_keys(f"fm-requests/{request_id}")
    ]
    bodies = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
    assert bodies
    forget("--partner", MINE, "--yes")

    for name, restored in items.items():
        for item in restored:
            dynamodb.put_item(TableName=name, Item=item)
    for key, body in bodies.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert places_of(everything_kept(stack), mark("question", MINE))
    (receipt,) = forget("--again", "--yes")
    after = everything_kept(stack)
    for word in WORDS:
        assert places_of(after, mark(word, MINE)) == set(), word
    assert unexplained(places_of(after, MINE), receipt, "partner_id") == set()
    for request_id in lane.sent[MINE]:
        assert unexplained(places_of(after, request_id), receipt, "request_id") == set(), request_id
    assert {lane.state(each) for each in lane.sent[OTHER]} == {"completed", "rejected"}


def test_a_user_is_forgotten_by_the_partners_own_id(lane: Lane) -> None:
    receipt = forget("--user", mark("user", MINE), "--yes")
    after = everything_kept(lane.stack)
    for word in ("user", "question", "ordered", "chat"):
        assert places_of(after, mark(word, MINE)) == set(), word
    assert mark("user", MINE) not in json.dumps(receipt)
    assert places_of(after, mark("note", MINE))
    assert places_of(after, mark("user", OTHER))


def test_the_command_asks_first_and_names_what_is_missing(lane: Lane) -> None:
    runner = CliRunner()
    refused = runner.invoke(main, ["forget", "--request", lane.sent[MINE][0]], input="n\n")
    assert refused.exit_code == 1
    assert "1 requests; would be deleted:" in refused.output
    assert lane.state(lane.sent[MINE][0]) == "completed"
    nobody = runner.invoke(main, ["forget", "--user", "nobody", "--yes"])
    assert "say whose user is meant with --partner" in nobody.output
    for words in ([], ["--partner", MINE, "--again"], ["--request", str(uuid4()), "--user", "x"]):
        assert "name one:" in runner.invoke(main, ["forget", *words]).output
    replies = runner.invoke(main, ["forget", "--old-replies", "--yes"])
    assert (replies.exit_code, replies.output) == (0, "replies of 0 requests ended\n")
    done = runner.invoke(main, ["forget", "--request", lane.sent[MINE][0], "--yes"])
    assert done.exit_code == 0
    assert "1 requests; deleted:" in done.output
    assert lane.state(lane.sent[MINE][0]) == "unknown"
