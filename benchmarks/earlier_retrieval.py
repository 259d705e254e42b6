"""Candidate lists as the checkout in PYTHONPATH makes them, by whichever index it has: run by `retrieval.py --against`.

Belongs here: what runs in the other checkout's process. It imports that checkout's modules, so nothing of `benchmarks`.

Run: PYTHONPATH=CHECKOUT python benchmarks/earlier_retrieval.py CATALOG QUERIES RESULT (JSON lines, JSON lines, JSON).
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.pipeline.catalog.candidate_index import CandidateIndex


def main(catalog: Path, queries: Path, result: Path) -> None:
    wanted = set(queries.read_text("utf-8").split())
    cleaned = (clean_row(json.loads(line), number) for number, line in enumerate(catalog.open(encoding="utf-8"), 1))
    records = [record for record in cleaned if isinstance(record, MangaRecord)]
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        index = CandidateIndex.build(records, Path(folder) / "index")
        built = time.process_time()
        lists = {each.manga_id: index.candidates(each) for each in records if each.manga_id in wanted}
        searched = time.process_time()
    figures = {
        "build_cpu_s": built - started,
        "search_cpu_ms": 1_000 * (searched - built) / max(1, len(lists)),
        "lists": {of: [candidate.manga_id for candidate in found] for of, found in lists.items()},
    }
    result.write_text(json.dumps(figures), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
