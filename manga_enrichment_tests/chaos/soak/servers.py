"""Dagster as `make dev` runs it: webserver, daemon and one code server, which launches the runs.

Belongs here: these processes and the runs. Stays out: what is asked of them (`console.py`, `day.py`). The repository's
own dagster.yaml holds, nothing in it is made quicker.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from manga_enrichment.local import dagster_servers
from manga_enrichment.local.dagster_home import prepare_dagster_home, server_environment
from manga_enrichment.local.stack.processes import LOOPBACK, answers, free_port
from manga_enrichment_tests.chaos.soak import code_location

CODE_SERVER = "code server"
_MARKS = {
    "daemon": ("dagster._daemon", "run"),
    CODE_SERVER: ("api", "grpc"),
    "code server's proxy": ("code-server", "start"),
    "webserver": ("dagster_webserver",),
}
"""Words of each server's command."""
SERVERS = tuple(_MARKS)
_RUN = "spawn_main"
_START_SECONDS, _STOP_SECONDS = 120.0, 30.0
_POLL_SECONDS = 0.5


class Servers:
    """Running inside `with`. DAGSTER_HOME of this process becomes theirs, too."""

    def __init__(self, environment: Mapping[str, str], state_dir: Path) -> None:
        self.home = prepare_dagster_home(state_dir)
        self._port = free_port()
        self.url = f"http://{LOOPBACK}:{self._port}"
        self._environment = server_environment(environment, self.home)
        self._log = self.home / "dagster.log"
        self._dagster: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        module = code_location.__name__
        with self._log.open("wb") as log:
            self._dagster = subprocess.Popen(
                [sys.executable, "-m", dagster_servers.__name__, module, module, str(self._port)],
                cwd=self.home,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask them to end, then end them with all that they started."""
        with suppress(ProcessLookupError):
            os.killpg(self._dagster.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._dagster.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._dagster.pid, signal.SIGKILL)
        self._dagster.wait()

    @property
    def have_ended(self) -> bool:
        """By themselves: when one of them ends, all do."""
        return self._dagster.poll() is not None

    def servers(self) -> dict[str, psutil.Process]:
        """Those that are there, by name."""
        words = {process: _command(process) for process in self._processes()}
        return {
            name: process for name, marks in _MARKS.items() for process in words if set(marks) <= set(words[process])
        }

    def runs(self) -> list[psutil.Process]:
        """Processes of the runs that are going on; not the tracker that multiprocessing starts beside them."""
        with suppress(psutil.Error, KeyError):
            children: list[psutil.Process] = self.servers()[CODE_SERVER].children()
            return [child for child in children if any(_RUN in word for word in _command(child))]
        return []

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            found: list[psutil.Process] = psutil.Process(self._dagster.pid).children(recursive=True)
            return found
        return []

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not (answers(f"{self.url}/server_info") and set(SERVERS) <= set(self.servers())):
            if time.monotonic() > deadline or self.have_ended:
                missing = sorted(set(SERVERS) - set(self.servers()))
                raise TimeoutError(f"not up: {missing or 'the webserver'}\n{self._log.read_text('utf-8')[-3_000:]}")
            time.sleep(_POLL_SECONDS)


def _command(process: psutil.Process) -> list[str]:
    """Empty for a process that has ended."""
    with suppress(psutil.Error):
        words: list[str] = process.cmdline()
        return words
    return []
