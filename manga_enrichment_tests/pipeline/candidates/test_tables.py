from hypothesis import given
from hypothesis import strategies as st

from manga_enrichment.domain.analyses.base import Candidate
from manga_enrichment.domain.prompts.candidates import CANDIDATE_COLUMNS
from manga_enrichment.pipeline.candidates.tables import (
    candidates_from_table,
    has_candidates,
    read_candidates,
)
from manga_enrichment.pipeline.store.arrow_types import arrow_schema
from manga_enrichment.pipeline.store.object_keys import table_key
from manga_enrichment_tests.builders import BUCKET, bare_record, candidates_of, candidates_table, put_catalog, record
from manga_enrichment_tests.fakes import MemoryTables

CANDIDATES = st.builds(Candidate, st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))


@given(st.dictionaries(st.text(max_size=8), st.lists(CANDIDATES, max_size=4).map(tuple), max_size=5))
def test_lists_come_back_from_their_table_as_they_were(rows: dict[str, tuple[Candidate, ...]]) -> None:
    assert candidates_from_table(candidates_table(rows.items())) == rows


def test_the_table_has_the_described_schema_even_without_rows() -> None:
    assert candidates_table([]).schema == arrow_schema(CANDIDATE_COLUMNS)


def test_rows_are_sorted_by_manga_id_and_candidates_are_not() -> None:
    table = candidates_table([("b", [Candidate("z", "Z"), Candidate("y", "Y")]), ("a", [])])
    assert table.column("manga_id").to_pylist() == ["a", "b"]
    assert [each.manga_id for each in candidates_from_table(table)["b"]] == ["z", "y"]


def test_lists_are_read_by_bucket_and_before_the_first_search_there_are_none() -> None:
    tables, titles = MemoryTables(), [record(1), bare_record(2)]
    put_catalog(tables, titles)
    assert read_candidates(tables, BUCKET) == candidates_of(titles)
    assert has_candidates(tables, BUCKET)
    del tables.objects[table_key("similar_candidates", BUCKET)]
    assert read_candidates(tables, BUCKET) == {}
    assert not has_candidates(tables, BUCKET)
