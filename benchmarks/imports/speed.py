"""Rows a second of CPU, this tree and an earlier commit in turn over the same files.

Belongs here: which files, rounds, ratios. Stays out: one import (`one_import.py`), memory (`memory.py`).

The fastest of the rounds counts on each side: others on the machine only ever make one slower.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import Row
from benchmarks.support import REPOSITORY
from manga_enrichment.local.sample_catalog import write_catalog

SEED = 7
KINDS = (".jsonl", ".csv", ".parquet")
FIGURES = ("read_s", "clean_s", "import_s")


def imported(tree: Path, path: Path, mapping: str = "") -> dict[str, Any]:
    """What `one_import.py` prints, by that tree's modules."""
    script = Path(__file__).with_name("one_import.py")
    command = [sys.executable, str(script), str(path), mapping]
    environment = {**os.environ, "PYTHONPATH": str(tree.resolve())}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def speed(rows: int, rounds: int, before: Path | None, folder: Path, others: Mapping[str, str]) -> Iterator[Row]:
    """Microseconds a row. others: further files, each with the mapping's file or ""."""
    files = {str(folder / f"catalog{kind}"): "" for kind in KINDS}
    for name in files:
        write_catalog(Path(name), rows, SEED)
    trees = {"now": REPOSITORY} | ({"before": before} if before else {})
    for name, mapping in {**files, **others}.items():
        best: dict[str, dict[str, float]] = {tree: {} for tree in trees}
        for _ in range(rounds):
            for tree, checkout in trees.items():
                result = imported(checkout, Path(name), mapping)
                for figure in FIGURES:
                    count = result["rows" if figure == "import_s" else "parsed_rows"]
                    micros = 1e6 * result[figure] / count
                    best[tree][figure] = min(micros, best[tree].get(figure, micros))
        yield _row(Path(name).name, result["rows"], best)


def _row(name: str, rows: int, best: Mapping[str, Mapping[str, float]]) -> Row:
    row: Row = {"file": name, "rows": rows}
    for figure in FIGURES:
        what = figure.removesuffix("_s")
        row |= {f"{what}_us" if tree == "now" else f"{what}_us_{tree}": round(best[tree][figure], 1) for tree in best}
    row["rows_per_s"] = round(1e6 / best["now"]["import_s"])
    if "before" in best:
        row["rows_per_s_before"] = round(1e6 / best["before"]["import_s"])
        row["ratio"] = round(best["before"]["import_s"] / best["now"]["import_s"], 2)
    return row
