"""A partner's side of callbacks on this machine: takes them, verifies them, keeps them. Part of the local stack.

Belongs here: a small HTTP server on loopback. Stays out: what partners are told to do (`docs/callbacks.md`).

    with CallbackReceiver(SigningKey("1", secret)) as receiver:
        ... "callback_url": receiver.url ...
        receiver.received

    python -m manga_enrichment.local.stack.callback_receiver --port 8099 --record-file callbacks.jsonl

It answers as a good receiver does: 204 for what it believes, 401 for what it does not; or as `answer` says.
"""

import argparse
import json
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from manga_enrichment.domain.callbacks.signatures import SignatureError, SigningKey, partner_signing_key, verify
from manga_enrichment.local.stack.endpoints import CALLBACK_KEY_ID, CALLBACK_SECRET
from manga_enrichment.local.stack.processes import LOOPBACK
from manga_enrichment.local.stack.running import Running

CALLBACK_PATH = "/callback"
HEALTH_PATH = "/health"
MAX_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """One callback. problem: why it is not to be believed, "" when it is."""

    path: str
    event_id: str
    event: dict[str, Any]
    headers: dict[str, str]
    received_at: datetime
    problem: str = ""


Answer = Callable[[ReceivedCallback], int]


class CallbackReceiver(Running):
    """Listens between `start` and `stop`, or inside `with`.

    It plays all partners at once: it knows our master key and derives the secret of the partner an event names.
    """

    def __init__(
        self,
        master: SigningKey,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        record_file: Path | None = None,
        answer: Answer | None = None,
    ) -> None:
        """port 0: any free one. tls None: plain http. record_file gets one JSON line for each callback."""
        self._master = master
        self._record_file = record_file
        self._answer = answer or _good_answer
        self._received: list[ReceivedCallback] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(self._take))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://{LOOPBACK}:{self._server.server_address[1]}{CALLBACK_PATH}"

    @property
    def received(self) -> list[ReceivedCallback]:
        """All callbacks so far, repetitions too, in order."""
        with self._lock:
            return list(self._received)

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """What a partner works with: believable events, each once, by event id."""
        return {each.event_id: each.event for each in self.received if not each.problem}

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        """Serve until the process is ended."""
        self._thread.join()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        callback = self._read(path, headers, body)
        with self._lock:
            self._received.append(callback)
            if self._record_file is not None:
                with self._record_file.open("a", encoding="utf-8") as records:
                    records.write(json.dumps(asdict(callback), default=str, ensure_ascii=False) + "\n")
        return self._answer(callback)

    def _read(self, path: str, headers: dict[str, str], body: bytes) -> ReceivedCallback:
        now = datetime.now(UTC)
        try:
            event = json.loads(body)
            key = partner_signing_key(self._master, event["partner_id"] or "")
            verify(headers, body, {key.key_id: key.secret}, now)
        except SignatureError as error:
            return ReceivedCallback(path, str(event.get("event_id", "")), event, headers, now, str(error))
        except (ValueError, KeyError, TypeError):
            return ReceivedCallback(path, "", {}, headers, now, "it is no event")
        return ReceivedCallback(path, event["event_id"], event, headers, now)


def _good_answer(callback: ReceivedCallback) -> int:
    return 401 if callback.problem else 204


def _handler(take: Callable[[str, dict[str, str], bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            self._reply(200 if self.path == HEALTH_PATH else 404)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length <= MAX_BODY_BYTES else b""
            self._reply(take(self.path, dict(self.headers.items()), body))

        def _reply(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Say nothing: whoever looks has `received`."""

    return Handler


def read_callbacks(record_file: Path) -> list[ReceivedCallback]:
    """What a receiver has written down so far, in order."""
    written = record_file.read_text("utf-8") if record_file.exists() else ""
    documents = [json.loads(line) for line in written.split("\n")[:-1]]  # a last line without end is being written
    return [
        ReceivedCallback(**{**each, "received_at": datetime.fromisoformat(each["received_at"])}) for each in documents
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve on loopback, with the secret of the local stack, until the process is ended."""
    parser = argparse.ArgumentParser(
        prog="python -m manga_enrichment.local.stack.callback_receiver", description=__doc__
    )
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--record-file", type=Path, help="gets one JSON line for each callback")
    options = parser.parse_args(arguments)
    master = SigningKey(CALLBACK_KEY_ID, CALLBACK_SECRET)
    with CallbackReceiver(master, port=options.port, record_file=options.record_file) as receiver:
        receiver.wait()


if __name__ == "__main__":
    main()
