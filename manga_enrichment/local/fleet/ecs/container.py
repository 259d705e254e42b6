"""A container: a process with a folder of its own and no environment but the one that it was given.

Belongs here: what of an image and of a machine a process finds, its start and its end. Stays out: what ECS says about
it (`task.py`), where its output goes (`log_stream.py`).

The image is this Python environment. What a container is told to run is `dagster ...` or `python -m MODULE ...`; it
ends with the server that started it, by whatever end (`manga_enrichment/local/stack/guarded.py`).
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from manga_enrichment.local.stack.guarded import guarded_command
from manga_enrichment.local.stack.processes import PRIVATE_FOLDER
from manga_enrichment.runtime.garbage import FEW_HEAPS

_FOLDERS = {"TMPDIR": "tmp", "DAGSTER_HOME": "dagster", "HOME": "home"}
_SIGNALLED = 128
"""A shell's and Docker's way to say by which signal a process ended: 137 after SIGKILL."""


class CannotStartError(Exception):
    """ECS would stop the task before its container runs; the message is the reason."""


class Container:
    """One process between its start and `ended`, which deletes what it left on its disk."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], disk: Path) -> None:
        """environment: all that the definition, the overrides and the secrets say. Raises CannotStartError."""
        module, arguments = _module_of(command)
        self._disk = disk
        for folder in _FOLDERS.values():
            (disk / folder).mkdir(mode=PRIVATE_FOLDER, parents=True)
        self._popen = subprocess.Popen(  # noqa: S603 (our own interpreter and modules)
            guarded_command(module, *arguments, in_empty_folder=True),
            cwd=disk / "dagster",
            env={**image_environment(disk), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def output(self) -> IO[bytes]:
        """Of all its processes: ends when the last of them has ended. Whoever reads it closes it."""
        if self._popen.stdout is None:
            raise RuntimeError("a container's output is a pipe")
        return self._popen.stdout

    def has_ended(self, within_seconds: float) -> bool:
        """Whether the process ended by then, of itself or by a signal."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(within_seconds)
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """To the container's first process, as a container runtime does; SIGKILL to all of them."""
        with suppress(ProcessLookupError):
            (os.killpg if number is signal.SIGKILL else os.kill)(self.pid, number)

    def ended(self) -> int:
        """Wait for the end; nothing outlives a container's first process. Its exit code, as Docker counts it."""
        code = self._popen.wait()
        self.signal(signal.SIGKILL)
        shutil.rmtree(self._disk, ignore_errors=True)
        return code if code >= 0 else _SIGNALLED - code


def image_environment(disk: Path) -> dict[str, str]:
    """What every container has, as `deploy/Dockerfile` sets it."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "PYTHONUNBUFFERED": "1",
        **FEW_HEAPS,
        "LANG": "C.UTF-8",
        **{name: str(disk / folder) for name, folder in _FOLDERS.items()},
    }


def _module_of(command: Sequence[str]) -> tuple[str, Sequence[str]]:
    match list(command):
        case ["dagster", *arguments]:
            return "dagster", arguments
        case ["python", "-m", module, *arguments]:
            return module, arguments
    raise CannotStartError(f"CannotStartContainerError: {' '.join(command[:1])!r}: executable file not found in $PATH")
