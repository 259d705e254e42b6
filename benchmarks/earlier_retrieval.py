"""Candidate lists as the checkout in PYTHONPATH makes them, by whichever index it has: run by `retrieval.py --against`.

Belongs here: what runs in the other checkout's process. It imports that checkout's modules, so nothing of `benchmarks`.

Run: PYTHONPATH=CHECKOUT python benchmarks/earlier_retrieval.py CATALOG QUERIES RESULT (JSON lines, JSON lines, JSON).
"""

import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

HOMES = {
    "MangaRecord": ("domain.catalog.records", "domain.catalog"),
    "clean_row": ("domain.catalog.rows", "domain.catalog_rows"),
    "CandidateIndex": ("pipeline.catalog.candidate_index", "pipeline.retrieval"),
}
"""Where the versions since 0f0178a keep what is used here."""


def found(name: str) -> Any:
    for home in HOMES[name]:
        try:
            return getattr(import_module(f"manga_enrichment.{home}"), name)
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"{name} is in none of {', '.join(HOMES[name])}")


def main(catalog: Path, queries: Path, result: Path) -> None:
    clean_row, record, candidate_index = (found(name) for name in ("clean_row", "MangaRecord", "CandidateIndex"))
    wanted = set(queries.read_text("utf-8").split())
    cleaned = (clean_row(json.loads(line), number) for number, line in enumerate(catalog.open(encoding="utf-8"), 1))
    records = [each for each in cleaned if isinstance(each, record)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        index = candidate_index.build(records, Path(folder) / "index")
        built = time.process_time()
        lists = {each.manga_id: index.candidates(each) for each in records if each.manga_id in wanted}
        searched = time.process_time()
    figures = {
        "build_cpu_s": built - started,
        "search_cpu_ms": 1_000 * (searched - built) / max(1, len(lists)),
        "lists": {of: [each.manga_id for each in candidates] for of, candidates in lists.items()},
    }
    result.write_text(json.dumps(figures), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
