"""One night's candidate lists as 0f0178a made them: run by `candidate_nights.py --against`.

Belongs here: what runs in the other checkout's process. It imports that checkout's modules, so nothing of `benchmarks`.

Run: PYTHONPATH=CHECKOUT python benchmarks/earlier_nights.py STORE VERSION BUCKETS RESULT. Of the eight buckets so many
are refreshed, and the CPU of eight reckoned from them; the index is of all titles.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd  # noqa: F401 (pyarrow loads it when first used; loading is not measured on this side either)
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from manga_enrichment.gateways import StoredTable
from manga_enrichment.pipeline.candidate_refresh import CandidateRefresh

ALL = tuple(map(str, range(8)))


class FolderStore:
    """As much of its TableStore as this needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str, columns: Any = None) -> Any:
        path = self._folder / key
        return StoredTable(pq.read_table(path, columns=columns, partitioning=None), "") if path.exists() else None

    def write(self, key: str, table: pa.Table) -> str:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="zstd")
        return ""

    def read_json(self, key: str) -> Any:
        path = self._folder / key
        return json.loads(path.read_bytes()) if path.exists() else None

    def write_json(self, key: str, document: Any) -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document), "utf-8")

    def uri(self, key: str) -> str:
        return str(self._folder / key)


def main(store: Path, version: str, buckets: int, result: Path) -> None:
    refresh: Any = CandidateRefresh(FolderStore(store), ALL)
    started = time.process_time()
    refresh._index(version, print)  # noqa: SLF001 (its own step, of which the run below finds the result)
    indexed = time.process_time()
    refresh.run(ALL[:buckets], version, lambda _line: None)
    searched = (time.process_time() - indexed) * len(ALL) / buckets
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    figures = {"cpu_s": round(indexed - started + searched, 2), "buckets": buckets, "peak_rss_mb": round(peak)}
    result.write_text(json.dumps(figures), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
