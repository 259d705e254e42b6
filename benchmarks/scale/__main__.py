"""A million generated titles through import, plan and write: CPU and peak memory of each, in few and many buckets.

    python -m benchmarks scale [--titles 1000000] [--buckets 1,8] [--stages import,plan,calls,keep,write,enriched]

Needs Linux; for a million titles 10 GB of disk and about half an hour of CPU for each number of buckets.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.imports.memory import MOST_BYTES, WRITERS, many
from benchmarks.report import Row, show
from benchmarks.scale.stage import STAGES
from benchmarks.support import REPOSITORY


def main() -> None:
    """Print the table and the JSON line; exit code 1 when a stage took more memory than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--titles", type=int, default=1_000_000)
    parser.add_argument("--buckets", default="1,8", help="numbers of buckets, comma-separated; each a catalog anew")
    parser.add_argument("--stages", default=",".join(STAGES), help="in this order, up to the last that is wanted")
    given = parser.parse_args()
    rows = [row for buckets in given.buckets.split(",") for row in _rows(given.titles, int(buckets), given.stages)]
    show("scale", rows)
    if any(row["within_500_mb"] == "no" for row in rows):
        sys.exit(1)


def _rows(titles: int, buckets: int, stages: str) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        WRITERS["jsonl"](folder / "catalog.jsonl", many(titles))
        for stage in stages.split(","):
            row = _row(stage, buckets, _measured([stage, name, str(buckets)]))
            print(json.dumps({**row, "load": round(os.getloadavg()[0], 1)}), file=sys.stderr, flush=True)
            yield row


def _measured(arguments: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("stage.py")), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _row(stage: str, buckets: int, found: dict[str, Any]) -> Row:
    return {
        "stage": stage,
        "buckets": buckets,
        "titles": found["titles"],
        "cpu_s": found["cpu_s"],
        "cpu_us_a_title": round(1e6 * found["cpu_s"] / max(1, found["titles"])),
        "peak_mb": round(found["peak_bytes"] / 1e6),
        "peak_before_mb": round(found["peak_before_bytes"] / 1e6),
        "within_500_mb": "yes" if found["peak_bytes"] <= MOST_BYTES else "no",
    }


if __name__ == "__main__":
    main()
