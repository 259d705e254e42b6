"""Open calls at a real model are waited for, and the seconds that are left stand on the screen."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest

from manga_enrichment.local import dagster_servers
from manga_enrichment.local.dagster_servers import GRACE_SECONDS, calls_are_billed, wait_for


class Stage:
    """A clock that moves by sleeping alone, and a process that ends at a second of it."""

    def __init__(self, ends_after: float) -> None:
        self.seconds = 0.0
        self.said: list[tuple[float, int]] = []
        self._ends_after = ends_after

    def poll(self) -> int | None:
        return 0 if self.seconds >= self._ends_after else None

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def wait(self) -> list[int]:
        process: subprocess.Popen[bytes] = self  # type: ignore[assignment]
        wait_for([process], lambda: self.seconds, self.sleep, lambda left: self.said.append((self.seconds, left)))
        return [left for _, left in self.said]


def test_every_second_of_the_grace_is_told_once_and_that_it_is_over() -> None:
    stage = Stage(ends_after=1_000)
    assert stage.wait() == [*range(20, 0, -1), 0]
    assert stage.seconds == pytest.approx(GRACE_SECONDS, abs=0.5)
    assert all(left - 1 <= GRACE_SECONDS - at <= left for at, left in stage.said[:-1])


def test_who_ends_sooner_is_not_waited_for() -> None:
    stage = Stage(ends_after=2.5)
    assert stage.wait() == [20, 19, 18, 0]
    assert stage.seconds < 3
    assert Stage(ends_after=0).wait() == []


@pytest.mark.parametrize(
    ("environment", "billed"),
    [
        ({}, True),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}, False),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:5000"}, False),
        ({"AWS_ENDPOINT_URL": "http://localhost:1", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://b.example"}, True),
    ],
)
def test_the_stand_in_is_nobody_to_wait_for(environment: Mapping[str, str], billed: bool) -> None:
    assert calls_are_billed(environment) is billed


@pytest.mark.slow
def test_on_a_terminal_the_seconds_stand_in_one_line() -> None:
    stubborn = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    program = f"""
import subprocess, sys
from manga_enrichment.local import dagster_servers
dagster_servers.GRACE_SECONDS = 2.0
child = subprocess.Popen([sys.executable, "-c", {stubborn!r}], stdout=subprocess.PIPE)
child.stdout.readline()
dagster_servers._end([child])
"""
    terminal, its_end = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=its_end) as process:
        os.close(its_end)
        shown = b""
        while len(part := _read(terminal)):
            shown += part
        assert process.wait(60) in (0, -signal.SIGTERM)
    lines = shown.decode().split("\r")
    seconds = [line.strip() for line in lines if "at most" in line]
    words = "Calls that are open at the model are paid for: waiting for their answers,"
    assert seconds[0] == f"{words}  2 s at most"
    assert seconds[1:] in ([f"{words}  1 s at most"], [])  # the second may pass unseen on a busy machine
    assert lines[-1] == "\x1b[K"
    assert dagster_servers.GRACE_SECONDS == 20.0


def _read(terminal: int) -> bytes:
    """Nothing when nobody writes any more."""
    try:
        return os.read(terminal, 1_000)
    except OSError:
        return b""
