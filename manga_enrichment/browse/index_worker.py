"""The index made in a process of its own, which gives back all memory with its end.

Belongs here: starting that process, and what it does. Stays out: the index (`title_index.py`).
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from manga_enrichment.browse.title_index import build_index


def built_apart(path: Path, views: Sequence[str], analyses: Sequence[str]) -> None:
    """As `build_index`. Raises OSError where that failed."""
    task = {"path": str(path), "views": list(views), "analyses": list(analyses)}
    done = subprocess.run(
        [sys.executable, "-m", "manga_enrichment.browse.index_worker"],
        input=json.dumps(task).encode(),
        stderr=subprocess.PIPE,
        env={name: os.environ[name] for name in ("PYTHONPATH", "PATH", "VIRTUAL_ENV") if name in os.environ},
        check=False,
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise OSError(f"The lists could not be made: {told}")


def main() -> int:
    given = json.load(sys.stdin)
    try:
        build_index(Path(given["path"]), given["views"], given["analyses"])
    except (duckdb.Error, OSError) as error:
        sys.stderr.write(str(error).splitlines()[0])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
