"""A condition or a SELECT says which titles are meant, and nothing else can be said."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from manga_enrichment.analysts.chosen import chosen_ids
from manga_enrichment.analysts.plain import QueryError
from manga_enrichment.analysts.session import SqlSession
from manga_enrichment.aws.s3.table_datasets import TableDatasets
from manga_enrichment_tests.analyses import ANALYSES


@pytest.fixture
def session(tmp_path: Path) -> SqlSession:
    """Over tables that nothing was written to yet."""
    return SqlSession(TableDatasets.in_folder(tmp_path), list(ANALYSES.values()))


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("SELECT unnest(['b', 'a', 'b', NULL]) AS manga_id", ["b", "a"]),
        ("\n  (select 'x' AS manga_id)", ["x"]),
        ("WITH few AS (SELECT 'y' AS manga_id) FROM few", ["y"]),
    ],
)
def test_a_query_gives_each_id_once_in_its_order(session: SqlSession, where: str, ids: Sequence[str]) -> None:
    assert chosen_ids(session, where) == ids


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("volumes > 3", "No title fits"),
        ("title = 'x' -- a note", "No title fits"),
        ("selected = 1", "selected"),
        ("SELECT title FROM catalog", "It gives title: it has to give manga_id"),
        ("true) UNION (SELECT content AS manga_id FROM read_text('/etc/passwd')", "read_text"),
        ("SELECT 1; SELECT 2", "Ask one SELECT at a time"),
        ("true); SELECT 1; --", "The query is no SQL"),
        ("DELETE FROM catalog", "no SQL|syntax"),
    ],
)
def test_what_chooses_nothing_or_reaches_further_is_refused(session: SqlSession, where: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        chosen_ids(session, where)
