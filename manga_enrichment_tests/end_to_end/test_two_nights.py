"""Two nights and a backfill, a process each, and partners' batches for the same titles, all at once."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.clients import AwsClients
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import CATALOG_JOB
from manga_enrichment.defs.shared.tags import BACKFILL_TAG, SCHEDULE_TAG, range_tags
from manga_enrichment.local.dagster_home import prepare_dagster_home
from manga_enrichment.local.demo.lane import InProcessLane
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import load_settings
from manga_enrichment_tests.builders import COMBINED
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.night_process import SECONDS, nightly_run, wait_for_billed_calls

TITLES = 160
ITEMS = 60
RUNS = {
    "night-1": {SCHEDULE_TAG: "nightly"},
    "night-2": {SCHEDULE_TAG: "nightly"},
    "backfill": {BACKFILL_TAG: "abcdefgh"},
}


def answers_by_title() -> Counter[str]:
    """How many entries the ledger has for each title."""
    pages = AwsClients().dynamodb.get_paginator("scan").paginate(TableName=load_settings().ledger_table)
    items = [item for page in pages for item in page["Items"] if "entry" in item]
    return Counter(item["manga_id"]["S"] for item in items)


def submit(folder: Path, ids: list[str], partner: str) -> str:
    file = folder / f"{partner}.json"
    file.write_text(json.dumps({"items": [{"manga_id": each, "analysis_type": COMBINED} for each in ids]}))
    sent = CliRunner().invoke(main, ["submit", str(file), "--partner", partner, "--json"])
    assert sent.exit_code == 0, sent.output
    return str(json.loads(sent.stdout)["request_id"])


def result_of(request_id: str) -> dict[str, Any]:
    told = CliRunner().invoke(main, ["results", request_id])
    assert told.exit_code == 0, told.output
    return dict(json.loads(told.stdout))


@pytest.mark.slow
def test_two_nights_a_backfill_and_partners_at_once_pay_for_each_title_once(
    arrange: Callable[..., dict[str, str]],
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    environment = arrange(TITLES, catalog_buckets=2, concurrency=4)
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance, ExitStack() as stack:
        definitions = build_definitions()
        catalog = definitions.resolve_job_def(CATALOG_JOB)
        assert catalog.execute_in_process(tags=range_tags("0", "1"), instance=instance).success
        ids = sorted(open_books().catalog_ids())[-ITEMS:]
        sent = [submit(tmp_path, ids, partner) for partner in ("acme", "globex")]
        model_server.faults(latency={"fixed_ms": 400})
        processes = {}
        for name, tags in RUNS.items():  # a machine each: what they share is AWS
            home = prepare_dagster_home(tmp_path / name)
            run = nightly_run(
                {**environment, "DAGSTER_HOME": str(home)}, tmp_path / f"{name}.log", last_bucket="1", tags=tags
            )
            processes[name] = stack.enter_context(run)
        wait_for_billed_calls(model_server, 1, processes["night-1"])
        lane = InProcessLane(definitions, instance)
        assert {result.success for result in lane.work()} == {True}  # of the unit, and of runs that stay
        for name, process in processes.items():
            assert process.wait(SECONDS) == 0, (tmp_path / f"{name}.log").read_text()[-4000:]

    books, bill = open_books(), model_server.counters()
    attempts = books.attempts()
    assert len({row["dagster_run_id"] for row in attempts}) >= 3, "they did not meet: the test shows nothing"
    assert bill["duplicates"] == 0
    books.assert_bill_is_logged(bill)
    assert not any(row["maybe_billed"] for row in attempts)
    asked = Counter(row["fingerprint"] for row in attempts if row["error_class"] is None)
    assert set(asked.values()) == {1}
    assert answers_by_title() == Counter(row["manga_id"] for row in attempts if row["error_class"] is None)
    books.assert_every_title_is_accounted_for()
    for request_id in sent:
        told = Counter(item["status"] for item in result_of(request_id)["items"])
        assert set(told) <= {"succeeded", "insufficient_input"}
        assert told["succeeded"] > ITEMS / 2
