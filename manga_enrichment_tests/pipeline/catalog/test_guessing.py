"""A mapping for a file that nobody described, and what would become of its rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.rows import DEFAULT_READING, Reading
from manga_enrichment.pipeline.catalog.guessing import guess_mapping
from manga_enrichment.pipeline.catalog.inspection import Inspection, inspect_rows
from manga_enrichment.pipeline.catalog.plausibility import PlausibleLimits
from manga_enrichment.pipeline.catalog.source_files import preset_names, read_rows
from manga_enrichment_tests.builders import catalog_row, write_source

SHAPES = Path(__file__).parent / "preset_shapes"


def inspection(path: Path, document: dict[str, Any], before: int = 0, **limits: float) -> Inspection:
    mapping = ColumnMapping.from_json({}, document)
    return inspect_rows(read_rows(path, Reading(mapping)), mapping, PlausibleLimits(**limits), before)


@pytest.mark.parametrize("preset", preset_names())
def test_a_known_source_is_known_by_its_shape(preset: str) -> None:
    (path,) = SHAPES.glob(f"{preset}.*")
    document, what = guess_mapping([path], DEFAULT_READING)
    assert what == f"the preset {preset}: set MANGA_CATALOG_PRESET={preset}"
    assert inspection(path, document).report.titles == 1


def test_a_file_with_our_own_names_needs_none(tmp_path: Path) -> None:
    path = write_source(tmp_path / "c.jsonl", [catalog_row(number) for number in range(5)])
    assert guess_mapping([path], DEFAULT_READING) == ({}, "our own names")


def test_names_that_mean_the_same_are_paired(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("管理番号,作品名,著者,出版社,ジャンル,発売年\n1,港の灯,山田花子／著,如月書房,恋愛、学園,1997年\n")
    document, what = guess_mapping([path], DEFAULT_READING)
    assert what == "names that mean the same"
    assert document == {
        "$only": True,
        "manga_id": {"id_from": {"source": "shop", "id": "管理番号"}},
        "source_id": "管理番号",
        "title": "作品名",
        "authors": "著者",
        "publisher": "出版社",
        "publisher_genres": "ジャンル",
        "start_year": "発売年",
    }
    (shown,) = inspection(path, document).shown
    assert (shown["title"], shown["publisher_genres"], shown["start_year"]) == ("港の灯", ["恋愛", "学園"], 1997)


def test_nested_rows_below_a_root_are_found(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    item = {"uuid": "a-1", "info": {"name": "Harbor", "plot": "A ship."}, "creators": [{"name": "Ann", "role": "art"}]}
    path.write_text(json.dumps({"meta": {"n": 1}, "works": [item]}))
    document, _ = guess_mapping([path], DEFAULT_READING)
    assert (document["$rows"], document["title"], document["synopsis"]) == ("works", "info.name", "info.plot")
    (shown,) = inspection(path, document).shown
    assert (shown["title"], shown["authors"]) == ("Harbor", [{"name": "Ann", "role": "art"}])


def test_a_file_of_ours_with_one_other_name_keeps_the_rest(tmp_path: Path) -> None:
    rows = [{**catalog_row(number), "year": 1999, "start_year": None} for number in range(3)]
    for row in rows:
        del row["start_year"]
    document, _ = guess_mapping([write_source(tmp_path / "c.jsonl", rows)], DEFAULT_READING)
    assert document == {"manga_id": "manga_id", "start_year": "year"}


def test_a_file_without_titles_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("price,shelf\n3,B\n")
    with pytest.raises(ConfigurationError, match=r"c\.csv: no column looks like a title"):
        guess_mapping([path], DEFAULT_READING)


def test_an_inspection_counts_what_is_filled_lost_and_rejected(tmp_path: Path) -> None:
    rows = [catalog_row(number, isbn13="1") for number in range(15)]
    found = inspection(write_source(tmp_path / "c.jsonl", [*rows, {"title": "no id"}]), {})
    assert (found.report.titles, found.filled["title"], found.filled["isbn13"]) == (15, 15, 0)
    assert len(found.shown) == 10
    assert found.report.warnings["invalid_isbn13"] == 15
    assert found.examples["invalid_isbn13"] == "1"
    assert [reject["row_number"] for reject in found.rejects] == [16]
    assert found.refused == ""


def test_an_inspection_says_what_an_import_would_refuse(tmp_path: Path) -> None:
    path = write_source(tmp_path / "c.jsonl", [catalog_row(number) for number in range(15)])
    assert "MANGA_CATALOG_MAX_LOST=1" in inspection(path, {}, before=40).refused
    assert inspection(path, {}, before=40, lost=0.9).refused == ""
