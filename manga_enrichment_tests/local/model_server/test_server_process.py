"""The server as a process: the ready line, the record file, ending on SIGTERM."""

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manga_enrichment.local.stack.model_control import ModelServerControl

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE = "manga_enrichment.local.model_server"


@contextmanager
def server_process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running server and its base URL, ended by SIGTERM."""
    command = [sys.executable, "-m", MODULE, "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, url = process.stdout.readline().split()
            assert word == "ready"
            yield process, url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def ask(url: str, text: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": text}]}]}).encode()
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/model/global.anthropic.claude-haiku-5-5/converse", body)
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def test_the_bill_survives_a_sigterm_and_continues_in_the_next_process(tmp_path: Path) -> None:
    record = tmp_path / "bill.json"
    with server_process("--record-file", str(record)) as (_, url):
        ask(url, "one")
        ask(url, "two")
    assert json.loads(record.read_bytes())["billed"] == 2
    with server_process("--record-file", str(record)) as (_, url):
        ask(url, "two")
        counters = ModelServerControl(url).counters()
    assert (counters["billed"], counters["duplicates"], counters["requests"]) == (3, 1, 3)


def test_the_bill_is_saved_while_the_server_runs_so_a_kill_loses_little(tmp_path: Path) -> None:
    record = tmp_path / "bill.json"
    with server_process("--record-file", str(record)) as (process, url):
        ask(url, "one")
        while not record.exists():
            time.sleep(0.05)
        process.kill()
    assert json.loads(record.read_bytes())["billed"] == 1


def test_an_unreadable_record_is_one_clear_sentence(tmp_path: Path) -> None:
    record = tmp_path / "bill.json"
    record.write_text("not a record")
    command = [sys.executable, "-m", MODULE, "--port", "0", "--record-file", str(record)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("--record-file")
    assert "Traceback" not in ended.stderr
