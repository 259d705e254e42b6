"""A program in the foreground ends whole: with what it started, by any signal of a terminal, after kill -9 too."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from manga_enrichment.runtime.processes import process_exists

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import os, sys
from pathlib import Path
from manga_enrichment.local.foreground import run_in_foreground
print(run_in_foreground("a_program", sys.argv[1:], os.environ, Path.cwd()))
"""
PROGRAM = """
import os, signal, subprocess, sys, time
from pathlib import Path
if sys.argv[1] == "ends":
    sys.exit(7)
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path("pids.new").write_text(f"{os.getpid()} {child.pid}")
Path("pids.new").rename("pids")
time.sleep(600)
"""


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition came true; the limit only keeps a broken test from hanging."""
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.05)
    return False


def start(folder: Path, manner: str, parent: str = PARENT, on: int | None = None) -> "subprocess.Popen[str]":
    """on: a terminal for all that it reads and writes."""
    (folder / "a_program.py").write_text(PROGRAM, "utf-8")
    return subprocess.Popen(
        [sys.executable, "-c", parent, manner],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        stdin=on,
        stdout=subprocess.PIPE if on is None else on,
        stderr=subprocess.PIPE if on is None else on,
        text=True,
        start_new_session=True,
    )


def pids_of(folder: Path) -> list[int]:
    """Of the program and of what it started."""
    assert eventually((folder / "pids").exists)
    return [int(each) for each in (folder / "pids").read_text("utf-8").split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("manner", ["polite", "stubborn"])
def test_a_signal_ends_the_program_and_what_it_started(tmp_path: Path, manner: str, number: signal.Signals) -> None:
    with start(tmp_path, manner) as parent:
        pids = pids_of(tmp_path)
        parent.send_signal(number)
        said, complained = parent.communicate(timeout=60)
    assert (said, parent.returncode) == ("None\n", 0)
    assert complained.count("Stopping everything that was started here.") == 1
    assert eventually(lambda: not any(map(process_exists, pids)))


def test_a_terminal_that_is_closed_ends_them_too(tmp_path: Path) -> None:
    """Nothing can be written to such a terminal: saying so must not be what fails."""
    terminal, theirs = pty.openpty()
    takes_it = "import fcntl, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    with start(tmp_path, "polite", takes_it + PARENT, theirs) as parent:
        os.close(theirs)
        pids = pids_of(tmp_path)
        os.close(terminal)
        try:
            assert eventually(lambda: not any(map(process_exists, pids)))
        finally:
            for pid in (*pids, parent.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_after_kill_9_of_its_parent_the_program_ends_with_what_it_started(tmp_path: Path) -> None:
    with start(tmp_path, "polite") as parent:
        pids = pids_of(tmp_path)
        parent.kill()
    assert eventually(lambda: not any(map(process_exists, pids)))


def test_a_program_that_ends_by_itself_hands_on_its_exit_code(tmp_path: Path) -> None:
    with start(tmp_path, "ends") as parent:
        said, complained = parent.communicate(timeout=60)
    assert (said, complained) == ("7\n", "")
