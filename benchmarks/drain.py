"""Partner batches drained from a deep queue: 5,000 requests of one title, then 500 of a hundred.

    python -m benchmarks.drain [--scale 0.1]

The real sensor and real runs, one after the other in this process, over the local stack: emulated SQS, DynamoDB and S3
and the model server share the machine with them, so the rates are a lower bound of what the lane takes. Every title of
every request is a different question, so that nothing is answered from the ledger.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg

from benchmarks.report import show
from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.defs.enrichment.jobs import CATALOG_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.requests.claims import RequestRow
from manga_enrichment.domain.requests.queues import DEAD_LETTERS, LOW_PRIORITY
from manga_enrichment.domain.requests.states import is_final
from manga_enrichment.gateways.queue import QueueDepth
from manga_enrichment.local.dagster_home import prepare_dagster_home
from manga_enrichment.local.demo.lane import QUIET, InProcessLane
from manga_enrichment.local.sample_catalog import write_catalog
from manga_enrichment.local.stack.local_stack import LocalStack, LocalStackConfig
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.partner.submit import submit
from manga_enrichment.settings import Settings, load_settings

SENSOR = "partner_requests"
CATALOG_TITLES = 3_000
ENOUGH_TEXT_CHARACTERS = 80
THREADS = 8
SETTINGS = {
    "MANGA_CATALOG_BUCKETS": "1",
    "MANGA_REQUESTS_PER_MINUTE": "60000000",  # the limiter works, but nothing waits for it
    "MANGA_CONCURRENCY": "64",
}


@dataclass(frozen=True)
class Phase:
    """So many requests of so many titles each."""

    name: str
    requests: int
    titles_each: int


def main() -> None:
    """Print the table and the JSON line; exit code 1 when anything was lost or paid twice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    scale = parser.parse_args().scale
    phases = [
        Phase("single titles", max(1, round(5_000 * scale)), 1),
        Phase("hundred titles", max(1, round(500 * scale)), 100),
    ]
    with tempfile.TemporaryDirectory() as folder, LocalStack(LocalStackConfig(Path(folder), persist=False)) as stack:
        os.environ.update(stack.child_environment(os.environ))
        os.environ.update(SETTINGS, MANGA_CATALOG_URI=str(Path(folder) / "catalog.jsonl"))
        logging.getLogger("dagster").setLevel(logging.ERROR)
        prepare_dagster_home(Path(folder))
        with dg.DagsterInstance.get() as instance:
            drain = Drain(load_settings(), instance, ModelServerControl(stack.endpoints.model_url), Path(folder))
            rows = [drain.measured(phase) for phase in phases]
    show("drain", rows)
    if any(row["lost"] or row["duplicate_calls"] or row["dead_letters"] for row in rows):
        sys.exit(1)


class Drain:
    def __init__(
        self, settings: Settings, instance: dg.DagsterInstance, server: ModelServerControl, folder: Path
    ) -> None:
        definitions = build_definitions(settings)
        self._lane = InProcessLane(definitions, instance)
        self._gateways: Gateways = open_gateways(settings)
        self._server = server
        self._titles = titles_with_text(folder / "catalog.jsonl", CATALOG_TITLES)
        self._questions = self._different_questions()
        keys = bucket_keys(settings.catalog_buckets)
        job = definitions.resolve_job_def(CATALOG_JOB)
        job.execute_in_process(run_config=dict(QUIET), tags=range_tags(keys[0], keys[-1]), instance=instance)

    def measured(self, phase: Phase) -> dict[str, object]:
        """Fill the queue, drain it, and count what became of everything."""
        self._server.reset()
        sent = self._send(phase)
        started = time.perf_counter()
        runs = self._drained(phase)
        seconds = time.perf_counter() - started
        bill = self._server.counters()
        with ThreadPoolExecutor(THREADS) as pool:
            rows = list(pool.map(self._gateways.requests.get, sent))
        states = Counter(row.state.value if row else "never seen" for row in rows)
        answered = sum(row.counts.get("succeeded", 0) for row in rows if row)
        titles = phase.requests * phase.titles_each
        row: dict[str, object] = {
            "phase": phase.name,
            "requests": phase.requests,
            "titles": titles,
            "seconds": round(seconds, 1),
            "requests_per_second": round(phase.requests / seconds, 1),
            "titles_per_second": round(titles / seconds, 1),
            "runs": runs,
            "completed": states["completed"],
            "lost": sum(not _is_ended(row) for row in rows) + titles - answered,
            "billed": bill["billed"],
            "duplicate_calls": bill["duplicates"],
            "dead_letters": self._gateways.queues.depth(DEAD_LETTERS).visible,
        }
        print(row, file=sys.stderr)
        return row

    def _drained(self, phase: Phase) -> int:
        runs = 0
        while (depth := self._gateways.queues.depth(LOW_PRIORITY.name)) != QueueDepth(0, 0, 0):
            runs += len(self._lane.run_all(self._lane.tick(SENSOR)))
            print(f"{phase.name}: {runs} runs, {depth.visible} requests waited", file=sys.stderr)
        return runs

    def _send(self, phase: Phase) -> list[str]:
        bodies = [
            {"items": [next(self._questions) for _ in range(phase.titles_each)], "priority": "low"}
            for _ in range(phase.requests)
        ]
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self._submit, bodies))

    def _submit(self, body: dict[str, Any]) -> str:
        request_id, now = str(uuid4()), self._gateways.clock.now()
        submit(self._gateways.queues, "batch_analysis", body, partner_id="bench", request_id=request_id, now=now)
        return request_id

    def _different_questions(self) -> Iterator[dict[str, str]]:
        note = 0
        while True:
            note += 1
            for title in self._titles:
                yield {
                    "manga_id": title,
                    "analysis_type": "reading_level",
                    "additional_context": f"For shelf {note} of the library.",
                }


def titles_with_text(catalog: Path, count: int) -> Sequence[str]:
    """Write a catalog; ids of titles that have enough text for a question."""
    write_catalog(catalog, count, seed=11)
    rows = [json.loads(line) for line in catalog.read_text("utf-8").splitlines()]
    with_text = (row for row in rows if len(row.get("synopsis") or "") > ENOUGH_TEXT_CHARACTERS)
    return sorted({row["manga_id"] for row in with_text if row.get("manga_id")})


def _is_ended(row: RequestRow | None) -> bool:
    return row is not None and is_final(row.state)


if __name__ == "__main__":
    main()
