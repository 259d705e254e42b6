"""One stage in a process of its own: objects are files behind the gateway to S3, answers made up, the ledger forgets.

Belongs here: what is measured. Stays out: the order of stages (`__main__.py`).

Run: python benchmarks/scale/stage.py STAGE FOLDER BUCKETS. Prints JSON. STAGE: import, plan, calls, keep, write,
enriched. `calls` makes those that the plan says are to be asked, and asks nothing. `keep` is what the op that asks
hands on to the writes; its answers are made up without a model and its engine, whose memory `benchmarks memory`
looks at.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.imports.stored_import import FolderClient, peak_bytes
from benchmarks.support import ForgetfulLedger
from manga_enrichment.aws.s3.catalog_source import LocalCatalog
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.models.loading import load_models
from manga_enrichment.domain.models.usage import Usage
from manga_enrichment.domain.outcomes.answers import Attempt, LedgerEntry, Provenance
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.gateways.status import PartitionStatus
from manga_enrichment.pipeline.catalog.files.rows import Reading
from manga_enrichment.pipeline.catalog.plausibility import PlausibleLimits
from manga_enrichment.pipeline.catalog.refresh import refresh_catalog
from manga_enrichment.pipeline.catalog.sink import Following
from manga_enrichment.pipeline.catalog.source_files import load_mapping
from manga_enrichment.pipeline.changes.replace import Origin
from manga_enrichment.pipeline.enrichment.asking.planned_calls import planned_calls
from manga_enrichment.pipeline.enrichment.plan_files import open_plan
from manga_enrichment.pipeline.enrichment.plan_run import Planning
from manga_enrichment.pipeline.enrichment.planner import Action
from manga_enrichment.pipeline.enrichment.wide_table import write_enriched
from manga_enrichment.pipeline.enrichment.write import Writing
from manga_enrichment.pipeline.log.kept_entries import KeptEntries
from manga_enrichment.runtime.clock import SystemClock
from manga_enrichment.runtime.garbage import rare_collections

ANALYSIS = "genre_classification"
RUN = Provenance("scale", "2026-01-01", "benchmark")
ANSWER = {
    "primary_genre": "drama",
    "genres": [{"genre": "drama", "confidence": 0.9}, {"genre": "comedy", "confidence": 0.4}],
    "themes": ["family", "friendship"],
    "tags": ["slice of life"],
}
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANALYSES = packaged_analyses().of_titles
Stage = Callable[[S3ObjectStore, Path, Sequence[str]], dict[str, Any]]


class NoStatus:
    """What is said of partitions is not kept."""

    def put_partition(self, status: PartitionStatus) -> None:
        """Forgotten."""


def importing(tables: S3ObjectStore, folder: Path, buckets: Sequence[str]) -> dict[str, Any]:
    state, _ = refresh_catalog(
        tables=tables,
        source=LocalCatalog(str(folder / "catalog.jsonl")),
        clock=SystemClock(),
        reading=Reading(load_mapping("", "")),
        bucket_count=len(buckets),
        say=lambda _line: None,
        following=Following("scale"),
        analyses=ANALYSES.values(),
        plausible=PlausibleLimits(1, 1),
    )
    return {"titles": state.titles}


def planning(tables: S3ObjectStore, _folder: Path, buckets: Sequence[str]) -> dict[str, Any]:
    plan = Planning(tables=tables, ledger=ForgetfulLedger(), analyses=ANALYSES, models=load_models(), remembers=True)
    report = plan.plan(RUN.run_id, buckets, [ANALYSIS], lambda _line: None)
    return {"titles": report.titles, "calls": report.calls}


def calling(tables: S3ObjectStore, _folder: Path, buckets: Sequence[str]) -> dict[str, Any]:
    analysis, models = ANALYSES[ANALYSIS], load_models()
    model = models.asked_for(ANALYSIS, analysis.model_alias)
    return {"titles": sum(1 for _ in planned_calls(tables, analysis, model, buckets, RUN.run_id))}


def keeping(tables: S3ObjectStore, _folder: Path, buckets: Sequence[str]) -> dict[str, Any]:
    kept, count = KeptEntries(RUN), 0
    for bucket in buckets:
        for entry in _entries(tables, bucket):
            call = SimpleNamespace(bucket=bucket)
            kept.add(SimpleNamespace(call=call, entry=entry))  # type: ignore[arg-type]
            count += 1
    kept.write(tables, ANALYSIS)
    return {"titles": count}


def _entries(tables: S3ObjectStore, bucket: str) -> Iterator[LedgerEntry]:
    analysis = ANALYSES[ANALYSIS]
    for rows in open_plan(tables, RUN.run_id, bucket, [ANALYSIS]).parts():
        for row in rows:
            if row.action is Action.ASK:
                yield LedgerEntry(
                    row.fingerprint,
                    Outcome.SUCCEEDED,
                    ANALYSIS,
                    row.manga_id,
                    bucket,
                    "model",
                    analysis.version,
                    RUN,
                    _NOW,
                    (Attempt(1, _NOW, 500, Usage(900, 60), 100, stop_reason="tool_use"),),
                    ANSWER,
                )


def writing(tables: S3ObjectStore, _folder: Path, buckets: Sequence[str]) -> dict[str, Any]:
    write = Writing(
        tables=tables,
        ledger=ForgetfulLedger(),
        status=NoStatus(),  # type: ignore[arg-type]
        clock=SystemClock(),
        analyses={ANALYSIS: ANALYSES[ANALYSIS]},
    )
    reports = [write.write(ANALYSES[ANALYSIS], bucket, RUN) for bucket in buckets]
    return {"titles": sum(sum(each.outcomes.values()) for each in reports), "rows": sum(each.rows for each in reports)}


def enriching(tables: S3ObjectStore, _folder: Path, buckets: Sequence[str]) -> dict[str, Any]:
    origin = Origin("scale", _NOW)
    reports = [write_enriched(tables, bucket, list(ANALYSES.values()), origin) for bucket in buckets]
    return {"titles": sum(report.rows for report in reports)}


STAGES: dict[str, Stage] = {
    "import": importing,
    "plan": planning,
    "calls": calling,
    "keep": keeping,
    "write": writing,
    "enriched": enriching,
}


def main(stage: str, folder: Path, buckets: int) -> None:
    tables = S3ObjectStore(FolderClient(folder / "store"), bucket="folder")  # type: ignore[arg-type]
    before, started = peak_bytes(), time.process_time()
    with rare_collections():
        found = STAGES[stage](tables, folder, bucket_keys(buckets))
    cpu_s = time.process_time() - started
    print(json.dumps({**found, "cpu_s": round(cpu_s, 1), "peak_bytes": peak_bytes(), "peak_before_bytes": before}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
