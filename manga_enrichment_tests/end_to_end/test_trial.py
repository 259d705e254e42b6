"""A bake-off over HTTP: a prompt and two families of models beside today, its bill, and what a promotion would bill."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books

TITLES, TRIED = 60, 20
PACKAGED = Path(__file__).parents[2] / "manga_enrichment/domain/analyses/packaged/full_enrichment.toml"


def command(*words: object) -> dict[str, Any]:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return document


def test_a_bake_off_bills_what_it_says_pays_once_and_a_promotion_pays_for_the_rest(
    arrange: Callable[..., dict[str, str]],
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrange(TITLES, catalog_buckets=1, concurrency=8, requests_per_minute=60_000)
    assert build_definitions().resolve_job_def(NIGHTLY_JOB).execute_in_process(tags=range_tags("0", "0")).success
    model_server.faults(latency={"fixed_ms": 200})  # calls would overlap before one has written the prompt cache
    before = model_server.counters()
    candidate = tmp_path / "shorter.toml"
    candidate.write_text(PACKAGED.read_text("utf-8").replace("Read the title once", "Read it once"), "utf-8")
    candidate.write_text(candidate.read_text("utf-8").replace('version = "1"', 'version = "2"'), "utf-8")
    words = ("trial", "--analysis", "full_enrichment", "--candidate", candidate, "--titles", TRIED, "--cap-usd", 5)
    bake_off = (*words, "--model", "sonnet", "--model", "nova-lite", "--json")

    report = command(*bake_off)

    billed = model_server.counters()["cost_micro_usd"] - before["cost_micro_usd"]
    assert report["billed_micro_usd"] == billed > 0
    assert report["estimated_micro_usd"] == pytest.approx(billed, rel=0.5)  # rules of thumb lean to the high side
    assert [each["name"] for each in report["standings"]] == ["today", "shorter", "sonnet", "nova-lite"]
    assert all(each["outcomes"] == {"succeeded": TRIED} for each in report["standings"])
    logged = [row for row in open_books().attempts() if row["dagster_run_id"] == report["trial_id"]]
    assert sum(row["cost_micro_usd"] for row in logged) == billed

    again = command(*bake_off)
    assert model_server.counters()["cost_micro_usd"] - before["cost_micro_usd"] == billed
    assert again["billed_micro_usd"] == billed

    monkeypatch.setenv("MANGA_LANE_MODELS", json.dumps({"night": {"full_enrichment": "nova-lite"}}))
    promoted = command("estimate", "--selection", "full_enrichment", "--json")
    assert promoted["calls"] == report["askable"] - TRIED
