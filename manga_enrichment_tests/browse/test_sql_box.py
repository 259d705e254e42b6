"""What is promised of a query's process: tables are there, nothing else is; time, memory, rows and bytes end."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from manga_enrichment.analysts.guarded_sql import RefusedQueryError
from manga_enrichment.browse.sql_box import Bounds, SqlBox, Task, run_apart
from manga_enrichment.browse.sql_worker import locked
from manga_enrichment.browse.tables import view_statements
from manga_enrichment_tests.browse_world import PUBLISHED, Site
from manga_enrichment_tests.builders import title_id

SMALL = Bounds(seconds=120, memory_mb=100, rows=1_000, bytes=1_000_000)
"""Time enough for a process to start on any machine."""


@pytest.fixture(scope="session")
def box(site: Site) -> SqlBox:
    return SqlBox(PUBLISHED, site.shelf.home, SMALL)


def ask(site: Site, box: SqlBox, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    return list(box.ask(site.state.copy, sql, parameters).table.to_pylist())


def past_the_guard(site: Site, sql: str, seconds: float = 20) -> pa.Table:
    """What the process itself makes of a statement that nobody looked at."""
    home = site.shelf.home.resolve()
    views = view_statements(PUBLISHED, site.state.copy)
    return run_apart(Task(sql, {}, views, str(home), seconds, 100, 1_000, 1_000_000), home)


@pytest.mark.slow
def test_tables_views_and_parameters_are_there(site: Site, box: SqlBox) -> None:
    [row] = ask(site, box, "SELECT count(*) AS titles, min(bucket) AS bucket FROM enriched_catalog")
    assert row == {"titles": 5, "bucket": "0"}
    [row] = ask(site, box, "SELECT manga_id FROM catalog WHERE manga_id = $x", x=title_id(2))
    assert row == {"manga_id": title_id(2)}
    assert ask(site, box, "SELECT * FROM partner_results") == []
    [row] = ask(site, box, "SELECT 1 AS a, 2 AS a, 3 AS a_1")
    assert row == {"a": 1, "a_2": 2, "a_1": 3}


@pytest.mark.slow
def test_a_fault_is_a_sentence(site: Site, box: SqlBox) -> None:
    with pytest.raises(RefusedQueryError, match="nonsense"):
        ask(site, box, "SELECT nonsense FROM catalog")
    with pytest.raises(RefusedQueryError, match="x"):
        ask(site, box, "SELECT $x")


@pytest.mark.slow
def test_rows_are_cut_and_a_large_result_is_refused(site: Site, box: SqlBox) -> None:
    result = box.ask(site.state.copy, "SELECT * FROM range(100000)", {})
    assert (result.table.num_rows, result.has_more) == (1_000, True)
    result = box.ask(site.state.copy, "SELECT * FROM range(1000)", {})
    assert (result.table.num_rows, result.has_more) == (1_000, False)
    result = box.ask(site.state.copy, "SELECT * FROM range(1000)", {}, rows=10)
    assert (result.table.num_rows, result.has_more) == (10, True)
    with pytest.raises(RefusedQueryError, match="more than 1 MB"):
        ask(site, box, "SELECT repeat('x', 5000000)")


@pytest.mark.slow
def test_memory_ends_a_query_and_not_the_server(site: Site, box: SqlBox) -> None:
    with pytest.raises(RefusedQueryError, match=r"(?i)memory"):
        ask(site, box, "SELECT count(DISTINCT i) FROM range(200000000) AS t(i)")
    with pytest.raises(RefusedQueryError, match=r"(?i)memory|too large|more than"):
        ask(site, box, "SELECT list_sort(range(1000000000))")


@pytest.mark.slow
def test_time_ends_a_query_that_no_interrupt_reaches(site: Site) -> None:
    """One call of one function, over one row: DuckDB looks for an interrupt between rows alone."""
    hasty = SqlBox(PUBLISHED, site.shelf.home, replace(SMALL, seconds=2, at_once=1))
    for _ in range(2):  # the second finds its turn given back
        with pytest.raises(RefusedQueryError, match="took longer than 2 s and was ended"):
            ask(site, hasty, "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))")


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')",
        "SET enable_external_access = true",
        "SET memory_limit = '8GB'",
        "RESET lock_configuration",
        "SET allowed_directories = ['/']",
    ],
)
def test_what_gets_past_the_guard_is_refused_by_the_connection(site: Site, sql: str) -> None:
    with pytest.raises(RefusedQueryError, match=r"(?i)disabled|locked|permission|cannot|does not exist"):
        past_the_guard(site, sql)


@pytest.mark.slow
def test_the_process_can_write_no_file_even_where_it_may_read(site: Site) -> None:
    target = site.shelf.home / "written.csv"
    with pytest.raises(RefusedQueryError):
        past_the_guard(site, f"COPY (SELECT repeat('x', 100000) AS x) TO '{target}'")
    assert not target.exists() or target.stat().st_size == 0


@pytest.mark.slow
def test_the_process_has_no_credentials(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment, asked of the process itself: the module is replaced by one that tells."""
    package = tmp_path / "manga_enrichment" / "browse"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("")
    (package / "sql_worker.py").write_text(
        "import json, os, sys, pyarrow as pa\n"
        "table = pa.table({'environment': [json.dumps(dict(os.environ))]})\n"
        "with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as writer:\n    writer.write_table(table)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("MANGA_CALLBACK_SECRET", "told to nobody")
    assert os.environ["AWS_SECRET_ACCESS_KEY"]
    table = run_apart(Task("", {}, [], "", 20, 1, 1, 1), tmp_path)
    seen = json.loads(table.column("environment")[0].as_py())
    assert not [name for name in seen if name.startswith(("AWS_", "MANGA_"))]


def test_a_python_variable_is_no_table(tmp_path: Path) -> None:
    frame = pa.table({"a": [1]})
    connection = locked([], str(tmp_path), 100)
    with pytest.raises(duckdb.Error, match="frame"):
        connection.execute("SELECT * FROM frame")
    assert frame.num_rows == 1


@pytest.mark.slow
def test_the_page_shows_rows_and_offers_them_in_every_form(site: Site) -> None:
    query = "q=SELECT+manga_id,+title+FROM+catalog+ORDER+BY+1"
    page = site.get(f"/sql?{query}")
    assert page.status == 200
    assert "5 rows" in page.text
    assert "&lt;script&gt;" in page.text
    for form in ("csv", "spreadsheet", "json", "parquet"):
        assert f'href="/sql/result.{form}?q=SELECT' in page.text
    csv = site.get(f"/sql/result.csv?{query}")
    assert csv.headers["content-disposition"] == 'attachment; filename="result.csv"'
    assert csv.text.splitlines()[0] == "manga_id,title"
    assert len(csv.text.splitlines()) == 6
    lines = [json.loads(line) for line in site.get(f"/sql/result.json?{query}").text.splitlines()]
    assert [line["manga_id"] for line in lines] == [title_id(n) for n in range(1, 6)]
    parquet = site.get(f"/sql/result.parquet?{query}")
    assert parquet.body.startswith(b"PAR1")


@pytest.mark.slow
def test_a_file_is_whole_or_refused(tables_folder: Path, tmp_path: Path) -> None:
    small = Site(tables_folder, tmp_path, bounds=Bounds(rows=3))
    small.shelf.refresh()
    answer = small.get("/sql/result.csv?q=FROM+range(4)")
    assert answer.status == 400
    assert "more than 3 rows" in answer.text
    assert small.get("/sql/result.csv?q=FROM+range(3)").status == 200


@pytest.mark.slow
def test_a_shipped_question_asks_for_its_words(site: Site) -> None:
    asked = site.get("/sql?q=--+%24title:+in+words%0ASELECT+%24title+AS+ids&p.title=some+shop")
    assert title_id(3) in asked.text
    by_id = site.get(f"/sql?q=--+%24title:+in+words%0ASELECT+%24title+AS+ids&p.title={title_id(2)}")
    assert title_id(2) in by_id.text


def test_parameters_without_values_are_asked_for(site: Site) -> None:
    page = site.get("/sql?q=SELECT+%24one,+'%24not'+--+%24neither")
    assert 'name="p.one"' in page.text
    assert "p.not" not in page.text
    assert "p.neither" not in page.text
    assert "Give each parameter a value" in page.text
