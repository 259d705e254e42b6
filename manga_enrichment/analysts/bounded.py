"""A query of somebody who is not trusted, in a process of its own: its memory has an end, too.

Belongs here: that process, seen from both sides. Stays out: what a query may say (`guarded.py`).

DuckDB's own limit does not count all: `SELECT unnest(range(1000000000))` took 20 GB under a limit of 0.2. The
system counts everything (RLIMIT_DATA, on Linux), and who goes beyond it ends alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from manga_enrichment.analysts.guarded import Answer, Bounds
from manga_enrichment.analysts.plain import QueryError
from manga_enrichment.analysts.session import open_session
from manga_enrichment.domain.errors import ConfigurationError

_GRACE_SECONDS = 5.0
"""For the process to start, and to say that its query took too long."""
_FRUGAL = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""Arrow's own pool takes a gigabyte of addresses before anything is in it, which the system counts, too."""
_A_SENTENCE = 3
"""Exit code: stderr has what the user is told. Any other but 0 is an end for want of memory."""
_TOO_MUCH = "It needs more memory than a query may take: ask for fewer rows or columns of it."


def ask_bounded(folder: Path, sql: str, parameters: Mapping[str, Any], bounds: Bounds) -> Answer:
    """One SELECT over the tables in a folder of this disk. bounds: all three of them given. Raises QueryError.

    memory_mb: of the process that asks; half of it is DuckDB's.
    """
    if bounds.seconds is None or bounds.rows is None or bounds.memory_mb is None:
        raise ValueError(f"bounds of seconds, rows and memory_mb are needed: {bounds}")
    order = {"folder": str(folder), "sql": sql, "parameters": dict(parameters), "bounds": asdict(bounds)}
    command = [sys.executable, "-m", __name__]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | _FRUGAL
    try:
        ended = subprocess.run(  # noqa: S603 (our own interpreter and module)
            command,
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=bounds.seconds + _GRACE_SECONDS,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise QueryError(f"It took longer than {bounds.seconds:g} s: ask for less of it.") from error
    if ended.returncode != 0:
        raise QueryError(
            ended.stderr.decode(errors="replace").strip() if ended.returncode == _A_SENTENCE else _TOO_MUCH
        )
    with pa.ipc.open_stream(ended.stdout) as reader:
        found = reader.read_all()
    return Answer(found.replace_schema_metadata(None), bool(found.schema.metadata[b"is_cut"] == b"1"))


def main() -> int:
    """The order comes on stdin, the answer goes to stdout as an Arrow stream; if not, see _A_SENTENCE."""
    import resource  # noqa: PLC0415 (not everywhere, and needed here alone)

    order = json.load(sys.stdin)
    bounds = Bounds(**order["bounds"])
    memory = int(bounds.memory_mb or 0)
    resource.setrlimit(resource.RLIMIT_DATA, (memory * 1_000_000, memory * 1_000_000))
    inner = Bounds(bounds.seconds, bounds.rows, memory // 2)
    try:
        answer = open_session(Path(order["folder"]), inner).ask(order["sql"], order["parameters"])
        table = answer.table.replace_schema_metadata({"is_cut": str(int(answer.is_cut))})
        with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as writer:
            writer.write_table(table)
    except (QueryError, ConfigurationError) as error:
        sys.stderr.write(str(error))
        return _A_SENTENCE
    return 0


if __name__ == "__main__":
    sys.exit(main())
