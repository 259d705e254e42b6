"""Imports: speed beside an earlier commit's, memory.

    python -m benchmarks imports [--rows 20000] [--rounds 5] [--before 0f0178a] [--also FILE[:MAPPING] ...]
    python -m benchmarks imports --memory 1000000 [--kinds json,jsonl,csv,parquet] [--store [--tree CHECKOUT]]

Needs git, and the commit in this clone. Memory needs Linux and, for a million rows, 1 GB of disk, 5 GB to store them.
"""

import argparse
import tempfile
from contextlib import nullcontext
from pathlib import Path

from benchmarks.imports.memory import WRITERS, memory, storing
from benchmarks.imports.speed import speed
from benchmarks.partners.__main__ import BEFORE
from benchmarks.report import show
from benchmarks.support import REPOSITORY, checked_out

KINDS = ("json", "jsonl", "csv", "parquet")


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000, help="generated rows")
    parser.add_argument("--rounds", type=int, default=5, help="of each tree in turn; the fastest counts")
    parser.add_argument("--before", default=BEFORE, help="commit to compare with; none: this tree alone")
    parser.add_argument("--also", nargs="*", default=[], help="further catalogs, a mapping's file after a colon")
    parser.add_argument("--memory", type=int, default=0, help="instead: rows whose import's peak memory is measured")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of files for --memory, of {', '.join(WRITERS)}")
    parser.add_argument("--store", action="store_true", help="with --memory: store them, in eight buckets, two nights")
    parser.add_argument("--tree", type=Path, default=REPOSITORY, help="with --store: a checkout whose modules import")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.memory:
            kinds = given.kinds.split(",")
            if given.store:
                show("imports stored", list(storing(given.memory, kinds, folder, given.tree)))
            else:
                show("import memory", list(memory(given.memory, kinds, folder)))
            return
        others = {file: mapping for file, _, mapping in (each.partition(":") for each in given.also)}
        tree = nullcontext() if given.before == "none" else checked_out(given.before, folder / "tree")
        with tree as before:
            show("imports", list(speed(given.rows, given.rounds, before, folder, others)))


if __name__ == "__main__":
    main()
