"""The receiver of the demo behaves as docs/callbacks.md asks partners to."""

import http.client
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from manga_enrichment.domain.callbacks.signatures import SigningKey, partner_signing_key, signed_headers
from manga_enrichment.local.stack.callback_receiver import CallbackReceiver, read_callbacks

MASTER = SigningKey("1", "m" * 40)
BODY = json.dumps({"event_id": "evt_1", "partner_id": "acme"}).encode()


def signed(body: bytes = BODY, partner_id: str = "acme", at: datetime | None = None) -> dict[str, str]:
    return signed_headers(partner_signing_key(MASTER, partner_id), body, at or datetime.now(UTC))


def post(receiver: CallbackReceiver, body: bytes, headers: dict[str, str]) -> int:
    url = urlsplit(receiver.url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)
    try:
        connection.request("POST", url.path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_takes_what_it_can_verify() -> None:
    with CallbackReceiver(MASTER) as receiver:
        assert post(receiver, BODY, signed()) == 204
    assert receiver.events == {"evt_1": json.loads(BODY)}
    assert [each.problem for each in receiver.received] == [""]


def test_a_repetition_is_the_same_event() -> None:
    with CallbackReceiver(MASTER) as receiver:
        for _ in range(3):
            assert post(receiver, BODY, signed()) == 204
    assert len(receiver.received) == 3
    assert len(receiver.events) == 1


def test_it_keeps_but_does_not_believe_what_it_cannot_verify() -> None:
    with CallbackReceiver(MASTER) as receiver:
        assert post(receiver, BODY, {}) == 401
        assert post(receiver, BODY, signed(partner_id="other")) == 401
        assert post(receiver, BODY, signed(at=datetime.now(UTC) - timedelta(hours=1))) == 401
        assert post(receiver, b"not json", signed(b"not json")) == 401
        assert post(receiver, b"[]", signed(b"[]")) == 401
    assert receiver.events == {}
    assert all(each.problem for each in receiver.received)
    assert len(receiver.received) == 5


def test_it_can_be_told_to_answer_badly() -> None:
    with CallbackReceiver(MASTER, answer=lambda _callback: 503) as receiver:
        assert post(receiver, BODY, signed()) == 503
    assert len(receiver.received) == 1


def test_its_record_has_a_line_for_each_callback(tmp_path: Path) -> None:
    record = tmp_path / "callbacks.jsonl"
    with CallbackReceiver(MASTER, record_file=record) as receiver:
        post(receiver, BODY, signed())
        post(receiver, BODY, {})
    lines = [json.loads(line) for line in record.read_text("utf-8").splitlines()]
    assert [(line["event_id"], bool(line["problem"])) for line in lines] == [("evt_1", False), ("evt_1", True)]


def test_its_record_reads_as_what_it_received_also_while_a_line_is_being_written(tmp_path: Path) -> None:
    record = tmp_path / "callbacks.jsonl"
    assert read_callbacks(record) == []
    body = json.dumps({"event_id": "evt_1", "partner_id": "acme", "note": "a\u2028b"}).encode()
    with CallbackReceiver(MASTER, record_file=record) as receiver:
        assert post(receiver, body, signed(body)) == 204
        assert post(receiver, body, {}) == 401
    with record.open("a", encoding="utf-8") as being_written:
        being_written.write('{"path": "/call')
    assert read_callbacks(record) == receiver.received
