"""The stage of a cell: a local stack that is empty, proxies in front of it, a clock that can be moved, a small catalog.

Belongs here: what nights and drains share. Stays out: each of them (`night.py`, `drain.py`).
"""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from manga_enrichment.domain.requests.queues import QUEUES
from manga_enrichment.local.sample_catalog import write_catalog
from manga_enrichment.local.stack.cleaning import empty_bucket, empty_queues, empty_tables
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.chaos.proxies import FaultProxies
from manga_enrichment_tests.end_to_end.file_clock import FileClock

TITLES = 60
ANSWER_MS = 150
"""So long a call is in flight: long enough to be there when something breaks."""
SETTINGS = {
    "MANGA_CATALOG_BUCKETS": "2",
    "MANGA_CONCURRENCY": "6",
    "MANGA_CLAIM_SECONDS": "5",
    "MANGA_CALL_TIMEOUT_SECONDS": "3",
    "MANGA_DEADLINE_SECONDS": "60",
    "MANGA_DEFERRAL_SECONDS": "2",
}


@dataclass
class Stage:
    """One stack and its proxies for many cells; each cell calls `clear` first."""

    stack: LocalStack
    proxies: FaultProxies
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.catalog = self.folder / "catalog.jsonl"
        write_catalog(self.catalog, TITLES, seed=7)
        self.model = ModelServerControl(self.stack.endpoints.model_url)

    def clear(self) -> Path:
        """Nothing is left of the cell before. Returns a folder of the new cell's own."""
        self.proxies.end()
        empty_tables(self.stack.client("dynamodb"), self.stack.table_names)
        empty_bucket(self.stack.client("s3"), self.stack.endpoints.bucket)
        empty_queues(self.stack.client("sqs"), QUEUES)
        self.model.reset()
        self.model.faults(latency={"fixed_ms": ANSWER_MS})
        folder = self.folder / f"cell-{next(self._numbers)}"
        folder.mkdir()
        return folder

    def clock(self, folder: Path) -> FileClock:
        return FileClock(folder / "clock")

    def direct(self) -> dict[str, str]:
        """An environment that leads past the proxies."""
        settings = {**SETTINGS, "MANGA_CATALOG_URI": str(self.catalog)}
        return {**self.stack.child_environment(os.environ), **settings}

    def through_proxies(self) -> dict[str, str]:
        return {**self.direct(), **self.proxies.environment()}


def titles_with_text(catalog: Path, count: int) -> list[str]:
    """Ids of so many titles that a question can be asked about. Raises ValueError when there are fewer."""
    rows = [json.loads(line) for line in catalog.read_text("utf-8").splitlines()]
    found = sorted({row["manga_id"] for row in rows if "manga_id" in row and len(row.get("synopsis") or "") > 80})
    if len(found) < count:
        raise ValueError(f"{catalog} has {len(found)} titles with enough text, {count} are needed")
    return found[:count]


@contextmanager
def environment_of(values: Mapping[str, str]) -> Iterator[None]:
    """This process' environment meanwhile."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
