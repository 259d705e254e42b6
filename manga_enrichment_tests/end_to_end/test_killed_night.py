"""A nightly run of 500 titles, killed in the middle as `kill -9` does it, and run again."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.defs.operations.killed_runs import end_killed_runs
from manga_enrichment.local.dagster_home import prepare_dagster_home
from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.night_process import SECONDS, nightly_run, wait_for_billed_calls

TITLES = 500
CONCURRENCY = 16


@pytest.mark.slow
def test_killed_in_the_middle_of_a_night_nothing_is_lost_and_only_calls_in_flight_are_paid_twice(
    arrange: Callable[..., dict[str, str]],
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    prepare_dagster_home(tmp_path)
    environment = arrange(TITLES, catalog_buckets=4, concurrency=CONCURRENCY, claim_seconds=5)
    model_server.faults(latency={"fixed_ms": 150})
    with nightly_run(environment, tmp_path / "first.log") as process:
        wait_for_billed_calls(model_server, 150, process)
        process.kill()
        process.wait()
    with dg.DagsterInstance.get() as instance:  # nobody watches a run of `dagster job execute`
        assert len(list(end_killed_runs(instance))) == 1
    paid_before = model_server.counters()["billed"]
    model_server.faults()
    with nightly_run(environment, tmp_path / "second.log") as process:
        assert process.wait(SECONDS) == 0, (tmp_path / "second.log").read_text()[-4000:]

    books, bill = open_books(), model_server.counters()
    books.assert_every_title_is_accounted_for()
    assert len(books.catalog_ids()) == TITLES
    assert 150 <= paid_before < bill["billed"]
    assert bill["duplicates"] <= CONCURRENCY
    books.assert_bill_is_logged(bill)
    assert len({row["dagster_run_id"] for row in books.attempts()}) == 2
