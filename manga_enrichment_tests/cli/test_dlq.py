"""`manga-enrichment dlq ...` against the local stack."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.gateways import Gateways
from manga_enrichment.aws.sqs import SqsQueues
from manga_enrichment.cli import main
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, NORMAL
from manga_enrichment.domain.requests.states import RequestState
from manga_enrichment.pipeline.dead_letters.queue import EXPLANATION, ORIGINAL_QUEUE, REASON
from manga_enrichment_tests.cli.conftest import MakeRow
from manga_enrichment_tests.pipeline.dead_letters.dead_letter_world import make_body


def dlq(*arguments: str) -> str:
    """Output of a command that succeeds."""
    result = CliRunner().invoke(main, ["dlq", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def dlq_json(*arguments: str) -> dict[str, Any]:
    return dict(json.loads(dlq(*arguments, "--json")))


def drain(queues: SqsQueues, queue: str) -> list[str]:
    messages = queues.receive(queue, max_messages=100, wait_seconds=0)
    queues.delete(queue, [message.receipt_handle for message in messages])
    return [message.body for message in messages]


@pytest.fixture
def queues(aws_environment: dict[str, str], fresh_stack_state: None) -> SqsQueues:
    return SqsQueues(AwsClients().sqs)


def test_dead_letters_are_counted_shown_and_sent_back(queues: SqsQueues) -> None:
    request_id = str(uuid.uuid4())
    attributes = {REASON: "malformed_json", EXPLANATION: "no JSON", ORIGINAL_QUEUE: NORMAL.name}
    queues.send(DEAD_LETTERS, "[bold]{not json", attributes=attributes, group_id="acme")
    queues.send(DEAD_LETTERS, make_body(request_id, model="haiku"), attributes={ORIGINAL_QUEUE: NORMAL.name})

    assert dlq_json("depth")[DEAD_LETTERS] == {"visible": 2, "in_flight": 0, "delayed": 0}
    assert "manga-fm-dlq: 2 visible, 0 in flight, 0 delayed" in dlq("depth")

    peeked = dlq_json("peek")
    assert peeked["reasons"] == {"malformed_json": 1, "too_many_receives": 1}
    assert {message["request_id"] for message in peeked["messages"]} == {"", request_id}
    assert {message["receive_count"] for message in peeked["messages"]} == {1}
    [read] = [message for message in peeked["messages"] if message["request_id"] == request_id]
    assert (read["models"], read["first_received_at"][:10]) == (["haiku"], f"{datetime.now(UTC):%Y-%m-%d}")
    shown = dlq("peek")
    assert "asks haiku" in shown
    assert "first on " in shown
    assert "1 × malformed_json" in shown
    assert "[bold]" in "".join(shown.split())
    assert dlq_json("depth")[DEAD_LETTERS]["visible"] == 2

    assert dlq_json("redrive", "--dry-run", "--older-than", "90d")["redriven"] == 0
    assert dlq_json("redrive", "--dry-run", "--younger-than", "1d")["redriven"] == 2
    assert "1 of 2 went back, 1 to manga-fm-normal, 1 left" in dlq("redrive", "--reason", "malformed_json")
    assert drain(queues, NORMAL.name) == ["[bold]{not json"]
    report = dlq_json("redrive", "--request-id", request_id, "--partner", "partner-1")
    assert (report["redriven"], report["targets"]) == (1, {NORMAL.name: 1})
    assert [request_id in body for body in drain(queues, NORMAL.name)] == [True]
    assert dlq_json("depth")[DEAD_LETTERS]["visible"] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["redrive", "--older-than", "2 weeks"], "is no age: write for example 90s, 15m, 2h or 3d"),
        (["redrive", "--to", "nowhere"], "nowhere cannot take messages of manga-fm-dlq: name one of"),
        (["peek", "--queue", "manga-fm-normal"], "is not one of"),
    ],
)
def test_wrong_arguments_end_with_a_sentence(queues: SqsQueues, arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(main, ["dlq", *arguments])
    assert result.exit_code != 0
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_terminal_does_not_obey_what_a_dead_letter_says(
    queues: SqsQueues, make_row: MakeRow, gateways: Gateways
) -> None:
    request_id = str(uuid.uuid4())
    make_row(
        request_id,
        RequestState.PROCESSING,
        RequestState.FAILED,
        reason="the model said \x1b[2J\nforged",
        error_class="x\x07",
    )
    queues.send(DEAD_LETTERS, make_body(request_id), attributes={ORIGINAL_QUEUE: NORMAL.name})
    shown = dlq("peek")
    assert "  x\\x07: the model said \\x1b[2J\\nforged\n" in shown
    assert all(line.isprintable() for line in shown.split("\n"))
    [message] = dlq_json("peek")["messages"]
    assert message["explanation"] == "the model said \x1b[2J\nforged"
