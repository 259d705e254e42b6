"""Child processes that serve HTTP on loopback: start, wait until they answer, stop, never leave one behind.

Belongs here: processes, ports, health. Stays out: which programs the local stack consists of (`local_stack.py`) and
the watch that ends an orphan (`guarded.py`).

What a child writes is its owner's alone to read: it holds what partners send.

Each child has its own process group: Ctrl-C in the terminal then reaches only the parent, which stops its
children in order, and stopping a child also stops what that child started.
"""

import http.client
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from manga_enrichment.local.stack.guarded import guarded_command

LOOPBACK = "127.0.0.1"
START_TIMEOUT_SECONDS = 60.0
STOP_GRACE_SECONDS = 15.0
LOG_TAIL_LINES = 20
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
_PRIVATE_UMASK = 0o077
_POLL_SECONDS = 0.05
_SOURCE_ROOT = Path(__file__).resolve().parents[3]
# A configured proxy cannot reach our loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ChildStartError(RuntimeError):
    """A child ended or stayed silent before its health URL answered; the message ends with the log's tail."""


class ChildEndedError(ChildStartError):
    """The child ended by itself while it was starting, for example because its port was taken meanwhile."""


@dataclass(frozen=True, slots=True)
class ChildProgram:
    """What to run.

    module          Python module, run as `python -m`
    environment     the child's whole environment
    health_path     answers with status 200 once the program serves
    inherited_fds   file descriptors that stay open in the child
    probe           whether the program serves, where it does not speak HTTP
    cwd             ours by default
    """

    name: str
    module: str
    port: int
    health_path: str
    log_path: Path
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    inherited_fds: Sequence[int] = ()
    probe: Callable[[], bool] | None = None
    cwd: Path | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def health_url(self) -> str:
        return self.url + self.health_path

    def serves(self) -> bool:
        return self.probe() if self.probe else answers(self.health_url)


def free_port() -> int:
    """A loopback port nobody listens on right now; another process may still take it first."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def answers(url: str, timeout_seconds: float = 1.0) -> bool:
    """Whether a GET on url is answered with status 200."""
    try:
        with _direct.open(url, timeout=timeout_seconds) as response:
            return int(response.status) == 200
    except (OSError, http.client.HTTPException):  # the port may belong to something that is not HTTP
        return False


class ChildProcess:
    """One running program. Not for use from several threads at once."""

    def __init__(self, program: ChildProgram) -> None:
        self.program = program
        program.log_path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with program.log_path.open("wb") as log:
            program.log_path.chmod(PRIVATE_FILE)
            self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                guarded_command(program.module, *program.arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_with_source_root(program.environment),
                cwd=program.cwd,
                pass_fds=tuple(program.inherited_fds),
                start_new_session=True,
                umask=_PRIVATE_UMASK,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def wait_until_healthy(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Return once the health URL answers. Raises ChildEndedError or ChildStartError."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if not self.is_running:
                raise ChildEndedError(self.complaint(f"ended with status {self._popen.returncode}"))
            # The second look at the process: an answer may come from another program on the same port.
            if self.program.serves() and self.is_running:
                return
            time.sleep(_POLL_SECONDS)
        raise ChildStartError(
            self.complaint(f"did not answer at {self.program.health_url} within {timeout_seconds:g} s")
        )

    def request_stop(self) -> None:
        """Send SIGTERM and return at once, so that several children can end side by side."""
        self._signal_group(signal.SIGTERM)

    def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """SIGTERM, wait up to grace_seconds, SIGKILL. Safe to call again."""
        self.request_stop()
        try:
            self._popen.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._signal_group(signal.SIGKILL)
            self._popen.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        if self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def complaint(self, what: str) -> str:
        """A sentence about this child with the end of its log."""
        log = self.program.log_path
        tail = "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:])
        return f"{self.program.name} {what}. Its log {log} ends with:\n{tail or '(nothing)'}"


def start_child(
    program_on: Callable[[int], ChildProgram], port: int = 0, pick_port: Callable[[], int] = free_port
) -> ChildProcess:
    """Start the program on a port (0: any free one) and wait until it answers.

    Between picking a free port and listening on it another process may take it: a random port is tried twice.
    Raises ChildStartError.
    """
    if port:
        if port_is_taken(port):
            name = program_on(port).name
            raise ChildStartError(f"{name} cannot start: port {port} is already in use; choose another or 0.")
        return _start_healthy(program_on(port))
    try:
        return _start_healthy(program_on(pick_port()))
    except ChildEndedError:
        return _start_healthy(program_on(pick_port()))


def _start_healthy(program: ChildProgram) -> ChildProcess:
    child = ChildProcess(program)
    try:
        child.wait_until_healthy()
    except BaseException:
        child.stop(grace_seconds=2.0)
        raise
    return child


def _with_source_root(environment: Mapping[str, str]) -> dict[str, str]:
    """The child must import this package also from a checkout that is not installed."""
    paths = [str(_SOURCE_ROOT), environment.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
