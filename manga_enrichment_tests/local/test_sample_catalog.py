"""The generator of fictional catalogs and the shipped sample."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.analyses.packaged.reading_level import LEVEL_AGES
from manga_enrichment.domain.catalog.records import MangaRecord
from manga_enrichment.domain.catalog.rows import RejectedRow, clean_row
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.local.sample_catalog import generate, write_catalog
from manga_enrichment.local.sample_catalog.generator import manga_id
from manga_enrichment.local.sample_catalog.vocabulary import english, genre_facts, japanese
from manga_enrichment.local.sample_catalog.writing import SAMPLE_ROWS, SAMPLE_SEED
from manga_enrichment.pipeline.catalog.files.rows import SourceRow
from manga_enrichment.pipeline.catalog.source_files import read_rows
from manga_enrichment_tests.analyses import get_analysis

GENRES = get_analysis("genre_classification").columns[0].values
SHIPPED = Path(__file__).parents[2] / "data" / "catalog"


def records_of(path: Path) -> list[MangaRecord]:
    """Good records of a file, in order."""
    cleaned = [clean_row(row.values, row.number) for row in read_rows(path) if isinstance(row, SourceRow)]
    return [record for record in cleaned if isinstance(record, MangaRecord)]


def test_the_shipped_sample_is_what_the_generator_makes(tmp_path: Path) -> None:
    write_catalog(tmp_path / "sample.jsonl", SAMPLE_ROWS, SAMPLE_SEED, bad_rows=True)
    for name in ("sample.jsonl", "sample_truth.jsonl"):
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes(), f"{name}: generate it anew"


def test_the_shipped_sample_has_500_good_titles_and_the_documented_bad_rows() -> None:
    cleaned = [
        clean_row(row.values, row.number) for row in read_rows(SHIPPED / "sample.jsonl") if isinstance(row, SourceRow)
    ]
    rejects = [(row.row_number, row.reason.value) for row in cleaned if isinstance(row, RejectedRow)]
    assert rejects == [
        (501, "invalid_manga_id"),
        (502, "invalid_manga_id"),
        (503, "missing_manga_id"),
        (504, "missing_title"),
        (505, "missing_title"),
    ]
    records = [row for row in cleaned if isinstance(row, MangaRecord)]
    assert len({record.manga_id for record in records}) == SAMPLE_ROWS
    older = records[-1]
    assert older.manga_id == records[0].manga_id
    assert older.updated_at is not None
    assert records[0].updated_at is not None
    assert older.updated_at < records[0].updated_at


def test_the_truth_names_every_good_title_in_the_terms_of_the_analyses() -> None:
    truths = [json.loads(line) for line in (SHIPPED / "sample_truth.jsonl").read_text("utf-8").splitlines()]
    records = records_of(SHIPPED / "sample.jsonl")
    assert [truth["manga_id"] for truth in truths] == [record.manga_id for record in records[:SAMPLE_ROWS]]
    assert {genre for truth in truths for genre in truth["genres"]} <= set(
        get_analysis("genre_classification").columns[0].values
    )
    assert {truth["reading_level"] for truth in truths} == set(LEVEL_AGES)
    assert all(truth["primary_genre"] == truth["genres"][0] for truth in truths)
    assert all(
        truth["has_synopsis"] == (record.synopsis is not None) for truth, record in zip(truths, records, strict=False)
    )


def test_titles_vary_like_real_ones() -> None:
    titles = list(generate(2000, 1))
    synopses = [title.row["synopsis"] for title in titles if "synopsis" in title.row]
    assert 0.08 < 1 - len(synopses) / len(titles) < 0.16
    assert max(map(len, synopses)) > 2500
    assert any("\x00" in text or "\u200b" in text for text in synopses)
    assert any("&#39;" in text for text in synopses)
    assert 0.35 < sum(title.truth["language"] == "ja" for title in titles) / len(titles) < 0.55
    assert set(Counter(title.truth["primary_genre"] for title in titles)) == set(genre_facts())
    assert len({title.row["title"] for title in titles}) < len(titles)
    assert any("," in author["name"] for title in titles for author in title.row["authors"])


def test_every_generated_title_is_a_good_row_without_its_attribution() -> None:
    made = list(generate(1000, 2))
    assert len(made) == 1000
    for title in made:
        record = clean_row(title.row, 1)
        assert isinstance(record, MangaRecord)
        for trace in ("Source:", "出典", "データベース", "Catalog Rewrite", "<br", "&#39;", "&nbsp;"):
            assert trace not in (record.synopsis or "")


def test_the_same_seed_gives_the_same_titles_and_a_longer_catalog_begins_like_a_shorter_one() -> None:
    short = list(generate(50, 3))
    assert list(islice(generate(10**9, 3), 50)) == short
    assert list(generate(50, 4)) != short


def test_ids_are_unique_and_valid() -> None:
    ids = [title.row["manga_id"] for title in generate(5000, 5)]
    assert len(set(ids)) == len(ids)
    assert manga_id(0) == "MNG-00000000"
    assert manga_id(36**8 - 1) == "MNG-ZZZZZZZZ"


def test_both_languages_know_the_same_genres() -> None:
    assert set(english().genres) == set(japanese().genres) == set(genre_facts()) <= set(GENRES)


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_every_format_holds_the_same_titles(tmp_path: Path, extension: str) -> None:
    write_catalog(tmp_path / "c.jsonl", 60, 6)
    write_catalog(tmp_path / f"c.{extension}", 60, 6)
    assert records_of(tmp_path / f"c.{extension}") == records_of(tmp_path / "c.jsonl")


def test_another_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must end in"):
        write_catalog(tmp_path / "c.xlsx", 1, 1)


def test_rows_have_only_known_columns_and_the_shelf() -> None:
    columns: set[str] = set()
    for title in generate(500, 7):
        columns |= title.row.keys()
    extra: set[Any] = columns - set(MangaRecord.__dataclass_fields__)
    assert extra == {"shelf"}
