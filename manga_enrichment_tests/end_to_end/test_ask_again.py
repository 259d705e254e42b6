"""Titles asked again over HTTP: killed as `kill -9` does it, and said again; later nights bill nothing."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from manga_enrichment.assembly import build_definitions
from manga_enrichment.cli import main
from manga_enrichment.defs.enrichment.jobs import NIGHTLY_JOB
from manga_enrichment.defs.shared.tags import range_tags
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment.pipeline.again.store import read_presses
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.night_process import wait_for_billed_calls

TITLES, CONCURRENCY = 60, 2
SUMMARY = "content_summary"
WORDS = [
    "ask-again",
    "--analysis",
    SUMMARY,
    "--where",
    "length(synopsis) > 0",
    "--because",
    "the end is given away",
    "--yes",
]


def night() -> None:
    job = build_definitions().resolve_job_def(NIGHTLY_JOB)
    assert job.execute_in_process(tags=range_tags("0", "1")).success


@pytest.mark.slow
def test_killed_in_the_middle_and_said_again_only_calls_in_flight_are_paid_twice(
    arrange: Callable[..., dict[str, str]],
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
    tmp_path: Path,
) -> None:
    environment = arrange(TITLES, catalog_buckets=2, concurrency=CONCURRENCY, claim_seconds=5)
    night()
    before = model_server.counters()["billed"]
    model_server.faults(latency={"fixed_ms": 200})
    log = tmp_path / "first.log"
    command = [str(Path(sys.executable).parent / "manga-enrichment"), *WORDS]
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        wait_for_billed_calls(model_server, before + 10, process)
        process.kill()
        process.wait()
    model_server.faults()
    time.sleep(0.5)  # what it had on its way comes to its end at the server
    killed = model_server.counters()["billed"] - before
    numbers = dict(read_presses(open_books().tables, "0").numbers)
    assert numbers

    again = CliRunner().invoke(main, WORDS)

    assert again.exit_code == 0, again.output
    assert dict(read_presses(open_books().tables, "0").numbers) == numbers
    books, bill = open_books(), model_server.counters()
    forced = [row for row in books.attempts() if (row["why"] or "").startswith("forced")]
    titles = {row["manga_id"] for row in forced}
    assert len(titles) == len([row for row in forced if row["status"] == "succeeded"])
    assert 10 <= killed <= len(titles)  # all, where this process was kept waiting
    assert len(titles) <= bill["billed"] - before <= len(titles) + CONCURRENCY
    assert {row["why"] for row in forced} == {"forced: the end is given away"}
    logged = sum(row["cost_micro_usd"] for row in books.attempts())
    maybe_billed = sum(row["cost_micro_usd"] for row in books.attempts() if row["maybe_billed"])
    assert logged - maybe_billed <= bill["cost_micro_usd"] <= logged

    night()
    assert model_server.counters()["billed"] == bill["billed"]
    assert CliRunner().invoke(main, WORDS).exit_code == 0
    assert model_server.counters()["billed"] == bill["billed"]
