"""Records as rows of the catalog table, and back."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.pipeline.catalog.tables import CATALOG_SCHEMA, records_from_table
from manga_enrichment_tests.builders import catalog_table

FULL = MangaRecord(
    manga_id="MNG-ABCD1234",
    title="港",
    title_ja="港",
    title_kana="ミナト",
    title_en="Harbor",
    synonyms=("A", "B"),
    authors=(Author("Oda, Mio", "story"), Author("Ren")),
    publisher="Kisaragi Press",
    magazines=("週刊少年コメット",),
    isbn13="9784088725093",
    publisher_genres=("Action",),
    themes=("revenge",),
    demographics=("shounen",),
    content_rating="Teen",
    type="manga",
    synopsis="One.\n\nTwo.",
    volumes=3,
    chapters=20,
    status="ongoing",
    start_year=1999,
    source="sample",
    source_id="S1",
    updated_at=datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC),
)
BARE = MangaRecord("MNG-ABCD1235", "Sea")


def test_records_survive_the_way_through_parquet(tmp_path: Path) -> None:
    pq.write_table(catalog_table([(FULL, "h1"), (BARE, "h2")]), tmp_path / "catalog.parquet")
    table = pq.read_table(tmp_path / "catalog.parquet")
    assert table.schema.equals(CATALOG_SCHEMA)
    assert list(records_from_table(table)) == [FULL, BARE]
    assert table.column("content_hash").to_pylist() == ["h1", "h2"]


def test_moments_come_back_in_plain_utc() -> None:
    (record,) = records_from_table(catalog_table([(FULL, "h1")]))
    assert record.updated_at is not None
    assert record.updated_at.tzinfo is UTC


def test_columns_that_were_not_read_are_empty() -> None:
    table = catalog_table([(FULL, "h1")]).select(["title", "manga_id", "authors"])
    assert list(records_from_table(table)) == [MangaRecord("MNG-ABCD1234", "港", authors=FULL.authors)]


def test_a_table_without_rows_has_the_schema_and_no_records() -> None:
    assert catalog_table([]).schema.equals(CATALOG_SCHEMA)
    assert list(records_from_table(catalog_table([]))) == []
