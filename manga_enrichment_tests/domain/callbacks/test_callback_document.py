"""The snippet that partners copy from docs/callbacks.md believes what we send and nothing else."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.aws.outbound.callbacks import HttpsCallbacks
from manga_enrichment.domain.callbacks.deliveries import MAX_ATTEMPTS, pause_seconds
from manga_enrichment.domain.callbacks.signatures import FRESH_SECONDS, SigningKey, partner_signing_key, signed_headers

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "callbacks.md").read_text("utf-8")
NOW = datetime(2026, 1, 15, 3, 0, tzinfo=UTC)
KEY = partner_signing_key(SigningKey("1", "m" * 40), "acme")
BODY = b'{"event_id":"evt_1"}'


@pytest.fixture(scope="module")
def is_ours() -> Callable[[dict[str, str], bytes, float], bool]:
    """The document's function, with our partner's secret."""
    found: Callable[[dict[str, str], bytes, float], bool] = page()["is_ours"]
    return found


def page() -> dict[str, Any]:
    """All names that the document's code makes."""
    names: dict[str, Any] = {}
    for snippet in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL):
        exec(compile(snippet, "docs/callbacks.md", "exec"), names)  # noqa: S102 - our own document
    names["SECRETS"] = {KEY.key_id: KEY.secret}
    return names


def signed(body: bytes = BODY, key: SigningKey = KEY, at: datetime = NOW) -> dict[str, str]:
    return {name.lower(): value for name, value in signed_headers(key, body, at).items()}


@given(body=st.binary(max_size=500))
def test_it_believes_what_we_sign(is_ours: Callable[..., bool], body: bytes) -> None:
    assert is_ours(signed(body), body, NOW.timestamp())


@pytest.mark.parametrize("seconds", [FRESH_SECONDS + 1, -FRESH_SECONDS - 1])
def test_it_refuses_what_is_not_fresh(is_ours: Callable[..., bool], seconds: int) -> None:
    assert not is_ours(signed(at=NOW + timedelta(seconds=seconds)), BODY, NOW.timestamp())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b"another body"),
        signed(key=replace(KEY, key_id="2")),
        signed(key=partner_signing_key(SigningKey("1", "m" * 40), "other")),
        {**signed(), "x-manga-timestamp": "later"},
        {**signed(), "x-manga-signature": "key=1,v1=" + "0" * 64},
        {**signed(), "x-manga-signature": signed()["x-manga-signature"] + "\n"},
    ],
)
def test_it_refuses_what_is_not_ours(is_ours: Callable[..., bool], headers: dict[str, str]) -> None:
    assert not is_ours(headers, BODY, NOW.timestamp())


def test_its_clock_is_the_real_one_unless_told(is_ours: Callable[..., bool]) -> None:
    now = datetime.now(UTC)
    assert is_ours(signed(at=now), BODY, None)
    assert not is_ours(signed(), BODY, None)


def test_its_receiver_takes_each_of_our_events_once(capsys: pytest.CaptureFixture[str]) -> None:
    names = page()
    event = {"event_id": "e", "type": "request.completed", "request_id": "r", "reference": None, "counts": {}}
    body = json.dumps({**event, "results_url": None}).encode()
    ours, forged = signed(body, at=datetime.now(UTC)), signed(b"another", at=datetime.now(UTC))
    with HTTPServer(("127.0.0.1", 0), names["Receiver"]) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        sender, url = HttpsCallbacks(allow_loopback=True), f"http://127.0.0.1:{server.server_port}/manga"
        answers = [sender.post(url, body, headers).status for headers in (ours, forged, ours)]
        server.shutdown()
        serving.join()
    assert answers == [200, 403, 200]
    assert names["taken"] == {"e"}
    assert capsys.readouterr().out == "request.completed r None {} None\n"


def test_the_document_knows_the_schedule() -> None:
    assert MAX_ATTEMPTS == 8
    assert "eight tries in all" in DOCUMENT
    pauses = [pause_seconds(attempts, 0.5) for attempts in range(1, MAX_ATTEMPTS)]
    assert pauses[0] == 15
    assert [round(pause / 60) for pause in pauses[1:5]] == [1, 4, 16, 64]
    assert [round(pause / 3600) for pause in pauses[5:]] == [4, 17]
