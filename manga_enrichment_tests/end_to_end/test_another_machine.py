"""A run killed on one machine is continued on another, which has nothing of the first one's disk."""

import signal
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from manga_enrichment.local.stack.model_control import ModelServerControl
from manga_enrichment_tests.end_to_end.books import Books
from manga_enrichment_tests.end_to_end.doomed import Doom
from manga_enrichment_tests.end_to_end.two_machines import continue_on, make_machine, run_on

TITLES = 12
BETWEEN_OPS = [  # by what the op after the one in question hands on
    Doom("tables", "write_json", where="outputs/enrichment.invoke_content_summary/"),
    Doom("tables", "write_json", where="outputs/enrichment.invoke_genre_classification/"),
]


@pytest.mark.slow
@pytest.mark.parametrize("doom", BETWEEN_OPS, ids=str)
def test_killed_between_ops_a_run_is_continued_on_another_machine_and_pays_nothing_twice(
    arrange: Callable[..., dict[str, str]],
    doom: Doom,
    model_server: ModelServerControl,
    open_books: Callable[[], Books],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = arrange(TITLES, catalog_buckets=1, claim_seconds=5)
    here, there = (make_machine(tmp_path, name, environment) for name in ("here", "there"))
    assert run_on(here, doom) == -signal.SIGKILL
    assert not list((tmp_path / "here" / "artifacts").rglob("*plan*"))

    monkeypatch.setenv("DAGSTER_HOME", there["DAGSTER_HOME"])
    with dg.DagsterInstance.get() as instance:
        (dead,) = instance.get_runs()
        instance.report_run_failed(dead, "its task is gone")
    assert continue_on(there, dead.run_id) == 0

    with dg.DagsterInstance.get() as instance:
        (again,) = (run for run in instance.get_runs() if run.run_id != dead.run_id)
        started = {log.dagster_event.step_key for log in instance.all_logs(again.run_id) if log.dagster_event}
    assert "enrichment.plan" not in started, "it began anew, so it did not need what was handed on"
    books, bill = open_books(), model_server.counters()
    books.assert_every_title_is_accounted_for()
    assert bill["duplicates"] == 0 < bill["billed"]
    assert len(books.attempts()) == bill["billed"]
