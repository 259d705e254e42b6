"""What a query over the tables may not say, reach and take."""

from pathlib import Path

import pyarrow as pa
import pytest

from manga_enrichment.analysts.guarded import Bounds, GuardedConnection
from manga_enrichment.analysts.plain import QueryError

TITLES = pa.table({"manga_id": ["a", "b", "c"], "volumes": [1, 2, 30], "genres": [["x"], ["x", "y"], []]})
ENDLESS = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"


def guarded(bounds: Bounds | None = None) -> GuardedConnection:
    connection = GuardedConnection(["Catalog", "outcomes"], bounds or Bounds())
    connection.register("catalog", TITLES)
    return connection


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM read_text('/etc/passwd')", "read_text() cannot stand for a table"),
        ("SELECT * FROM '/etc/passwd'", "/etc/passwd is no table here"),
        ("SELECT * FROM read_parquet('s3://bucket/x')", "read_parquet() cannot stand"),
        ("SELECT (SELECT count(*) FROM glob('/*'))", "glob() cannot stand"),
        ("WITH a AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM a", "read_csv() cannot stand"),
        ("SELECT * FROM query('SELECT 1')", "query() cannot stand"),
        ("SELECT * FROM query_table('catalog')", "query_table() cannot stand"),
        ("SELECT * FROM duckdb_settings()", "duckdb_settings() cannot stand"),
        ("SELECT * FROM duckdb_tables", "duckdb_tables is no table here"),
        ("SELECT * FROM information_schema.tables", "information_schema.tables is no table here"),
        ("SELECT * FROM other.catalog", "other.catalog is no table here. The tables are: catalog, outcomes"),
        ("SHOW TABLES", "The tables are: catalog, outcomes"),
        ("COPY catalog TO '/tmp/titles.csv'", "Only SELECT"),
        ("ATTACH '/tmp/x.db'", "Only SELECT"),
        ("CREATE TABLE mine AS SELECT 1", "Only SELECT"),
        ("DELETE FROM catalog", "Only SELECT"),
        ("SET threads = 9", "Only SELECT"),
        ("INSTALL httpfs", "Only SELECT"),
        ("PRAGMA database_list", "Only SELECT"),
        ("CALL duckdb_settings()", "Only SELECT"),
        ("EXPORT DATABASE '/tmp/all'", "Only SELECT"),
        ("SELECT 1; DROP VIEW catalog", "One statement at a time: this is 2"),
        ("", "One statement at a time: this is 0"),
        ("PIVOT catalog ON manga_id USING sum(volumes)", "IN ('a', 'b')"),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        (f"SELECT {'(' * 5000}1{')' * 5000}", ""),
    ],
)
def test_a_query_that_is_not_one_select_over_the_tables_is_refused(query: str, said: str) -> None:
    with pytest.raises(QueryError) as refused:
        guarded().tables_of(query)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT manga_id FROM CATALOG WHERE volumes > $least ORDER BY 1", [{"manga_id": "b"}, {"manga_id": "c"}]),
        ("WITH Long AS (FROM catalog WHERE volumes > $least) SELECT count(*) AS n FROM long", [{"n": 2}]),
        ("SELECT count(*) AS n FROM (SELECT unnest(genres) FROM catalog WHERE volumes > $least)", [{"n": 2}]),
        ("SELECT g FROM catalog, unnest(genres) AS u(g) WHERE volumes = $least", [{"g": "x"}]),
        ("PIVOT catalog ON manga_id IN ('a') USING sum(volumes + $least - 1)", None),
        ("SELECT count(*) AS n FROM range($least::BIGINT)", [{"n": 1}]),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + $least::INT FROM r WHERE n < 3) FROM r ORDER BY n",
         [{"n": 1}, {"n": 2}, {"n": 3}]),
        ("VALUES ($least) UNION ALL SELECT volumes FROM catalog WHERE manga_id = 'b'; -- ends so", None),
    ],
)  # fmt: skip
def test_selects_over_the_tables_are_answered(query: str, rows: list[dict[str, object]] | None) -> None:
    connection = guarded()
    assert connection.tables_of(query) <= {"catalog"}
    found = connection.query(query, {"least": 1}).table
    assert found.num_rows > 0 if rows is None else found.to_pylist() == rows


def test_what_slipped_through_would_still_reach_nothing(tmp_path: Path) -> None:
    """The second wall: DuckDB itself, which the first does not need to be perfect for."""
    connection, secret = guarded(), tmp_path / "secret.csv"
    secret.write_text("password\n")
    for query in (f"SELECT * FROM read_text('{secret}')", f"SELECT * FROM '{secret}'", f"ATTACH '{tmp_path}/x.db'"):  # noqa: S608
        with pytest.raises(QueryError):
            connection.query(query, {})
    with pytest.raises(QueryError, match="disabled"):
        connection.query(f"COPY (SELECT 1) TO '{tmp_path}/out.csv'", {})
    for setting in ("enable_external_access = true", "threads = 1", "lock_configuration = false"):
        with pytest.raises(QueryError, match="locked"):
            connection.query(f"SET {setting}", {})
    assert [each.name for each in tmp_path.iterdir()] == ["secret.csv"]


def test_variables_of_the_program_are_no_tables() -> None:
    own = pa.table({"secret": [1]})
    with pytest.raises(QueryError, match="does not exist"):
        guarded().query("SELECT * FROM own", {})
    assert own.num_rows == 1


def test_what_takes_too_long_is_ended_and_the_next_query_is_answered() -> None:
    connection = guarded(Bounds(seconds=0.2))
    with pytest.raises(QueryError, match=r"longer than 0\.2 s"):
        connection.query(ENDLESS, {})
    assert connection.query("SELECT 1 AS n", {}).table.to_pylist() == [{"n": 1}]


def test_what_needs_too_much_memory_is_ended() -> None:
    with pytest.raises(QueryError, match="more memory"):
        guarded(Bounds(memory_mb=50)).query("SELECT list(range) FROM range(1000000000)", {})


def test_rows_beyond_the_bound_are_cut_and_not_computed() -> None:
    connection = guarded(Bounds(rows=2))
    endless = connection.query("SELECT * FROM range(1000000000000)", {})
    assert (endless.table.num_rows, endless.is_cut) == (2, True)
    whole = connection.query("SELECT * FROM catalog LIMIT 2", {})
    assert (whole.table.num_rows, whole.is_cut) == (2, False)
