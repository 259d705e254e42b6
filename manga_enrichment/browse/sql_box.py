"""Questions of people in SQL, each answered by a process of its own that is killed when its time is over.

Belongs here: bounds, starting and ending that process. Stays out: which SQL is let in
(`manga_enrichment/analysts/guarded_sql.py`), the connection it runs on (`sql_worker.py`).
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from manga_enrichment.analysts.guarded_sql import RefusedQueryError, check_query
from manga_enrichment.browse.local_copy import Copy
from manga_enrichment.browse.sql_worker import REFUSED
from manga_enrichment.browse.tables import names_of, view_statements
from manga_enrichment.pipeline.publish.tables import PublishedTable

Parameters = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one query. rows: more are cut off; bytes: of the result, more are refused; at_once: queries under way."""

    seconds: float = 20
    memory_mb: int = 256
    rows: int = 100_000
    bytes: int = 64_000_000
    at_once: int = 2


@dataclass(frozen=True, slots=True)
class Task:
    """What the process is told. folder: the only one that it may read."""

    sql: str
    parameters: Parameters
    views: Sequence[str]
    folder: str
    seconds: float
    memory_mb: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Result:
    table: pa.Table
    has_more: bool


class SqlBox:
    def __init__(self, published: Sequence[PublishedTable], folder: Path, bounds: Bounds) -> None:
        """folder: of the local copy."""
        self._published, self._folder, self.bounds = published, folder.resolve(), bounds
        self._turns = threading.BoundedSemaphore(bounds.at_once)

    def ask(self, copy: Copy, sql: str, parameters: Parameters, rows: int | None = None) -> Result:
        """rows: at most so many, the bound by default. Raises RefusedQueryError with a sentence."""
        check_query(sql, names_of(self._published))
        most = min(rows or self.bounds.rows, self.bounds.rows)
        words = {word.strip('"').lower() for word in _words(sql)}
        named = [table for table in self._published if {table.name.lower(), table.objects_name.lower()} & words]
        bounds = self.bounds
        task = Task(
            sql,
            parameters,
            view_statements(named, copy),
            str(self._folder),
            bounds.seconds,
            bounds.memory_mb,
            most,
            bounds.bytes,
        )
        if not self._turns.acquire(timeout=bounds.seconds):
            raise RefusedQueryError("Other queries are still running: try again.")
        try:
            table = run_apart(task, self._folder)
        finally:
            self._turns.release()
        return Result(table.slice(0, most), table.num_rows > most)


def _words(sql: str) -> list[str]:
    return "".join(each if each.isalnum() or each == "_" else " " for each in sql).split()


def run_apart(task: Task, folder: Path) -> pa.Table:
    """The rows of a task, by a process that begins in `folder`. Raises RefusedQueryError."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "manga_enrichment.browse.sql_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={name: os.environ[name] for name in ("PYTHONPATH", "PATH", "VIRTUAL_ENV") if name in os.environ},
    )
    try:
        out, told = worker.communicate(json.dumps(asdict(task)).encode(), timeout=task.seconds)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.communicate()
        raise RefusedQueryError(f"The query took longer than {task.seconds:g} s and was ended.") from None
    if worker.returncode == REFUSED:
        raise RefusedQueryError(told.decode(errors="replace"))
    if worker.returncode:
        raise RefusedQueryError("The query took too much memory or time and was ended.")
    return pa.ipc.open_stream(out).read_all()
