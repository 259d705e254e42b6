"""Over the local stack with what version 0.1 left in it: nothing is paid for twice, and every command reads it."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.aws.gateways import Gateways, open_gateways
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.domain.catalog.records import bucket_keys
from manga_enrichment.domain.outcomes.answers import ClaimResult
from manga_enrichment.local.stack.local_stack import LocalStack
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.settings import Settings, load_settings
from manga_enrichment_tests.analyses import ANALYSES
from manga_enrichment_tests.builders import BUCKET, SINGLES
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.upgrade.old_state import (
    BATCH,
    COST_MICRO_USD,
    DEFERRED,
    KEPT_MICRO_USD,
    KILLED_RUN,
    LEDGER,
    PARTNER,
    TITLES,
    UNANSWERED,
    OldState,
    read_old_state,
)


@pytest.fixture(scope="module")
def old() -> OldState:
    return read_old_state()


@pytest.fixture
def settings(
    old: OldState,
    local_stack: LocalStack,
    aws_environment: dict[str, str],
    fresh_stack_state: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Of a stack that has the old state, and nothing else."""
    old.load(local_stack)
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_bytes(old.catalog)
    monkeypatch.setenv("MANGA_CATALOG_URI", str(catalog))
    monkeypatch.setenv("MANGA_CATALOG_BUCKETS", "1")
    return load_settings()


@pytest.fixture
def gateways(settings: Settings) -> Gateways:
    return open_gateways(settings)


def night(settings: Settings) -> str:
    keys = bucket_keys(settings.catalog_buckets)
    job = build_definitions(settings).resolve_job_def(NIGHTLY_JOB)
    result = job.execute_in_process(tags=range_tags(keys[0], keys[-1]))
    assert result.success
    return result.run_id


def answers(books: Books) -> dict[str, list[dict[str, Any]]]:
    columns = ["manga_id", "fingerprint", "dagster_run_id"]
    return {name: sorted(books.rows(name, columns), key=lambda row: row["manga_id"]) for name in SINGLES}


def rewrite_synopsis(catalog: Path) -> str:
    """Of the first title with one; its id."""
    rows = [json.loads(line) for line in catalog.read_text("utf-8").splitlines()]
    title = next(row for row in rows if len(row.get("synopsis") or "") > 80)
    title["synopsis"] = f"{title['synopsis']} Then the sea took the island back."
    catalog.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
    return str(title["manga_id"])


@pytest.mark.slow
def test_a_night_asks_nothing_again_and_the_next_one_only_what_changed(
    old: OldState, settings: Settings, model_server: ModelServerControl
) -> None:
    books = Books(settings)
    before = answers(books)
    assert sum(map(len, before.values())) > 3 * TITLES
    night(settings)
    assert model_server.counters()["requests"] == 0
    assert answers(books) == before
    books.assert_every_title_is_accounted_for()
    assert len(books.catalog_ids()) == TITLES
    assert sum(row["cost_micro_usd"] for row in books.attempts()) == COST_MICRO_USD

    changed = rewrite_synopsis(Path(settings.catalog_uri))
    run_id = night(settings)
    asked = [row for row in books.attempts() if row["dagster_run_id"] == run_id]
    assert {row["manga_id"] for row in asked} == {changed}
    assert model_server.counters()["requests"] == len(asked)


def test_a_claim_of_the_old_form_is_respected_and_then_taken_over_without_booking(
    old: OldState, gateways: Gateways
) -> None:
    def claim(now: datetime) -> ClaimResult:
        return gateways.ledger.claim_many({UNANSWERED: 700}, "new-run", now, now + timedelta(seconds=60))

    [item] = [item for item in old.items[LEDGER] if item["fingerprint"]["S"] == UNANSWERED]
    assert "at_stake_micro_usd" not in item
    assert claim(old.made_at).contended == {UNANSWERED}
    taken = claim(old.made_at + timedelta(seconds=61))
    assert (taken.granted, taken.lost) == ({UNANSWERED}, {})


def test_budget_counters_are_read_and_a_killed_runs_reservation_is_given_back(
    old: OldState, gateways: Gateways
) -> None:
    counter = f"day:{old.run_date}"
    assert gateways.budget.spent(counter) == (COST_MICRO_USD + KEPT_MICRO_USD, COST_MICRO_USD)
    assert gateways.budget.close_abandoned([counter], old.made_at + timedelta(seconds=61)) == [KILLED_RUN]
    assert gateways.budget.spent(counter) == (COST_MICRO_USD, COST_MICRO_USD)


def test_callbacks_that_wait_are_found(old: OldState, gateways: Gateways) -> None:
    due = gateways.outbox.due(old.made_at, 100)
    assert {(each.request_id, each.target) for each in due if each.channel == "callback"} == {
        (BATCH, "https://example.com/cb")
    }


def test_the_state_of_every_partition_is_read(old: OldState, gateways: Gateways) -> None:
    found = [status for name in ANALYSES for status in gateways.status.partitions(name, [BUCKET])]
    assert [status.analysis for status in found] == list(ANALYSES)
    assert {(status.status, status.run_id) for status in found} == {("completed", old.night)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", BATCH], "partially_completed (1 failed, 3 items, 2 succeeded)"),
        (["status", "--partitions"], "genre_classification"),
        (["requests", PARTNER], DEFERRED),
        (["results", BATCH], '"unknown_title"'),
        (["sql", "select sum(cost_micro_usd) as paid from requests", "--format", "csv"], f"\n{COST_MICRO_USD}\n"),
        (["sql", "select count(*) as titles from enriched_catalog", "--format", "csv"], f"\n{TITLES}\n"),
        (["dlq", "depth"], "manga-fm-dlq: 0 visible"),
        (["estimate"], "0.000000"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_a_command_reads_it(words: list[str], said: str, settings: Settings) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert said in result.output.replace("\r\n", "\n")


def test_the_report_is_made_of_it(settings: Settings, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = CliRunner().invoke(main, ["report", "--out", str(page)])
    assert result.exit_code == 0, result.output
    assert "21 of 21" in page.read_text("utf-8")  # the other three have too little text for a summary
