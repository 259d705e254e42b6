"""Presets: a small file in the shape of each source, every value of it in its place and nothing lost."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from manga_enrichment.domain.catalog.ids import derived_id
from manga_enrichment.domain.catalog.mapping import ColumnMapping
from manga_enrichment.domain.catalog.records import Author, MangaRecord
from manga_enrichment.domain.catalog.rows import clean_row
from manga_enrichment.domain.catalog.warnings import RowWarning
from manga_enrichment.domain.errors import ConfigurationError
from manga_enrichment.pipeline.catalog.files.rows import Reading, SourceRow
from manga_enrichment.pipeline.catalog.source_files import load_mapping, load_preset, preset_names, read_rows

SHAPES = Path(__file__).parent / "preset_shapes"
UPDATED = datetime(2024, 5, 1, 10, tzinfo=UTC)


def of(source: str, source_id: str, title: str, **fields: Any) -> MangaRecord:
    return MangaRecord(derived_id(source, source_id), title, source=source, source_id=source_id, **fields)


MAL: dict[str, Any] = {
    "title_ja": "港の灯",
    "title_en": "Harbor Light",
    "synonyms": ("Light of the Harbor",),
    "magazines": ("Monthly Comet",),
    "publisher_genres": ("Action", "Drama"),
    "themes": ("Sea",),
    "demographics": ("Seinen",),
    "synopsis": "A ship.",
    "volumes": 3,
    "chapters": 20,
    "start_year": 1989,
}
EXPECTED = {
    "jikan": of(
        "myanimelist", "13", "Minato no Hi", authors=(Author("Lee, Ann"),), type="Manga", status="Finished", **MAL
    ),
    "mal-csv": of(
        "myanimelist", "13", "Minato no Hi",
        authors=(Author("Ann Lee", "Story & Art"),), type="manga", status="finished", updated_at=UPDATED, **MAL,
    ),
    "anilist": of(
        "anilist", "30013", "Minato no Hi", title_ja="港の灯", title_en="Harbor Light",
        synonyms=("Light of the Harbor",), authors=(Author("Ann Lee", "Story"), Author("Bo Ray", "Art")),
        publisher_genres=("Action", "Drama"), themes=("Sea",), content_rating="general", type="MANGA",
        synopsis="A ship.", volumes=3, chapters=20,
        status="FINISHED", start_year=1989, updated_at=UPDATED,
    ),
    "mangadex": of(
        "mangadex", "55a07653-5be6", "Harbor Light", title_ja="港の灯", title_en="Harbor Light",
        synonyms=("港の灯", "Minato no Hi"), authors=(Author("Ann Lee", "story"), Author("Bo Ray", "art")),
        publisher_genres=("Action",), themes=("Sea",), demographics=("seinen",), content_rating="safe", type="manga",
        synopsis="A ship.", status="completed", start_year=1989, updated_at=UPDATED,
    ),
    "kitsu": of(
        "kitsu", "38", "Minato no Hi", title_ja="港の灯", title_en="Harbor Light", synonyms=("Light of the Harbor",),
        magazines=("Monthly Comet",), content_rating="Teens", type="manga", synopsis="A ship.", volumes=3, chapters=20,
        status="finished", start_year=1989, updated_at=UPDATED,
    ),
    "madb-ld": of(
        "madb", "C10001", "港の灯", title_ja="港の灯", title_kana="ミナトノヒ",
        authors=(Author("山田花子", "作"), Author("鈴木一郎", "画")), publisher="如月書房",
        type="manga", start_year=1989,
    ),
    "openbd": of(
        "openbd", "9784088725093", "港の灯 3", title_ja="港の灯 3", title_kana="ミナトノヒ",
        authors=(Author("山田花子", "原作"), Author("鈴木一郎", "漫画")), publisher="如月書房",
        magazines=("彗星コミックス",), isbn13="9784088725093", type="manga",
        synopsis="船が行く。", start_year=2013, updated_at=UPDATED,
    ),
    "onix3": of(
        "onix", "r1", "The Harbor", synonyms=("Minato no Hi",),
        authors=(Author("Ann Lee", "story"), Author("Bo", "art")),
        publisher="Kisaragi Press", isbn13="9784088725093", publisher_genres=("Sea stories",), type="manga",
        synopsis="A ship & a storm.", start_year=1989,
    ),
    "ndl": of(
        "ndl", "https://ndlsearch.ndl.go.jp/books/R1", "港の灯", title_ja="港の灯", title_kana="ミナト ノ ヒ",
        authors=(Author("山田, 花子"), Author("鈴木, 一郎")), publisher="如月書房", magazines=("彗星コミックス",),
        isbn13="9784088725093", type="manga", start_year=1989,
    ),
}  # fmt: skip


def shape_of(preset: str) -> Path:
    (path,) = SHAPES.glob(f"{preset}.*")
    return path


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_reads_its_source_whole(preset: str) -> None:
    mapping = load_mapping("", preset)
    warnings: list[RowWarning] = []
    (row,) = read_rows(shape_of(preset), Reading(mapping))
    assert isinstance(row, SourceRow)
    assert clean_row(row.values, row.number, mapping, warnings.append) == EXPECTED[preset]
    assert warnings == []


@pytest.mark.parametrize("preset", ["jikan", "anilist", "mangadex", "kitsu", "madb-ld"])
def test_a_preset_for_whole_answers_reads_their_rows_alone_too(preset: str, tmp_path: Path) -> None:
    mapping = load_mapping("", preset)
    (whole,) = read_rows(shape_of(preset), Reading(mapping))
    assert isinstance(whole, SourceRow)
    (tmp_path / "rows.json").write_bytes(b"[" + whole.raw + b"]")
    (tmp_path / "rows.jsonl").write_bytes(whole.raw + b"\n")
    for name in ("rows.json", "rows.jsonl"):
        (row,) = read_rows(tmp_path / name, Reading(mapping))
        assert isinstance(row, SourceRow)
        assert clean_row(row.values, 1, mapping) == EXPECTED[preset]


def test_the_media_arts_database_of_2021_has_the_same_names_without_prefixes(tmp_path: Path) -> None:
    text = shape_of("madb-ld").read_text("utf-8").replace('"schema:', '"').replace('"rdfs:', '"')
    (tmp_path / "metadata_cm-col_cm104_00001.json").write_text(text, "utf-8")
    mapping = load_mapping("", "madb-ld")
    (row,) = read_rows(tmp_path / "metadata_cm-col_cm104_00001.json", Reading(mapping))
    assert isinstance(row, SourceRow)
    assert clean_row(row.values, 1, mapping) == EXPECTED["madb-ld"]


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_names_its_source_and_version(preset: str) -> None:
    about = load_preset(preset)["$about"]
    assert any(character.isdigit() for character in about)


def test_one_s_own_mapping_goes_over_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps({"type": "kind", "synopsis": None}))
    mapping = load_mapping(str(path), "jikan")
    row = {"kind": "novel", "synopsis": "x", "mal_id": 1, "title": "y"}
    assert mapping.value("type", row) == "novel"
    assert mapping.value("synopsis", row) is None
    assert mapping.value("title", row) == "y"


def test_an_unknown_preset_is_one_sentence_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="MANGA_CATALOG_PRESET=mal is not one of anilist, jikan, "):
        load_mapping("", "mal")
    assert set(preset_names()) == set(EXPECTED)
    assert isinstance(load_mapping("", "jikan"), ColumnMapping)
