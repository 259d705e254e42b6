"""Children start, answer, stop and never outlive their parent. Real processes: Python's own http.server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from manga_enrichment.local.stack.processes import (
    LOOPBACK,
    ChildEndedError,
    ChildProcess,
    ChildProgram,
    ChildStartError,
    answers,
    free_port,
    start_child,
)
from manga_enrichment.runtime.processes import process_exists

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def web_server(log_path: Path, port: int) -> ChildProgram:
    return ChildProgram(
        name="The web server",
        module="http.server",
        port=port,
        health_path="/",
        log_path=log_path,
        arguments=(str(port), "--bind", LOOPBACK),
        environment=dict(os.environ),
    )


def script(folder: Path, source: str) -> ChildProgram:
    (folder / "a_script.py").write_text(source, "utf-8")
    return ChildProgram(
        name="The script",
        module="a_script",
        port=free_port(),
        health_path="/",
        log_path=folder / "script.log",
        environment={**os.environ, "PYTHONPATH": str(folder)},
    )


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition came true; the limit only keeps a broken test from hanging."""
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_started_child_answers_and_a_stopped_one_is_gone(tmp_path: Path) -> None:
    child = start_child(partial(web_server, tmp_path / "web.log"))
    try:
        assert answers(child.program.health_url)
        assert os.getpgid(child.pid) == child.pid, "a child has its own process group"
    finally:
        child.stop()
    assert not child.is_running
    assert not process_exists(child.pid)
    child.stop()  # again, harmless


def test_a_child_that_ends_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = ChildProcess(script(tmp_path, "import sys\nprint('line of the log')\nsys.exit(3)\n"))
    with pytest.raises(ChildEndedError, match=r"(?s)The script ended with status 3.*line of the log"):
        child.wait_until_healthy()
    child.stop()


def test_a_child_that_never_answers_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = ChildProcess(script(tmp_path, "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n"))
    try:
        assert eventually(lambda: "waiting" in child.program.log_path.read_text("utf-8"))
        with pytest.raises(ChildStartError, match=r"(?s)did not answer at http://127.0.0.1:\d+/.*waiting"):
            child.wait_until_healthy(timeout_seconds=0.2)
    finally:
        child.stop()


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    source = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\ntime.sleep(600)\n"
    )
    child = ChildProcess(script(tmp_path, source))
    assert eventually(lambda: "deaf" in child.program.log_path.read_text("utf-8"))
    child.stop(grace_seconds=0.2)
    assert not process_exists(child.pid)


def test_a_configured_port_that_is_taken_is_refused_by_name(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(ChildStartError, match=f"port {taken_port} is already in use"):
        start_child(partial(web_server, tmp_path / "web.log"), port=taken_port)


def test_a_random_port_lost_to_another_process_is_replaced_once(tmp_path: Path, taken_port: int) -> None:
    ports = iter([taken_port, free_port()])
    child = start_child(partial(web_server, tmp_path / "web.log"), pick_port=lambda: next(ports))
    try:
        assert child.program.port != taken_port
    finally:
        child.stop()


def test_an_answer_that_is_not_http_is_no_answer() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        assert not answers(f"http://{LOOPBACK}:{port}/", timeout_seconds=0.2)


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    source = f"""
import os, sys, time
from pathlib import Path
from manga_enrichment.local.stack.processes import ChildProgram, start_child
child = start_child(lambda port: ChildProgram(
    "web", "http.server", port, "/", Path({str(tmp_path / "web.log")!r}), (str(port), "--bind", "127.0.0.1"),
    dict(os.environ)))
print(child.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", source], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child_pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: not process_exists(child_pid))
