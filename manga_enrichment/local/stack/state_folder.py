"""The folder a local stack keeps its state in: who owns it, where its stack answers, what a crash left.

Belongs here: the lock, `stack.json`, paths. Stays out: processes and AWS.

    stack.lock      held (flock) while a stack lives on the folder
    stack.json      pid, ports and what was provisioned of the running stack, so that other commands can join it
    batches/        what the demo asked as a partner, where the catalog is not the shipped one
    callbacks.jsonl callbacks that the stack's receiver got, one line each
    logs/           one file per child process, of the latest start
    emulator/       what the emulator saved
    infra/          templates for analyses of one's own
    tables/         the tables as they stand, for readers of Parquet: second names of files in emulator/

All of it is its owner's alone: requests of partners, API keys and callbacks lie here in clear text.
"""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from manga_enrichment.local.stack.processes import PRIVATE_FILE, PRIVATE_FOLDER, STOP_GRACE_SECONDS
from manga_enrichment.runtime.processes import process_exists

TABLES_VARIABLE = "TABLES_FOLDER"
"""Tells the emulator where `tables/` is."""
_POLL_SECONDS = 0.1


class StackRunningError(RuntimeError):
    """Another stack lives on this state folder."""


@dataclass(frozen=True, slots=True)
class StackRecord:
    """What `stack.json` says; pid is the process that owns the stack."""

    pid: int
    emulator_port: int
    model_port: int
    bucket: str
    callback_port: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)


class StateFolder:
    """The state folder of one stack."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._lock: IO[bytes] | None = None

    @property
    def record_path(self) -> Path:
        return self.path / "stack.json"

    @property
    def emulator(self) -> Path:
        return self.path / "emulator"

    @property
    def tables(self) -> Path:
        return self.path / "tables"

    @property
    def callbacks(self) -> Path:
        return self.path / "callbacks.jsonl"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def acquire(self) -> int:
        """Take the folder and return the lock's file descriptor. Raises StackRunningError.

        The child processes inherit the descriptor: after a kill -9 of the owner the folder stays taken until
        they have saved their state, which is waited for.
        """
        lock_path = self.path / "stack.lock"
        if lock_path.exists():  # ours, from before; a folder that somebody else made keeps its mode
            self.path.chmod(PRIVATE_FOLDER)
        self.path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        lock = os.fdopen(os.open(lock_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE), "ab")
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        while not _try_lock(lock):
            owner = self.read_record()
            if (owner is not None and process_exists(owner.pid)) or time.monotonic() > deadline:
                lock.close()
                who = f" (process {owner.pid})" if owner else ""
                raise StackRunningError(
                    f"A local stack is already running on {self.path}{who}: use it, stop it, or choose "
                    "another state folder."
                )
            time.sleep(_POLL_SECONDS)
        self._lock = lock
        return lock.fileno()

    def release(self) -> None:
        """Give the folder free; does nothing when it was never taken, so that another's record stays."""
        if self._lock is None:
            return
        self.record_path.unlink(missing_ok=True)
        self._lock.close()
        self._lock = None

    def read_record(self) -> StackRecord | None:
        """The record, or None when there is none or it is not one of ours."""
        try:
            return StackRecord(**json.loads(self.record_path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write_record(self, record: StackRecord) -> None:
        temporary = self.record_path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        with open(temporary, "w", encoding="utf-8", opener=_private) as file:
            file.write(json.dumps(asdict(record)) + "\n")
        temporary.replace(self.record_path)

    def set_aside_unsaved_state(self) -> Path | None:
        """Move away what an emulator left that was killed before its first save; returns the new place.

        Its bucket is on disk but no stack knows it, so creating the stack would fail on that bucket.
        """
        objects, saved = self.emulator / "s3", self.emulator / "state" / "cloudformation.json"
        if saved.exists() or not objects.is_dir() or not any(objects.iterdir()):
            return None
        aside = self.path / f"emulator.unsaved-{time.time_ns()}"
        self.emulator.rename(aside)
        return aside


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_FILE)


def _try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
