"""`manga-enrichment submit|status|results` over the local stack; nothing works at the requests here."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.cli import main
from manga_enrichment.cli.partner.requests import poll_until_ended
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import HIGH_PRIORITY, LOW_PRIORITY, NORMAL, SESSION
from manga_enrichment.domain.requests.reading.envelope import AcceptedRequest, read_request
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.domain.requests.validation import RequestPolicy
from manga_enrichment.gateways.queue import Message
from manga_enrichment.pipeline.store.object_keys import old_result_document_key, result_document_key
from manga_enrichment_tests.builders import put_catalog, record
from manga_enrichment_tests.cli.conftest import Command, MakeRow
from manga_enrichment_tests.fakes import FakeClock

BATCH = {"items": [{"manga_id": "MNG-C4G0F4AW", "analysis_type": "reading_level"}]}


@pytest.fixture
def request_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def received(gateways: Gateways) -> Iterator["Received"]:
    """Empty queues before and after."""
    received = Received(gateways)
    received.take_all()
    yield received
    received.take_all()


class Received:
    """What was sent to the queues."""

    def __init__(self, gateways: Gateways) -> None:
        self._queues = gateways.queues

    def take_all(self) -> list[Message]:
        found: list[Message] = []
        for queue in (HIGH_PRIORITY, NORMAL, LOW_PRIORITY, SESSION):
            while messages := self._queues.receive(queue.name, max_messages=50, wait_seconds=0):
                self._queues.delete(queue.name, [each.receipt_handle for each in messages])
                found += messages
        return found


def written(folder: Path, body: Any) -> Path:
    file = folder / "body.json"
    file.write_text(json.dumps(body), "utf-8")
    return file


def accepted(message: Message) -> AcceptedRequest:
    request = read_request(message.body, RequestPolicy(allow_loopback_callbacks=True))
    assert isinstance(request, AcceptedRequest)
    return request


@pytest.mark.parametrize("priority", [HIGH_PRIORITY, NORMAL, LOW_PRIORITY])
def test_a_batch_goes_to_the_queue_of_its_priority_in_its_partners_group(
    command: Command, received: Received, tmp_path: Path, priority: Any
) -> None:
    body = {**BATCH, "priority": priority.name.removeprefix("manga-fm-").removesuffix("-priority")}
    result = command("submit", written(tmp_path, body), "--partner", "acme")
    assert result.exit_code == 0, result.output
    [message] = received.take_all()
    assert (message.queue, message.group_id) == (priority.name, "acme")
    request = accepted(message)
    assert request.envelope.request_id == result.stdout.strip()
    assert (request.envelope.partner_id, request.envelope.source) == ("acme", "cli")
    assert request.body["items"] == BATCH["items"]


def test_a_file_with_a_byte_order_mark_is_read(command: Command, received: Received, tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text(json.dumps(BATCH), "utf-8-sig")
    result = command("submit", file)
    assert result.exit_code == 0, result.output
    [message] = received.take_all()
    assert accepted(message).body["items"] == BATCH["items"]


def test_what_is_odd_though_accepted_is_said_beside_the_request_id(
    command: Command, received: Received, tmp_path: Path
) -> None:
    result = command("submit", written(tmp_path, {"items": BATCH["items"] * 2}))
    assert "warning: items: 1 of 2 items repeat an earlier one" in result.stderr
    [message] = received.take_all()
    assert accepted(message).envelope.request_id == result.stdout.strip()


def test_a_callback_url_on_the_command_line_replaces_that_of_the_file(
    command: Command, received: Received, tmp_path: Path
) -> None:
    file = written(tmp_path, {**BATCH, "callback_url": "https://old.example/"})
    assert command("submit", file, "--callback-url", "https://hooks.acme.example/new").exit_code == 0
    [message] = received.take_all()
    assert accepted(message).body["callback_url"] == "https://hooks.acme.example/new"


def test_what_breaks_the_rules_is_sent_only_when_told_to(command: Command, received: Received, tmp_path: Path) -> None:
    file = written(tmp_path, {"items": []})
    result = command("submit", file)
    assert result.exit_code == 1
    assert "is not a valid batch_analysis request:\n  items: " in result.output
    assert received.take_all() == []
    assert command("submit", file, "--no-check").exit_code == 0
    assert [message.queue for message in received.take_all()] == [NORMAL.name]


@pytest.mark.parametrize(
    ("text", "words", "sentence"),
    [
        ("{", (), "is not JSON"),
        ("[]", (), "is not a valid batch_analysis request"),
        (json.dumps(BATCH), ("--partner", "ac me"), "is no partner id"),
        (json.dumps({"query": "?", "x" * 70: 1}), ("--schema", "manga_query"), "is not a valid manga_query request"),
        (json.dumps({"note": "a" * 1_100_000}), ("--no-check",), "must have 1 to 1048576 bytes"),
    ],
    ids=["no JSON", "no object", "no partner id", "unknown field", "larger than SQS takes"],
)
def test_what_cannot_be_sent_ends_with_a_sentence(
    command: Command, received: Received, tmp_path: Path, text: str, words: tuple[str, ...], sentence: str
) -> None:
    file = tmp_path / "body.json"
    file.write_text(text, "utf-8")
    result = command("submit", file, *words)
    assert result.exit_code in (1, 2)
    assert sentence in result.output
    assert "Traceback" not in result.output
    assert received.take_all() == []


def test_the_status_of_a_request_says_all_that_its_partner_may_know(
    command: Command, make_row: MakeRow, request_id: str
) -> None:
    make_row(
        request_id,
        RequestState.PROCESSING,
        RequestState.PARTIALLY_COMPLETED,
        counts={"items": 3, "succeeded": 2, "failed": 1},
        cost_micro_usd=1234,
        input_tokens=10,
        output_tokens=5,
        result_key=result_document_key("acme", request_id),
        error_class="unknown_title",
        reason="1 of 3 items without an answer: 1 unknown_title",
        callback_state="callback_delivered",
    )
    result = command("status", request_id, "--json")
    assert result.exit_code == 0
    status = json.loads(result.stdout)
    assert status.pop("submitted_at") <= status.pop("updated_at")
    assert status == {
        "request_id": request_id,
        "partner_id": "partner-1",
        "status": "partially_completed",
        "generation": 1,
        "counts": {"items": 3, "succeeded": 2, "failed": 1},
        "reference": None,
        "cost_usd": 0.001234,
        "tokens": {"input": 10, "output": 5},
        "result_key": result_document_key("acme", request_id),
        "error_class": "unknown_title",
        "reason": "1 of 3 items without an answer: 1 unknown_title",
        "resumes_on": None,
        "callback": "callback_delivered",
        "queue": NORMAL.name,
        "run_id": None,
    }
    words = command("status", request_id).stdout
    for expected in (
        "partially_completed",
        "2 succeeded",
        "unknown_title: 1 of 3",
        "0.001234 USD",
        "callback_delivered",
    ):
        assert expected in words


@pytest.mark.parametrize(
    ("states", "exit_code"),
    [
        ([RequestState.REJECTED], 1),
        ([RequestState.FAILED], 1),
        ([RequestState.QUEUED], 0),
        ([RequestState.DEFERRED], 0),
        ([RequestState.PROCESSING, RequestState.COMPLETED], 0),
    ],
)
def test_the_exit_code_tells_what_went_wrong_from_what_goes_on(
    command: Command, make_row: MakeRow, request_id: str, states: list[RequestState], exit_code: int
) -> None:
    make_row(request_id, *states)
    assert command("status", request_id).exit_code == exit_code


def test_following_shows_each_change_and_ends_with_the_request(
    gateways: Gateways, make_row: MakeRow, request_id: str
) -> None:
    """A deferred request has not ended: its next generation is followed, too."""
    make_row(request_id)
    shown: list[tuple[str, int]] = []
    follows = {
        "received": RequestState.QUEUED,
        "queued": RequestState.PROCESSING,
        "processing": RequestState.DEFERRED,
    }

    def show(row: RequestRow) -> None:
        shown.append((row.state.value, row.generation))
        if row.state is RequestState.DEFERRED:
            claimed = gateways.requests.claim(replace(row, state=RequestState.RECEIVED), gateways.clock.now()).row
            gateways.requests.update(request_id, claimed.owner, claimed.generation, RequestState.PROCESSING)
            gateways.requests.update(request_id, claimed.owner, claimed.generation, RequestState.COMPLETED)
        elif row.state.value in follows:
            gateways.requests.update(request_id, row.owner, row.generation, follows[row.state.value])

    ended = poll_until_ended(gateways.requests, FakeClock(), request_id, show)
    assert ended.state is RequestState.COMPLETED
    assert shown == [("received", 1), ("queued", 1), ("processing", 1), ("deferred", 1), ("completed", 2)]


def test_following_what_has_ended_returns_at_once(command: Command, make_row: MakeRow, request_id: str) -> None:
    make_row(request_id, RequestState.REJECTED, error_class="invalid_body", reason="items: is empty")
    result = command("status", request_id, "--follow")
    assert (result.exit_code, "rejected" in result.stdout) == (1, True)


@pytest.mark.parametrize("is_old", [False, True])
def test_results_are_the_document_that_the_partner_fetches(
    command: Command, gateways: Gateways, make_row: MakeRow, request_id: str, is_old: bool
) -> None:
    document = {"request_id": request_id, "items": [{"title": "星と灯台"}]}
    key = old_result_document_key(request_id) if is_old else result_document_key("acme", request_id)
    gateways.tables.write_json(key, document)
    make_row(request_id, RequestState.PROCESSING, RequestState.COMPLETED, result_key=key)
    result = command("results", request_id)
    assert json.loads(result.stdout) == document
    assert "星と灯台" in result.stdout


def test_a_request_without_result_says_how_far_it_is(command: Command, make_row: MakeRow, request_id: str) -> None:
    result = command("results", request_id)
    assert "has no result: no worker has seen it yet" in result.output
    make_row(request_id, RequestState.QUEUED)
    result = command("results", request_id)
    assert (result.exit_code, "has no result: it is queued" in result.output) == (1, True)


def test_the_requests_of_a_partner_are_listed_newest_first(
    command: Command, gateways: Gateways, make_row: MakeRow, fresh_stack_state: None
) -> None:
    sent = [str(uuid.uuid4()) for _ in range(3)]
    for each in sent:
        make_row(each)
    listed = json.loads(command("requests", "partner-1", "--newest", "2", "--json").stdout)
    assert [each["request_id"] for each in listed] == [sent[2], sent[1]]
    lines = command("requests", "partner-1").stdout.splitlines()
    assert [each in line for each, line in zip(reversed(sent), lines, strict=True)] == [True] * 3
    assert command("requests", "list", "other").stdout == command("requests", "other").stdout == ""


def test_open_requests_are_cancelled_and_others_are_named(
    command: Command, gateways: Gateways, make_row: MakeRow, request_id: str
) -> None:
    ended, unknown = str(uuid.uuid4()), str(uuid.uuid4())
    make_row(request_id, RequestState.QUEUED)
    result = command("requests", "cancel", request_id)
    assert (result.exit_code, result.stdout) == (
        0,
        f"{request_id}: nothing more is asked; it is queued until a worker has seen that\n",
    )
    assert gateways.requests.cancelled([request_id]) == {request_id}
    make_row(ended, RequestState.PROCESSING, RequestState.COMPLETED)
    result = command("requests", "cancel", ended, request_id, unknown)
    assert result.exit_code == 1
    assert f"{ended}: has ended before, as completed" in result.stdout
    assert f"{unknown}: nobody knows it yet" in result.stdout
    assert gateways.requests.cancelled([ended]) == set()


def test_a_batch_is_priced_and_a_bad_one_is_told_all_its_faults(
    command: Command, received: Received, gateways: Gateways, tmp_path: Path, fresh_stack_state: None
) -> None:
    put_catalog(gateways.tables, [record(number) for number in range(8)])
    ids = ("MNG-00000001", "MNG-ZZZZZZZZ")
    body = {"items": [{"manga_id": each, "analysis_type": "reading_level"} for each in ids]}
    environment = {"MANGA_CATALOG_BUCKETS": "1"}
    result = CliRunner().invoke(main, ["requests", "quote", str(written(tmp_path, body)), "--json"], env=environment)
    assert result.exit_code == 0, result.output
    quote = json.loads(result.stdout)
    assert quote["counts"] == {"items": 2, "no_answer": 1, "to_ask": 1}
    assert 0 < quote["cost_usd"] < quote["at_most_usd"]
    shown = CliRunner().invoke(main, ["requests", "quote", str(written(tmp_path, body))], env=environment).stdout
    assert shown.startswith("2 items, 1 no_answer, 1 to_ask: about ")
    assert "the catalog has no title with this manga_id" in shown
    result = command("requests", "quote", written(tmp_path, {"items": [{"manga_id": "x"}], "priority": "soon"}))
    assert result.exit_code == 1
    assert "items.0" in result.output
    assert "priority" in result.output
    assert received.take_all() == []


def test_what_is_no_request_id_is_refused(command: Command) -> None:
    result = command("status", "../../x")
    assert result.exit_code == 2
    assert "is not a valid UUID" in result.output


def test_a_terminal_does_not_obey_what_a_status_quotes(
    command: Command, make_row: MakeRow, gateways: Gateways, request_id: str
) -> None:
    hostile = "boom \x1b[2J\x9b1m\u202e\nforged: completed"
    fields = {"reason": hostile, "error_class": "invalid_\x07", "callback_state": "callback_\x1b]0;title"}
    make_row(request_id, RequestState.PROCESSING, RequestState.FAILED, **fields)
    words = command("status", request_id).stdout
    assert "  invalid_\\x07: boom \\x1b[2J\\x9b1m\\u202e\\nforged: completed\n" in words
    assert all(line.isprintable() for line in words.split("\n"))
    listed = command("requests", "partner-1").stdout
    assert "callback_\\x1b]0;title" in listed
    assert all(line.isprintable() for line in listed.split("\n"))
    assert json.loads(command("status", request_id, "--json").stdout)["reason"] == hostile
