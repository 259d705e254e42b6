"""`make demo`: the shipped catalog through the nightly job on the local stack, a partner's batches, and an account.

The account is read back from the tables, the ledger's log and the offline server's own bill, not from what the run
says of itself.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import dagster as dg
from rich.console import Console
from rich.table import Table

from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.aws.gateways import open_gateways
from manga_enrichment.aws.s3.objects import S3ObjectStore
from manga_enrichment.definitions import build_definitions
from manga_enrichment.defs.costs.assets import COSTS_JOB
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.operations.killed_runs import end_killed_runs
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.analyses import ANALYSES
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.outcomes.outcome import Outcome
from manga_enrichment.local.demo.lane import InProcessLane, run_here
from manga_enrichment.local.demo.partners import BatchReport, run_examples, show_batches
from manga_enrichment.local.stack.local_stack import connect
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.local.stack.state_folder import StateFolder
from manga_enrichment.pipeline.enrichment.wide_table import TABLE as ENRICHED_TABLE
from manga_enrichment.pipeline.store.object_keys import TABLES_ROOT, outcomes_key, rejects_key, table_key
from manga_enrichment.settings import Settings, load_settings

_SHOWN_OUTCOMES = (Outcome.SUCCEEDED, Outcome.INSUFFICIENT_INPUT, Outcome.FAILED, Outcome.DEFERRED)


@dataclass(slots=True)
class DemoReport:
    """What the demo shows; the JSON line has the same names."""

    titles: int = 0
    calls_billed: int = 0
    calls_cached: int = 0
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    cost_usd: float = 0.0
    seconds: float = 0.0
    tables: list[dict[str, Any]] = field(default_factory=list)
    batches: list[BatchReport] = field(default_factory=list)
    run_id: str = ""
    success: bool = False
    stand_in: bool = True


def work(state_dir: Path, *, as_json: bool, started: datetime) -> int:
    """All of it, on the stack that runs on `state_dir`; 0 when all ended well. started: when the user asked for it."""
    console = Console(stderr=as_json)
    endpoints = connect(state_dir)
    if endpoints is None:
        raise click.ClickException(f"No local stack runs on {state_dir}.")
    settings = load_settings()
    control = ModelServerControl(endpoints.model_url)
    before = control.counters()
    definitions = build_definitions(settings)
    with dg.DagsterInstance.get() as instance:
        with _step(console, f"Enriching {settings.catalog_uri} with the nightly job …"):
            run_id, success = _run_nightly(settings, definitions, instance)
        with _step(console, "Sending a partner's batches, and working at them with the sensors of make dev …"):
            lane = InProcessLane(definitions, instance)
            batches = run_examples(endpoints, settings, open_gateways(settings), state_dir, lane)
            _account_costs(definitions, instance, started)
    report = _account(settings, run_id, before, control.counters())
    report.run_id, report.batches = run_id, batches
    report.success = success and all(batch.ended for batch in batches)
    report.seconds = round((datetime.now(UTC) - started).total_seconds(), 2)
    _show(console, report, state_dir)
    if as_json:
        print(json.dumps(asdict(report), ensure_ascii=False, sort_keys=True))  # noqa: T201
    return 0 if report.success else 1


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    """A line, and on a terminal a sign of life while it lasts."""
    console.print(what)
    with console.status("working"):
        yield


def _run_nightly(settings: Settings, definitions: dg.Definitions, instance: dg.DagsterInstance) -> tuple[str, bool]:
    """All buckets in one run of this process, recorded in the instance that `make dev` shows."""
    keys = bucket_keys(settings.catalog_buckets)
    list(end_killed_runs(instance))  # they would keep their pool's slots, and this run would wait for ever
    result = run_here(definitions, instance, NIGHTLY_JOB, range_tags(keys[0], keys[-1]))
    return result.run_id, result.success


def _account_costs(definitions: dg.Definitions, instance: dg.DagsterInstance, started: datetime) -> None:
    """So that `report` and `sql daily_cost` know of this demo. The daemon's sensor would do it after a night."""
    first, last = (moment.date().isoformat() for moment in (started, datetime.now(UTC)))
    run_here(definitions, instance, COSTS_JOB, range_tags(first, last))


def _account(settings: Settings, run_id: str, before: dict[str, Any], after: dict[str, Any]) -> DemoReport:
    tables = S3ObjectStore(AwsClients().s3, bucket=settings.bucket)
    keys = bucket_keys(settings.catalog_buckets)
    report = DemoReport(
        calls_billed=after["billed"] - before["billed"],
        cost_usd=(after["cost_micro_usd"] - before["cost_micro_usd"]) / 1e6,
    )
    singles = [name for name, analysis in ANALYSES.items() if not analysis.parts]
    for name in ["catalog", *singles, ENRICHED_TABLE]:
        rows = [_rows(tables, table_key(name, bucket)) for bucket in keys]
        report.tables.append({"table": name, "rows": sum(rows), "path": tables.uri(f"{TABLES_ROOT}/{name}/")})
    report.tables.append(
        {"table": "catalog_rejects", "rows": _rows(tables, rejects_key()), "path": tables.uri(rejects_key())}
    )
    report.titles = report.tables[0]["rows"]
    for name in singles:
        report.outcomes[name] = dict(sum((_outcomes(tables, outcomes_key(name, b)) for b in keys), Counter[str]()))
        report.calls_cached += sum(_rows_of_earlier_runs(tables, table_key(name, b), run_id) for b in keys)
    return report


def _rows_of_earlier_runs(tables: S3ObjectStore, key: str, run_id: str) -> int:
    """Answers that this run found and did not have to ask for."""
    stored = tables.read(key, ["dagster_run_id"])
    return sum(run != run_id for run in stored.table.column("dagster_run_id").to_pylist()) if stored else 0


def _rows(tables: S3ObjectStore, key: str) -> int:
    stored = tables.read(key)
    return stored.table.num_rows if stored else 0


def _outcomes(tables: S3ObjectStore, key: str) -> Counter[str]:
    stored = tables.read(key, ["outcome"])
    return Counter(stored.table.column("outcome").to_pylist()) if stored else Counter()


def _show(console: Console, report: DemoReport, state_dir: Path) -> None:
    outcomes = Table(title=f"{report.titles} titles")
    for heading in ("analysis", "answered", "too little text", "failed", "left for the next run"):
        name_column = heading == "analysis"
        outcomes.add_column(heading, justify="left" if name_column else "right", no_wrap=name_column)
    for name, counts in report.outcomes.items():
        shown = (counts.get(outcome.value, 0) for outcome in _SHOWN_OUTCOMES)
        outcomes.add_row(name, *(str(count) for count in shown))
    console.print(outcomes)
    tables = Table(title="Tables (Parquet)")
    for heading in ("table", "rows", "where"):
        wraps = heading == "where"
        tables.add_column(heading, justify="right" if heading == "rows" else "left", overflow="fold", no_wrap=not wraps)
    for table in report.tables:
        tables.add_row(table["table"], str(table["rows"]), table["path"])
    console.print(tables)
    show_batches(console, report.batches)
    console.print(
        f"{report.calls_billed} calls billed, {report.calls_cached} answers reused, "
        f"{report.cost_usd:.6f} USD (what it would have cost; the offline model server is a stand-in, not an LLM), "
        f"{report.seconds:.1f} s"
    )
    if report.calls_billed == 0:
        console.print("Nothing was billed: every answer was there already.")
    console.print(f"The same files on disk: {StateFolder(state_dir).tables}/<table>/", soft_wrap=True)
    console.print(f"Data is kept in {state_dir}/. See it in the Dagster UI: make dev. Start anew: make clean.")


@click.command()
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--started", type=float, required=True, help="Unix seconds.")
@click.option("--json", "as_json", is_flag=True)
def main(state_dir: Path, started: float, as_json: bool) -> None:
    sys.exit(work(state_dir, as_json=as_json, started=datetime.fromtimestamp(started, UTC)))


if __name__ == "__main__":
    main()
