"""Writes `state.tar.xz`: what version 0.1 (commit 0f0178a) leaves on S3 and in DynamoDB after a day of all its work.

Run with that commit's code, not with today's; README.md says how. So the imports are that version's, and none of them
need exist in this one.

Belongs here: the day, and packing it. Stays out: reading it (`old_state.py`).
"""

import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.defs.assets.costs import COSTS_JOB
from manga_enrichment.defs.assets.health import OBSERVE_JOB
from manga_enrichment.defs.jobs import NIGHTLY_JOB
from manga_enrichment.defs.run_facts import range_tags
from manga_enrichment.domain.answers import Provenance
from manga_enrichment.domain.catalog import bucket_keys
from manga_enrichment.domain.models import load_models
from manga_enrichment.gateways import BudgetScope
from manga_enrichment.local.demo_lane import QUIET, InProcessLane
from manga_enrichment.local.model_control import ModelServerControl
from manga_enrichment.local.sample_catalog import write_catalog
from manga_enrichment.local.stack import LocalStack, LocalStackConfig
from manga_enrichment.pipeline.batch_store import BatchJob, BatchStore, Settlement, Submission
from manga_enrichment.pipeline.invoking import planned_calls
from manga_enrichment.pipeline.submitting import submit
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.analyses import ANALYSES

TITLES, BUCKETS = 24, 1
PARTNER = "acme"
CONVERSATION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
BATCH, ANSWERED_QUESTION, DEFERRED_QUESTION = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
UNANSWERED = "f" * 64
"""Fingerprint that a run claimed before it was killed."""
KILLED_RUN = "killed-run"
KEPT_MICRO_USD = 5_000
"""What the killed run had reserved."""
BATCH_TOKEN = "b" * 64
MODEL = "haiku"


@dataclass(frozen=True, slots=True)
class Day:
    """The parts of one day's work, in order. Each leaves what a test reads."""

    instance: dg.DagsterInstance
    gateways: Gateways
    titles: list[str]

    def work(self) -> dict[str, Any]:
        """What was done, for `story.json`."""
        night = self._night()
        self._submit("batch_analysis", BATCH, {"items": list(self._items()), "callback_url": "https://example.com/cb"})
        self._lane().run_all(self._lane().tick("partner_requests"))  # no tick of the outbox: its event waits
        self._ask(ANSWERED_QUESTION, "Which manga has a lighthouse?")
        os.environ["MANGA_BUDGET_USD_PER_PARTNER_PER_DAY"] = "0"
        self._ask(DEFERRED_QUESTION, "And which one is for children?")
        del os.environ["MANGA_BUDGET_USD_PER_PARTNER_PER_DAY"]
        self._run(OBSERVE_JOB)
        today = self.gateways.clock.now().date().isoformat()
        self._run(COSTS_JOB, tags=range_tags(today, today))
        self._be_killed(night)
        self._record_batch_job(night)
        return {"night": night, "made_at": self.gateways.clock.now().isoformat()}

    def _night(self) -> str:
        keys = bucket_keys(BUCKETS)
        return self._run(NIGHTLY_JOB, tags=range_tags(keys[0], keys[-1]))

    def _items(self) -> Iterator[Mapping[str, str]]:
        """One answer that is there, one that is paid for with a note, one title that nobody knows."""
        yield {"manga_id": self.titles[0], "analysis_type": "reading_level"}
        yield {"manga_id": self.titles[1], "analysis_type": "reading_level", "additional_context": "for a library"}
        yield {"manga_id": "MNG-00000000", "analysis_type": "reading_level"}

    def _ask(self, request_id: str, question: str) -> None:
        self._submit("manga_query", request_id, {"query": question, "conversation_id": CONVERSATION})
        lane = self._lane()
        lane.run_all(lane.tick("partner_conversations"))

    def _submit(self, schema: str, request_id: str, body: Mapping[str, Any]) -> None:
        now = self.gateways.clock.now()
        submit(self.gateways.queues, schema, body, partner_id=PARTNER, request_id=request_id, now=now)

    def _be_killed(self, run_id: str) -> None:
        """A claim and a reservation that nobody gives back."""
        now = self.gateways.clock.now()
        until = now + timedelta(seconds=60)
        assert self.gateways.ledger.claim_many([UNANSWERED], KILLED_RUN, now, until).granted
        scopes = [BudgetScope(f"day:{now.date().isoformat()}", 10**9), BudgetScope(f"run:{run_id}", 10**9)]
        assert self.gateways.budget.reserve(scopes, KILLED_RUN, KEPT_MICRO_USD, until)

    def _record_batch_job(self, run_id: str) -> None:
        """A settled job about two titles: Bedrock takes none that small."""
        now, name = self.gateways.clock.now(), "full_enrichment"
        model = load_models().resolve(MODEL)
        planned = planned_calls(self.gateways.tables, ANALYSES[name], model, bucket_keys(BUCKETS), run_id)
        calls = [call for call, _ in zip(planned, range(2), strict=False)]
        job = BatchJob(
            token=BATCH_TOKEN,
            analysis=name,
            prompt_version=ANALYSES[name].version,
            model_id=model.model_id,
            records=len(calls),
            buckets=tuple(bucket_keys(BUCKETS)),
            selected=("enriched_catalog", "reading_level"),
            provenance=Provenance(run_id, now.date().isoformat(), "schedule"),
            scopes=(BudgetScope(f"day:{now.date().isoformat()}", 10**9),),
            reserve_micro_usd=1_000,
            timeout_hours=24,
            prepared_at=now,
        )
        store = BatchStore(self.gateways.tables)
        store.put_titles(job.token, calls)
        store.put_job(job)
        store.put_reserved(job.token)
        store.put_submission(job.token, Submission("arn:aws:bedrock:job/1", now))
        store.put_settlement(job.token, Settlement("Completed", now, answered=2, cost_micro_usd=900))

    def _lane(self) -> InProcessLane:
        return InProcessLane(build_definitions(load_settings()), self.instance)

    def _run(self, job: str, **options: Any) -> str:
        definition = build_definitions(load_settings()).resolve_job_def(job)
        result = definition.execute_in_process(instance=self.instance, run_config=dict(QUIET), **options)
        assert result.success
        return str(result.run_id)


def titles_with_text(catalog: Path) -> list[str]:
    rows = [json.loads(line) for line in catalog.read_text("utf-8").splitlines()]
    return [row["manga_id"] for row in rows if "manga_id" in row and len(row.get("synopsis") or "") > 80]


def pack(target: Path, stack: LocalStack, catalog: Path, story: Mapping[str, Any]) -> None:
    """story.json, catalog.jsonl, s3/<key>, dynamodb/<table>.json (a list of items in DynamoDB's JSON)."""
    s3, dynamodb, bucket = stack.client("s3"), stack.client("dynamodb"), stack.endpoints.bucket
    with tarfile.open(target, "w:xz", preset=9) as archive:
        _add(archive, "story.json", json.dumps(story, indent=2).encode())
        _add(archive, "catalog.jsonl", catalog.read_bytes())
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", ()):
                body = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
                _add(archive, f"s3/{found['Key']}", body)
        for table in stack.table_names:
            pages = dynamodb.get_paginator("scan").paginate(TableName=table)
            items = [item for page in pages for item in page["Items"]]
            _add(archive, f"dynamodb/{table}.json", json.dumps(items, sort_keys=True).encode())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def main(target: Path) -> None:
    with TemporaryDirectory() as folder, LocalStack(LocalStackConfig(Path(folder, "stack"), persist=False)) as stack:
        catalog = Path(folder, "catalog.jsonl")
        write_catalog(catalog, TITLES, seed=7, bad_rows=True)
        os.environ.update(stack.child_environment(os.environ))
        os.environ.update({"MANGA_CATALOG_URI": str(catalog), "MANGA_CATALOG_BUCKETS": str(BUCKETS)})
        with dg.DagsterInstance.ephemeral() as instance:
            story = Day(instance, open_gateways(load_settings()), titles_with_text(catalog)).work()
        bill = ModelServerControl(stack.endpoints.model_url).counters()
        pack(target, stack, catalog, {**story, "bill": bill})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
