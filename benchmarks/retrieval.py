"""CPU per title of candidate retrieval over a large catalog; prints one JSON line.

Run: python benchmarks/retrieval.py --rows 100000. The goal is at most 10 ms per title at 100,000 titles.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.window import peak_rss_bytes
from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.local.sample_catalog import generate
from manga_enrichment.pipeline.catalog.candidate_index import CandidateIndex


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="titles in the catalog")
    parser.add_argument("--queries", type=int, default=1_000, help="titles to find candidates for")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    queries: list[MangaRecord] = []
    step = max(1, options.rows // options.queries)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "index"
        started = time.perf_counter()
        index = CandidateIndex.build(_sampled(_catalog(options), step, queries), folder)
        build_seconds = time.perf_counter() - started
        index_bytes = sum(path.stat().st_size for path in folder.iterdir())
        found, cpu_ms = zip(*(_measured(index, query) for query in queries), strict=True)
    figures = {
        "rows": options.rows,
        "build_seconds": round(build_seconds, 1),
        "index_mb": round(index_bytes / 1e6, 1),
        "queries": len(queries),
        "candidates_mean": round(statistics.mean(map(len, found)), 1),
        "cpu_ms_median": round(statistics.median(cpu_ms), 2),
        "cpu_ms_p95": round(statistics.quantiles(cpu_ms, n=20)[-1], 2),
        "peak_rss_mb": round(peak_rss_bytes() / 1e6),
        "shared_genre_share": round(_shared_genre_share(options, queries, found), 2),
    }
    print(json.dumps(figures))


def _catalog(options: argparse.Namespace) -> Iterator[MangaRecord]:
    for number, title in enumerate(generate(options.rows, options.seed), 1):
        record = clean_row(title.row, number)
        if isinstance(record, MangaRecord):
            yield record


def _sampled(records: Iterable[MangaRecord], step: int, kept: list[MangaRecord]) -> Iterator[MangaRecord]:
    """Pass the records on, keeping every step-th, so that the catalog is never in memory."""
    for number, record in enumerate(records):
        if number % step == 0:
            kept.append(record)
        yield record


def _shared_genre_share(
    options: argparse.Namespace, queries: Sequence[MangaRecord], found: Sequence[Sequence[Candidate]]
) -> float:
    """Share of candidates that have a genre in common with their title, by construction; most rows do not say it."""
    named = {query.manga_id for query in queries} | {each.manga_id for candidates in found for each in candidates}
    genres = {
        title.truth["manga_id"]: set(title.truth["genres"])
        for title in generate(options.rows, options.seed)
        if title.truth["manga_id"] in named
    }
    shared = [
        not genres[query.manga_id].isdisjoint(genres[candidate.manga_id])
        for query, candidates in zip(queries, found, strict=True)
        for candidate in candidates
    ]
    return statistics.mean(shared) if shared else 0.0


def _measured(index: CandidateIndex, record: MangaRecord) -> tuple[list[Candidate], float]:
    """The candidates, CPU milliseconds of this process."""
    started = time.process_time()
    candidates = index.candidates(record)
    return candidates, (time.process_time() - started) * 1_000


if __name__ == "__main__":
    main()
