"""SQL over the tables reads these and reaches nothing else, whoever asks."""

from pathlib import Path

import pyarrow as pa
import pytest

from manga_enrichment.analysts.plain import QueryError
from manga_enrichment.analysts.session import SqlSession
from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment_tests.analyses import ANALYSES


@pytest.fixture
def session(tmp_path: Path) -> SqlSession:
    """Over tables that nothing was written to yet."""
    return SqlSession(TableDatasets.in_folder(tmp_path), list(ANALYSES.values()))


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT count(*) AS n FROM Catalog WHERE volumes > $least", [{"n": 0}]),
        ("WITH Long AS (FROM catalog WHERE volumes > $least) SELECT count(*) AS n FROM long", [{"n": 0}]),
        ("SELECT count(*) AS n FROM range($least::BIGINT)", [{"n": 1}]),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + $least::INT FROM r WHERE n < 2) FROM r ORDER BY n",
         [{"n": 1}, {"n": 2}]),
        ("VALUES ($least); -- ends so", [{"col0": 1}]),
    ],
)  # fmt: skip
def test_a_select_over_the_tables_is_answered(session: SqlSession, query: str, rows: list[dict[str, object]]) -> None:
    assert session.query(query, {"least": 1}).to_pylist() == rows


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM read_text('/etc/passwd')", "read_text"),
        ("SELECT * FROM '/etc/passwd'", "no published table /etc/passwd"),
        ("COPY (SELECT 1) TO '/tmp/titles.csv'", "Only a SELECT"),
        ("SET threads = 9", "Only a SELECT"),
    ],
)
def test_anything_else_is_refused(session: SqlSession, query: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        session.query(query)


def test_what_slipped_through_would_still_reach_nothing(session: SqlSession, tmp_path: Path) -> None:
    """The second wall: DuckDB itself, so that the first does not need to be perfect."""
    secret = tmp_path / "secret.csv"
    secret.write_text("password\n")
    for query in (f"SELECT * FROM read_text('{secret}')", f"SELECT * FROM '{secret}'", f"ATTACH '{tmp_path}/x.db'"):  # noqa: S608
        with pytest.raises(QueryError):
            session.answer(query, {})
    with pytest.raises(QueryError, match="disabled"):
        session.answer(f"COPY (SELECT 1) TO '{tmp_path}/out.csv'", {})
    for setting in ("enable_external_access = true", "threads = 1", "lock_configuration = false"):
        with pytest.raises(QueryError, match="locked"):
            session.answer(f"SET {setting}", {})
    assert [each.name for each in tmp_path.iterdir()] == ["secret.csv"]


def test_variables_of_the_program_are_no_tables(session: SqlSession) -> None:
    own = pa.table({"secret": [1]})
    with pytest.raises(QueryError, match="does not exist"):
        session.answer("SELECT * FROM own", {})
    assert own.num_rows == 1
