"""The SQL box lets in one SELECT over published tables, in whatever way it is written, and nothing else."""

import sys

import pytest

from manga_enrichment.analysts.guarded_sql import MAX_CHARACTERS, RefusedQueryError, check_query
from manga_enrichment.browse.tables import names_of
from manga_enrichment.runtime.shipped import shipped
from manga_enrichment_tests.browse_world import PUBLISHED

NAMES = names_of(PUBLISHED)
SHIPPED = sorted(shipped("data/sql").glob("*.sql"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_question_is_let_in(path: object) -> None:
    check_query(path.read_text("utf-8"), NAMES)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select * from CATALOG",
        'SELECT * FROM "catalog";',
        "FROM catalog",
        "WITH a AS (SELECT 1 AS x), b AS (SELECT * FROM a) SELECT * FROM B",
        "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 3) SELECT * FROM r",
        "SELECT * FROM (VALUES (1, 2)) AS t(a, b), unnest([1, 2]) AS u",
        "SELECT * FROM range(10) AS t(i) WHERE i IN (SELECT 3)",
        "SELECT 'FROM passwords; DROP TABLE catalog' -- FROM secrets",
        "SELECT * FROM requests_objects",
        "SELECT * FROM catalog WHERE manga_id = $manga_id",
    ],
)
def test_a_select_over_published_tables_is_let_in(sql: str) -> None:
    check_query(sql, NAMES)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("SELECT 1; DROP TABLE catalog", "Only a SELECT"),
        ("SELEC 1", "no SQL"),
        ("SELECT '", "no SQL"),
        ("COPY (SELECT 1) TO 'x.csv'", "Only a SELECT"),
        ("ATTACH 'x.db'", "Only a SELECT"),
        ("INSTALL httpfs", "Only a SELECT"),
        ("LOAD httpfs", "Only a SELECT"),
        ("SET threads = 9", "Only a SELECT"),
        ("PRAGMA database_list", "Only a SELECT"),
        ("CALL pragma_version()", "Only a SELECT"),
        ("CREATE TABLE t AS SELECT 1", "Only a SELECT"),
        ("INSERT INTO catalog SELECT 1", "Only a SELECT"),
        ("EXPLAIN SELECT 1", "Only a SELECT"),
        ("DESCRIBE catalog", "SHOW"),
        ("SHOW TABLES", "SHOW"),
        ("SUMMARIZE catalog", "SHOW"),
        ("SELECT * FROM (SHOW TABLES)", "SHOW"),
        ("SELECT * FROM titles", "no published table titles"),
        ("SELECT * FROM '/etc/passwd'", "no published table /etc/passwd"),
        ("SELECT * FROM 'https://example.com/x.parquet'", "no published table"),
        ("SELECT * FROM information_schema.tables", "no published table information_schema.tables"),
        ("SELECT * FROM main.catalog", "no published table main.catalog"),
        ("SELECT (SELECT count(*) FROM pg_catalog.pg_class)", "no published table pg_catalog.pg_class"),
        ("SELECT * FROM catalog WHERE EXISTS (SELECT 1 FROM duckdb_secrets())", "duckdb_secrets"),
        ("WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x", "read_text"),
        ("SELECT 1 UNION ALL SELECT 1 FROM read_csv('x')", "read_csv"),
        ("SELECT * FROM READ_PARQUET('x')", "read_parquet"),
        ("SELECT * FROM parquet_scan('x')", "parquet_scan"),
        ("SELECT * FROM glob('/*')", "glob"),
        ("SELECT * FROM sniff_csv('x')", "sniff_csv"),
        ("SELECT * FROM query('SELECT 1')", "query"),
        ("SELECT * FROM query_table('catalog')", "query_table"),
        ("SELECT * FROM main.read_csv('x')", "read_csv"),
        ("SELECT * FROM catalog, LATERAL (SELECT * FROM read_csv(catalog.title))", "read_csv"),
        (f"SELECT '{'x' * MAX_CHARACTERS}'", "more than 20,000 characters"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(sql: str, told: str) -> None:
    with pytest.raises(RefusedQueryError, match=told):
        check_query(sql, NAMES)


def test_a_name_of_a_with_hides_no_table_that_is_qualified() -> None:
    with pytest.raises(RefusedQueryError, match="no published table"):
        check_query('WITH "/etc/passwd" AS (SELECT 1) SELECT * FROM pg_catalog."/etc/passwd"', NAMES)


def test_nesting_ends_in_a_sentence() -> None:
    check_query("SELECT " + "(" * 400 + "1" + ")" * 400, NAMES)
    with pytest.raises(RefusedQueryError, match="depth limit"):
        check_query("SELECT " + "(" * 5000 + "1" + ")" * 5000, NAMES)


@pytest.mark.parametrize("limit", [1_000, 20_000])
def test_how_deep_a_query_may_be_does_not_depend_on_what_python_reads(limit: int) -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        check_query("SELECT * FROM (" * 50 + "SELECT 1" + ")" * 50, NAMES)
        with pytest.raises(RefusedQueryError, match="nested too deep"):
            check_query("SELECT * FROM (" * 500 + "SELECT 1" + ")" * 500, NAMES)
    finally:
        sys.setrecursionlimit(before)
