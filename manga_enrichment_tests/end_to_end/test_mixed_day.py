"""A day with everything in it: nightly, backfill, a partner's batch, a conversation, faults. Four books, one sum."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.cli import main
from manga_enrichment.defs.costs.assets import COSTS_JOB
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import BACKFILL_TAG, SCHEDULE_TAG, range_tags
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.health.daily_costs import TABLE, read_days
from manga_enrichment_tests.builders import SINGLES
from manga_enrichment_tests.defs.project import checks
from manga_enrichment_tests.end_to_end.books import Books

FAULTS = {"error_probability": 0.03, "truncated_probability": 0.03, "throttle_probability": 0.05, "seed": 3}
SESSION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


class Day:
    """The code location over the local stack; every run happens in this process."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.instance = instance
        self.definitions = build_definitions()
        self.lane = InProcessLane(self.definitions, instance)

    def run(self, bucket: str, assets: list[str] | None = None, **tags: str) -> None:
        result = self.definitions.resolve_job_def(NIGHTLY_JOB).execute_in_process(
            tags={**range_tags(bucket, bucket), **tags},
            asset_selection=None if assets is None else [dg.AssetKey(name) for name in assets],
            instance=self.instance,
        )
        assert result.success

    def submit(self, schema: str, body: dict[str, Any]) -> None:
        file = self.folder / f"{schema}.json"
        file.write_text(json.dumps(body))
        sent = CliRunner().invoke(main, ["submit", str(file), "--partner", "acme", "--schema", schema])
        assert sent.exit_code == 0, sent.output
        assert {result.success for result in self.lane.work()} == {True}  # of the unit, and of runs that stay

    def account(self, days: list[str]) -> dict[str, dg.AssetCheckEvaluation]:
        result = self.definitions.resolve_job_def(COSTS_JOB).execute_in_process(
            tags=range_tags(days[0], days[-1]), instance=self.instance
        )
        return {name: found for (asset, name), found in checks(result).items() if asset == TABLE}


def test_after_a_mixed_day_table_counter_log_and_bill_agree_to_the_micro_dollar(
    arrange: Callable[..., dict[str, str]],
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
    tmp_path: Path,
) -> None:
    arrange(120, catalog_buckets=2, concurrency=16, claim_seconds=5)
    model_server.faults(**FAULTS)
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        day = Day(tmp_path, instance)
        day.run("0", **{SCHEDULE_TAG: NIGHTLY_JOB})
        day.run("1", ["manga_catalog", "similar_candidates", *SINGLES[:2]], **{BACKFILL_TAG: "abcdefgh"})
        books = open_books()
        asked = sorted(row["manga_id"] for row in books.rows("reading_level"))[:8]
        items = [
            {"manga_id": each, "analysis_type": "reading_level", "additional_context": "学校図書館"} for each in asked
        ]
        day.submit("batch_analysis", {"items": items})
        day.submit("manga_query", {"query": "灯台の漫画は？", "conversation_id": SESSION})
        bill, attempts = model_server.counters(), books.attempts()
        found = day.account(sorted(books.run_dates()))

    for fault in ("error", "truncated", "throttled"):
        assert bill["by_fault"][fault] > 0, f"{fault} was never injected: the test shows nothing about it"
    tables = read_days(books.tables, books.run_dates())
    rows = [row for table in tables.values() for row in table.to_pylist()]
    assert {row["trigger"] for row in rows} == {"schedule", "backfill", "partner"}
    assert {row["analysis"] for row in rows} >= {"full_enrichment", "reading_level", "conversation"}
    assert sum(row["cost_micro_usd"] for row in rows if row["partner_id"] == "acme") == sum(
        books.budget.spent(f"partner:acme:{each}")[1] for each in books.run_dates()
    )
    in_table = sum(row["cost_micro_usd"] for row in rows)
    in_log = sum(attempt["cost_micro_usd"] for attempt in attempts)
    assert in_table == in_log == books.spent_micro_usd() == bill["cost_micro_usd"] > 0
    assert sum(row["calls"] for row in rows) == bill["requests"]
    assert sum(row["throttled"] for row in rows) == bill["by_fault"]["throttled"]
    assert found["costs_reconcile"].passed
    assert found["costs_reconcile"].metadata["difference_micro_usd"].value == 0
