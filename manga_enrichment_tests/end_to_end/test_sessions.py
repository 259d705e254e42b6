"""Fifty sessions over the emulator's FIFO queue: faults of the model, kills of real processes.

Per session the answers come in the order of the questions, and no session waits for another. Four messages a session;
with --full-size twenty.
"""

import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import dagster as dg
import pytest

from manga_enrichment.assembly import build_definitions
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTERS_FIFO, SESSION
from manga_enrichment.domain.requests.states import is_final
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.partner.conversations import session_name
from manga_enrichment.pipeline.partner.submit import submit
from manga_enrichment.pipeline.store.object_keys import conversation_prefix
from manga_enrichment_tests.end_to_end.doomed import Doom
from manga_enrichment_tests.end_to_end.doomed_partner import LaneProcess
from manga_enrichment_tests.end_to_end.file_clock import FileClock
from manga_enrichment_tests.end_to_end.partner_books import PARTNER, PartnerBooks, open_books

pytestmark = pytest.mark.slow

SENSOR = "partner_conversations"
SESSIONS, MESSAGES, FULL_MESSAGES = 50, 4, 20
CONCURRENCY = 16
WAVES_BETWEEN_KILLS = 4
FAULTS = {"refusal_probability": 0.08, "error_probability": 0.04, "throttle_probability": 0.04}
SENDERS = 8
HIDDEN_SECONDS = 10
"""In a killed wave, instead of the queue's own minute, so that its messages come again soon; yet not before a process
that is slow to start has extended them, or it gives them up and ends without a call."""


def session_id(number: int) -> str:
    return str(UUID(int=number + 1, version=4))


def question(session: int, number: int) -> str:
    return f"question {number:02d} of session {session}"


class Sessions:
    """What was sent, and what became of it."""

    def __init__(self, books: PartnerBooks, clock: FileClock, messages: int) -> None:
        self._books = books
        self._clock = clock
        self.messages = messages
        with ThreadPoolExecutor(SENDERS) as pool:
            self._sent = list(pool.map(self._send_session, range(SESSIONS)))
        self.ended = [0] * SESSIONS
        """How many requests of each session have ended."""

    def _send_session(self, session: int) -> list[str]:
        return [self._send(session, number) for number in range(self.messages)]

    def _send(self, session: int, number: int) -> str:
        request_id = str(UUID(int=session * 1_000 + number + 1, version=4))
        submit(
            self._books.gateways.queues,
            "manga_query",
            {"query": question(session, number), "conversation_id": session_id(session)},
            partner_id=PARTNER,
            request_id=request_id,
            now=self._clock.now(),
        )
        return request_id

    def look(self) -> list[int]:
        """Count what has ended since the last look, from the first open request on; the sessions without any."""
        before = self.ended
        with ThreadPoolExecutor(SENDERS) as pool:
            self.ended = list(pool.map(self._ended_of, range(SESSIONS)))
        pairs = zip(before, self.ended, strict=True)
        return [session for session, (old, new) in enumerate(pairs) if old == new < self.messages]

    def _ended_of(self, session: int) -> int:
        ended = self.ended[session]
        while ended < self.messages:
            row = self._books.gateways.requests.get(self._sent[session][ended])
            if row is None or not is_final(row.state):
                break
            ended += 1
        return ended

    def rows(self, session: int) -> list[RequestRow]:
        return [self._books.row(request_id) for request_id in self._sent[session]]

    def turns(self, session: int) -> list[str]:
        """The questions of its history, oldest first."""
        name = session_name(PARTNER, "manga_query", {"conversation_id": session_id(session)})
        tables = self._books.gateways.tables
        documents = [tables.read_json(key) for key in sorted(tables.list_keys(conversation_prefix(str(name))))]
        return [document["question"] for document in documents if document]


@pytest.fixture
def environment(local_stack: LocalStack, fresh_stack_state: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    environment = local_stack.child_environment(os.environ) | {
        "MANGA_CATALOG_BUCKETS": "1",
        "MANGA_CONCURRENCY": str(CONCURRENCY),
        "MANGA_CLAIM_SECONDS": "5",
        "MANGA_CLOCK_SKEW_SECONDS": "2",
        "MANGA_RESIDENTS": "false",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def clock(tmp_path: Path) -> FileClock:
    return FileClock(tmp_path / "clock")


@pytest.fixture
def books(local_stack: LocalStack, environment: dict[str, str], clock: FileClock) -> Iterator[PartnerBooks]:
    with open_books(local_stack, clock) as books:
        yield books


@pytest.fixture
def lane(books: PartnerBooks, clock: FileClock, tmp_path: Path) -> Iterator[InProcessLane]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield InProcessLane(build_definitions(resources={"clock": clock}), instance)


def killed_wave(environment: dict[str, str], clock: FileClock, books: PartnerBooks, home: Path, call: int) -> None:
    """A process that takes messages, is killed at a call of the model, and whose leases run out."""
    books.hide_received_messages_for(HIDDEN_SECONDS, SESSION.name)
    home.mkdir()
    doom = Doom("model", "converse", call=call, after=call % 2 == 0)
    process = LaneProcess(environment, clock, home, doom, sensor=SENSOR)
    code = process.wait()
    assert code == -signal.SIGKILL, f"it asked too little to be killed at call {call}: {process.messages()[-6_000:]}"
    books.let_leases_run_out(SESSION)


def test_sessions_keep_their_order_and_none_waits_for_another(
    books: PartnerBooks,
    clock: FileClock,
    lane: InProcessLane,
    environment: dict[str, str],
    model_server: ModelServerControl,
    tmp_path: Path,
    full_size: bool,
) -> None:
    chance = random.Random(4)
    sessions = Sessions(books, clock, FULL_MESSAGES if full_size else MESSAGES)
    model_server.faults(**FAULTS)
    kills = 0
    for wave in range(sessions.messages):
        if wave % WAVES_BETWEEN_KILLS == 1:
            killed_wave(environment, clock, books, tmp_path / str(wave), chance.randrange(1, SESSIONS // 2))
            kills += 1
        assert all(result.success for result in lane.run_all(lane.tick(SENSOR)))
        assert not sessions.look()
    assert sessions.ended == [sessions.messages] * SESSIONS
    failed = 0
    for session in range(SESSIONS):
        rows = sessions.rows(session)
        failed += sum(row.state.value == "failed" for row in rows)
        completed = [number for number, row in enumerate(rows) if row.state.value == "completed"]
        assert sessions.turns(session) == [question(session, number) for number in completed]
        assert [row.updated_at for row in rows] == sorted(row.updated_at for row in rows)
    assert failed
    assert books.is_empty(DEAD_LETTERS_FIFO)  # a refusal is an answer, and no letter
    assert books.is_empty(SESSION.name)
    assert model_server.counters()["duplicates"] <= CONCURRENCY * kills
