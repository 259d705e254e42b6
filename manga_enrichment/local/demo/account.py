"""What a demo did and what it cost, read back from the tables, the ledger's log and the offline server's own bill.

Belongs here: counting, and the tables on the terminal. Stays out: doing it (`run.py`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.domain.analyses import packaged_analyses
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.local.demo.partners import BatchReport
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE
from manga_enrichment.pipeline.health.table_quality import FAILED_IN_PASSING, HELD_BACK, outcome_facts
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT, rejects_key, table_key
from manga_enrichment.settings import Settings, known_analyses

_SHOWN_OUTCOMES = {
    "answered": (Outcome.SUCCEEDED.value,),
    "too little text": (Outcome.INSUFFICIENT_INPUT.value,),
    "failed for good": (Outcome.FAILED.value,),
    "asked by the next run": (Outcome.DEFERRED.value, FAILED_IN_PASSING, HELD_BACK),
}


@dataclass(slots=True)
class DemoReport:
    """What the demo shows; the JSON line has the same names."""

    titles: int = 0
    calls_billed: int = 0
    calls_of_the_night: int = 0
    calls_cached: int = 0
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    cost_usd: float = 0.0
    seconds: float = 0.0
    tables: list[dict[str, Any]] = field(default_factory=list)
    batches: list[BatchReport] = field(default_factory=list)
    run_id: str = ""
    success: bool = False
    stand_in: bool = True
    made_up: list[str] = field(default_factory=list)
    example: dict[str, Any] = field(default_factory=dict)


def report_from(told: Mapping[str, Any]) -> DemoReport:
    """From what `asdict` made of one."""
    return DemoReport(**{**told, "batches": [BatchReport(**each) for each in told["batches"]]})


def account(
    settings: Settings,
    run_ids: Collection[str],
    before: dict[str, Any],
    after: dict[str, Any],
    after_night: dict[str, Any] | None = None,
) -> DemoReport:
    """run_ids: of the night. before, after_night, after: what the model server counted; without batches two of them."""
    tables = S3ObjectStore(AwsClients().s3, bucket=settings.bucket)
    keys = bucket_keys(settings.catalog_buckets)
    report = DemoReport(
        calls_billed=after["billed"] - before["billed"],
        calls_of_the_night=(after_night or after)["billed"] - before["billed"],
        cost_usd=(after["cost_micro_usd"] - before["cost_micro_usd"]) / 1e6,
    )
    analyses = known_analyses(settings).of_titles
    singles = [name for name, analysis in analyses.items() if not analysis.parts]
    report.made_up = [name for name in singles if name not in packaged_analyses().of_titles]
    for name in ["catalog", *singles, ENRICHED_TABLE]:
        rows = [_rows(tables, table_key(name, bucket)) for bucket in keys]
        report.tables.append({"table": name, "rows": sum(rows), "path": tables.uri(f"{TABLES_ROOT}/{name}/")})
    report.tables.append(
        {"table": "catalog_rejects", "rows": _rows(tables, rejects_key()), "path": tables.uri(rejects_key())}
    )
    report.titles = report.tables[0]["rows"]
    for name in singles:
        report.outcomes[name] = dict(outcome_facts(tables, name, keys).standings)
        report.calls_cached += sum(_rows_of_earlier_runs(tables, table_key(name, b), run_ids) for b in keys)
    return report


def _rows_of_earlier_runs(tables: S3ObjectStore, key: str, run_ids: Collection[str]) -> int:
    """Answers that these runs found and did not have to ask for."""
    stored = tables.read(key, ["dagster_run_id"])
    return sum(run not in run_ids for run in stored.table.column("dagster_run_id").to_pylist()) if stored else 0


def _rows(tables: S3ObjectStore, key: str) -> int:
    stored = tables.read(key)
    return stored.table.num_rows if stored else 0


def show(console: Console, report: DemoReport) -> None:
    """Outcomes, tables."""
    outcomes = Table(title=f"{report.titles} titles")
    for heading in ("analysis", *_SHOWN_OUTCOMES):
        name_column = heading == "analysis"
        outcomes.add_column(heading, justify="left" if name_column else "right", no_wrap=name_column)
    for name, counts in report.outcomes.items():
        shown = (sum(counts.get(each, 0) for each in standings) for standings in _SHOWN_OUTCOMES.values())
        outcomes.add_row(name, *(str(count) for count in shown))
    console.print(outcomes)
    tables = Table(title="Tables (Parquet)")
    tables.add_column("table", no_wrap=True)
    tables.add_column("rows", justify="right", no_wrap=True)
    for table in report.tables:
        tables.add_row(table["table"], str(table["rows"]))
    console.print(tables)


def show_bill(console: Console, report: DemoReport) -> None:
    """Night and batches apart, then together: each number says what it counts."""
    console.print(
        f"The night: {report.calls_of_the_night} calls billed, {report.calls_cached} answers were there already."
    )
    if report.batches:
        calls, reused = report.calls_billed - report.calls_of_the_night, sum(each.reused for each in report.batches)
        console.print(f"The batches: {calls} calls billed, {reused} answers were there already.")
    console.print(
        f"Together: {report.calls_billed} calls billed, {report.cost_usd:.6f} USD, {report.seconds:.1f} s. "
        "That is what it would have cost; the offline model server is a stand-in, not an LLM."
    )
    if report.made_up:
        names = ", ".join(report.made_up)
        console.print(f"Answers of {names} are made up: the stand-in draws valid values from a title's text.")
    if report.calls_billed == 0:
        console.print("Nothing was billed: every answer was there already.")
